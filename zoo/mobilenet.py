"""MobileNet: split a convolution in two, first look around, then mix the channels.

An ordinary 3×3 convolution does two things at once: it looks at the neighbours of a pixel, and it mixes all channels
with each other. Its cost is the *product* of the two, too much for a phone. MobileNet does them one after the other:
a *depthwise* convolution looks around in each channel by itself, then a 1×1 (*pointwise*) convolution mixes the
channels. The cost becomes the *sum* of the two, about an eighth or a ninth, and little accuracy is lost.

image 3×32×32 → 32×32×32 → 64×32×32 → 128×16×16 → 256×8×8 → 512×4×4 → 1024×2×2 → 1024 → 10 scores

Paper: "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", Howard, Zhu, Chen and
others, 2017, https://arxiv.org/abs/1704.04861

For CIFAR-10: the stem has stride 1, because a 32×32 image has no pixels to throw away. Blocks, widths and the other
strides are the paper's.

Look at: `groups=in_channels` in the depthwise convolution: that one argument is the whole idea. Then compare, in the
layer table, what the depthwise and the pointwise convolutions of a block cost.
"""

from torch import Tensor, nn
from torch.nn import functional as F


def conv_bn(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A k×k convolution without bias, padded to keep the size at stride 1, and its batch norm."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class SeparableBlock(nn.Module):
    """A 3×3 convolution in two steps: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.depthwise = conv_bn(in_channels, in_channels, kernel_size=3, stride=stride, groups=in_channels)
        self.pointwise = conv_bn(in_channels, width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.depthwise(x))  # (N, in, H/stride, W/stride)
        return F.relu(self.pointwise(x))  # (N, width, H/stride, W/stride)


class MobileNet(nn.Module):
    """Thirteen separable blocks: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # depth, width, stride
        (     1,    64,      1),
        (     2,   128,      2),
        (     2,   256,      2),
        (     6,   512,      2),
        (     2,  1024,      2),
    )
    # fmt: on

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(3, 32, kernel_size=3), nn.ReLU())
        channels = 32
        stages = []
        for depth, width, stride in self.STAGES:
            blocks = []
            for number in range(depth):
                blocks.append(SeparableBlock(channels, width, stride if number == 0 else 1))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 32, 32, 32)
        x = self.stages(x)  # (N, 1024, 2, 2)
        return self.head(x)  # (N, classes)


def mobilenet(classes: int = 10) -> MobileNet:
    return MobileNet(classes)
