"""PreAct ResNet: keep the road from block to block completely free.

In the first ResNet a ReLU stood after every sum, so whatever went along the shortcuts was still cut off at zero once
a block. Moving batch norm and ReLU *in front of* each convolution leaves nothing on the shortcut but additions: the
last block receives the first block's output plus what the blocks between have added, and the gradient comes back
unchanged. Networks of a thousand layers became trainable that way.

image 3×32×32 → 64×32×32 → 64×32×32 → 128×16×16 → 256×8×8 → 512×4×4 → 512 → 10 scores

Paper: "Identity Mappings in Deep Residual Networks", He, Zhang, Ren and Sun, 2016,
https://arxiv.org/abs/1603.05027

For CIFAR-10: stages and widths of ResNet-18 with a stem of one bare 3×3 convolution, as in
https://github.com/kuangliu/pytorch-cifar, whose network this is. The paper ends with one more batch norm and ReLU
after the last block; this network does not.

Look at: `PreActBlock.forward`. Where the shape stays, `x` itself is added; where it changes, the shortcut starts from
the activated input, because both ways can share that work.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class PreActBlock(nn.Module):
    """Batch norm, ReLU, 3×3 convolution, twice, beside a shortcut: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None  # the input itself
        if stride != 1 or in_channels != width:
            self.shortcut = nn.Conv2d(in_channels, width, kernel_size=1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x))  # (N, in, H, W)
        y = self.conv1(a)  # (N, width, H/stride, W/stride)
        y = self.conv2(F.relu(self.bn2(y)))  # (N, width, H/stride, W/stride)
        return y + (x if self.shortcut is None else self.shortcut(a))  # (N, width, H/stride, W/stride)


class PreActResNet(nn.Module):
    """Four stages of pre-activation blocks: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # width, stride
        (    64,      1),
        (   128,      2),
        (   256,      2),
        (   512,      2),
    )
    # fmt: on

    def __init__(self, depths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
        channels = 64
        stages = []
        for depth, (width, stride) in zip(depths, self.STAGES, strict=True):
            blocks = []
            for number in range(depth):
                blocks.append(PreActBlock(channels, width, stride if number == 0 else 1))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 64, 32, 32)
        x = self.stages(x)  # (N, 512, 4, 4)
        return self.head(x)  # (N, classes)


def preact_resnet18(classes: int = 10) -> PreActResNet:
    return PreActResNet((2, 2, 2, 2), classes)
