"""ShuffleNet: make the 1×1 convolutions cheap too, and shuffle the channels so that the groups still talk.

In a MobileNet nearly all the work is in the 1×1 convolutions, since each output channel reads all input channels.
ShuffleNet cuts the channels into groups that are convolved apart. Alone that would be like running several thin
networks side by side which never learn of each other. So after the first convolution the channels are shuffled like
cards: each group of the next layer gets some channels from every group before.

image 3×32×32 → 24×32×32 → 200×16×16 → 400×8×8 → 800×4×4 → 800 → 10 scores (2 groups; more groups, more channels)

Paper: "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices", Zhang, Zhou, Lin and Sun,
2017, https://arxiv.org/abs/1707.01083

For CIFAR-10: the stem is a 1×1 convolution with stride 1 and no pooling follows it, instead of a 3×3 with stride 2 and
a pool. The three stages are the paper's, with one more ReLU in each unit, after the depthwise convolution. Within a
unit the channels are a quarter of the stage's width.

Look at: the shuffle in `Unit`, which is a transposition of (N, groups, C/groups, H, W): with two groups 1 2 3 | 4 5 6
becomes 1 4 2 | 5 3 6. And the end of `Unit.forward`: the first unit of a stage puts its pooled input *beside* its
result, all others *add* it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_bn(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A k×k convolution without bias, padded to keep the size at stride 1, and its batch norm."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class Unit(nn.Module):
    """Grouped 1×1, shuffle, depthwise 3×3, grouped 1×1: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, width: int, stride: int, groups: int, first_groups: int) -> None:
        super().__init__()
        middle = width // 4
        out_channels = width if stride == 1 else width - in_channels  # the pooled input provides the rest
        self.squeeze = conv_bn(in_channels, middle, kernel_size=1, groups=first_groups)
        self.shuffle = nn.ChannelShuffle(first_groups)
        self.depthwise = conv_bn(middle, middle, kernel_size=3, stride=stride, groups=middle)
        self.expand = conv_bn(middle, out_channels, kernel_size=1, groups=groups)
        self.shortcut = nn.Identity() if stride == 1 else nn.AvgPool2d(kernel_size=3, stride=stride, padding=1)
        self.adds_input = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.squeeze(x))  # (N, width // 4, H, W)
        y = self.shuffle(y)  # (N, width // 4, H, W)
        y = F.relu(self.depthwise(y))  # (N, width // 4, H/stride, W/stride)
        y = self.expand(y)  # (N, width or width - in, H/stride, W/stride)
        x = self.shortcut(x)  # (N, in, H/stride, W/stride)
        y = y + x if self.adds_input else torch.cat([y, x], dim=1)  # (N, width, H/stride, W/stride)
        return F.relu(y)  # (N, width, H/stride, W/stride)


class ShuffleNet(nn.Module):
    """Three stages of shuffling units: scores of shape (N, classes) from images of shape (N, 3, 32, 32).

    `width` is that of the first stage; each stage is twice as wide as the one before.
    """

    DEPTHS = (4, 8, 4)  # units in each stage

    def __init__(self, groups: int, width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(3, 24, kernel_size=1), nn.ReLU())
        channels = 24
        stages = []
        for depth in self.DEPTHS:
            units = []
            for number in range(depth):
                first_groups = 1 if channels == 24 else groups  # 24 channels are too few to be cut into groups
                units.append(Unit(channels, width, 2 if number == 0 else 1, groups, first_groups))
                channels = width
            stages.append(nn.Sequential(*units))
            width = 2 * width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 24, 32, 32)
        x = self.stages(x)  # (N, 4·width, 4, 4)
        return self.head(x)  # (N, classes)


def shufflenet_g1(classes: int = 10) -> ShuffleNet:
    return ShuffleNet(1, 144, classes)


def shufflenet_g2(classes: int = 10) -> ShuffleNet:
    return ShuffleNet(2, 200, classes)


def shufflenet_g3(classes: int = 10) -> ShuffleNet:
    return ShuffleNet(3, 240, classes)


def shufflenet_g4(classes: int = 10) -> ShuffleNet:
    return ShuffleNet(4, 272, classes)


def shufflenet_g8(classes: int = 10) -> ShuffleNet:
    return ShuffleNet(8, 384, classes)
