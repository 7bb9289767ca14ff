"""ResNet for CIFAR: very deep and very narrow, with shortcuts that cost nothing.

The ResNets of the ImageNet competition are wide, and most of their millions of parameters stand in the last, widest
stage. To see what *depth* alone does, the same paper built a second family for CIFAR-10: every layer is a 3×3
convolution, the widths are only 16, 32 and 64, and nothing changes from one member to the next but the number of
blocks. ResNet-110 is 110 layers deep and still has fewer parameters than a single convolution of ResNet-18's last
stage.

image 3×32×32 → 16×32×32 → 16×32×32 → 32×16×16 → 64×8×8 → 64 → 10 scores

Paper: "Deep Residual Learning for Image Recognition", He, Zhang, Ren and Sun, 2015,
https://arxiv.org/abs/1512.03385

For CIFAR-10: nothing is changed; the paper's section 4.2 describes these networks for CIFAR-10, and its table 6 gives
their sizes: 0.27, 0.85 and 1.7 million parameters. As there, convolutions and the linear layer start from He's normal
distribution. The paper leaves open where the zeros of a shortcut stand; here half of them stand before the old
channels and half behind, as in Idelbayev's implementation, https://github.com/akamaster/pytorch_resnet_cifar10

Look at: `PaddedShortcut`, which changes a shape without a single parameter, and how the number of layers is counted:
three stages of n blocks of two convolutions, one convolution before them and one linear layer behind, 6n + 2.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Identity() if stride == 1 else PaddedShortcut(width - in_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # (N, width, H/stride, W/stride)
        y = self.bn2(self.conv2(y))  # (N, width, H/stride, W/stride)
        return F.relu(y + self.shortcut(x))  # (N, width, H/stride, W/stride)


class PaddedShortcut(nn.Module):
    """The paper's option A: skip pixels to shrink the image, add channels of zeros to widen it."""

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.before = new_channels // 2
        self.behind = new_channels - self.before
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]  # (N, in, H/stride, W/stride)
        return F.pad(x, (0, 0, 0, 0, self.before, self.behind))  # (N, in + new, H/stride, W/stride)


class CifarResNet(nn.Module):
    """Three stages of `depth` blocks each: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # width, stride
        (    16,      1),
        (    32,      2),
        (    64,      2),
    )
    # fmt: on

    def __init__(self, depth: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
        )
        channels = 16
        stages = []
        for width, stride in self.STAGES:
            blocks = []
            for number in range(depth):
                blocks.append(BasicBlock(channels, width, stride if number == 0 else 1))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(channels, classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 16, 32, 32)
        x = self.stages(x)  # (N, 64, 8, 8)
        return self.head(x)  # (N, classes)


def resnet20(classes: int = 10) -> CifarResNet:
    return CifarResNet(3, classes)


def resnet56(classes: int = 10) -> CifarResNet:
    return CifarResNet(9, classes)


def resnet110(classes: int = 10) -> CifarResNet:
    return CifarResNet(18, classes)
