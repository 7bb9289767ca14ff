"""ResNeXt: instead of one wide path through a block, many narrow ones side by side.

A network can be made stronger by more depth or more width. ResNeXt adds a third number, the *cardinality*: how many
parallel paths a residual block has. The paths are all alike and their results are summed, which is the same as a
ResNet bottleneck whose 3×3 convolution is cut into groups. For the same cost, more and narrower paths turned out to be
better than fewer and wider ones, and unlike the branches of GoogLeNet there is nothing to design by hand.

image 3×32×32 → 64×32×32 → 256×32×32 → 512×16×16 → 1024×8×8 → 1024 → 10 scores (2 paths, each 64 wide; with
32 paths, each 4 wide, the same widths)

Paper: "Aggregated Residual Transformations for Deep Neural Networks", Xie, Girshick, Dollár, Tu and He, 2016,
https://arxiv.org/abs/1611.05431

For CIFAR-10: the paper's own ResNeXt-29, with three stages of three blocks that end in 256, 512 and 1024 channels. But
there are fewer paths (the paper has 8 or 16 of 64 channels), to save memory and time, and the stem is 1×1 instead of
3×3.

Look at: `groups=cardinality` in the block. Everything else is ResNet's bottleneck.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class Bottleneck(nn.Module):
    """1×1 to narrow, grouped 3×3, 1×1 to widen again: (N, in, H, W) → (N, 2·width, H/stride, W/stride)."""

    expansion = 2

    def __init__(self, in_channels: int, width: int, stride: int, cardinality: int) -> None:
        super().__init__()
        out_channels = self.expansion * width
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, groups=cardinality, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # (N, width, H, W)
        y = F.relu(self.bn2(self.conv2(y)))  # (N, width, H/stride, W/stride)
        y = self.bn3(self.conv3(y))  # (N, 2·width, H/stride, W/stride)
        return F.relu(y + self.shortcut(x))  # (N, 2·width, H/stride, W/stride)


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The shortcut of a block: the input itself, or a 1×1 convolution where the block changes its shape."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class ResNeXt(nn.Module):
    """Three stages of three blocks: scores of shape (N, classes) from images of shape (N, 3, 32, 32).

    `cardinality` is the number of paths through a block, `path_width` the channels of each path in the first stage.
    """

    # fmt: off
    STAGES = (
        # depth, widening, stride
        (     3,        1,      1),
        (     3,        2,      2),
        (     3,        4,      2),
    )
    # fmt: on

    def __init__(self, cardinality: int, path_width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        channels = 64
        stages = []
        for depth, widening, stride in self.STAGES:
            width = cardinality * path_width * widening
            blocks = []
            for number in range(depth):
                blocks.append(Bottleneck(channels, width, stride if number == 0 else 1, cardinality))
                channels = Bottleneck.expansion * width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 64, 32, 32)
        x = self.stages(x)  # (N, 8·cardinality·path_width, 8, 8)
        return self.head(x)  # (N, classes)


def resnext29(classes: int = 10) -> ResNeXt:
    return ResNeXt(2, 64, classes)


def resnext29_32x4d(classes: int = 10) -> ResNeXt:
    return ResNeXt(32, 4, classes)
