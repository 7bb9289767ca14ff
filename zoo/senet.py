"""SENet: let a block weigh its channels, after one look at the whole image.

A convolution sees a few pixels, so a block cannot know whether what a channel found matters for this image. *Squeeze
and excitation* tells it: average each channel over the whole image (squeeze), let two small layers turn the averages
into one factor between 0 and 1 for each channel (excite), and multiply. It costs next to nothing, fits into any
network, and won the ImageNet contest of 2017. Here it sits in the blocks of a ResNet-18.

image 3×32×32 → 64×32×32 → 64×32×32 → 128×16×16 → 256×8×8 → 512×4×4 → 512 → 10 scores

Paper: "Squeeze-and-Excitation Networks", Hu, Shen, Albanie, Sun and Wu, 2017, https://arxiv.org/abs/1709.01507

For CIFAR-10: a stem of one 3×3 convolution with stride 1, as in ResNet-18. The blocks are *pre-activation* ones, where
norm and ReLU come before each convolution instead of after it, so the sum at the end is not touched by a ReLU. The
last sum goes into the head as it is, without a final norm and ReLU.

Look at: `SqueezeExcitation`, whose eight copies hold 89,080 of the 11,260,354 parameters, and which of the two, `x` or
its activation `a`, the shortcut starts from.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class SqueezeExcitation(nn.Module):
    """Scale each channel by what the averages of all channels say of it: (N, C, H, W) → (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 16, kernel_size=1)
        self.excite = nn.Conv2d(channels // 16, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        scale = x.mean(dim=(2, 3), keepdim=True)  # (N, C, 1, 1)
        scale = F.relu(self.squeeze(scale))  # (N, C // 16, 1, 1)
        scale = self.excite(scale).sigmoid()  # (N, C, 1, 1), each between 0 and 1
        return x * scale  # (N, C, H, W)


class PreActivationBlock(nn.Module):
    """Two 3×3 convolutions and a weighing of channels: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.squeeze_excitation = SqueezeExcitation(width)
        self.shortcut: nn.Module | None = None
        if stride != 1 or in_channels != width:
            self.shortcut = nn.Conv2d(in_channels, width, kernel_size=1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x))  # (N, in, H, W)
        y = self.conv1(a)  # (N, width, H/stride, W/stride)
        y = self.conv2(F.relu(self.bn2(y)))  # (N, width, H/stride, W/stride)
        y = self.squeeze_excitation(y)  # (N, width, H/stride, W/stride)
        return y + (x if self.shortcut is None else self.shortcut(a))  # (N, width, H/stride, W/stride)


class SENet(nn.Module):
    """Four stages of weighing blocks: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # depth, width, stride
        (     2,    64,      1),
        (     2,   128,      2),
        (     2,   256,      2),
        (     2,   512,      2),
    )
    # fmt: on

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        channels = 64
        stages = []
        for depth, width, stride in self.STAGES:
            blocks = []
            for number in range(depth):
                blocks.append(PreActivationBlock(channels, width, stride if number == 0 else 1))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 64, 32, 32)
        x = self.stages(x)  # (N, 512, 4, 4)
        return self.head(x)  # (N, classes)


def senet18(classes: int = 10) -> SENet:
    return SENet(classes)
