"""RegNet: do not search for one network, search for the rule that good networks follow.

A search that ends with one network, as for MobileNet V3, does not tell *why* it is good. The authors of RegNet
trained hundreds of small networks at random, looked at what the good ones had in common, narrowed the space of
choices, and did it again. What was left is simple: widths that grow along a straight line with the depth, one group
width for all stages, and a block that does not narrow in its middle. Such networks are called RegNetX. RegNetY is the
same with *squeeze-and-excitation*: the block looks at the average of each channel and turns useful channels up and
others down.

image 3×32×32 → 64×32×32 → 24×32×32 → 56×32×32 → 152×16×16 → 368×8×8 → 368 → 10 scores (X-200MF; Y-400MF is wider)

Paper: "Designing Network Design Spaces", Radosavovic, Kosaraju, Girshick, He and Dollár, 2020,
https://arxiv.org/abs/2003.13678

For CIFAR-10: depths, widths and group width of X-200MF are those of the paper's RegNetX-200MF (200 million
multiply-accumulates for a 224×224 image). Y-400MF is the network that https://github.com/kuangliu/pytorch-cifar calls
so: the depths and widths of the paper's X-400MF in groups of 16, with squeeze-and-excitation. The stem has stride 1
and 64 channels instead of stride 2 and 32, and the first two stages have stride 1 instead of 2.

Look at: the table, whose widths a straight line gave, and `groups=width // group_width` in the block: here the groups
have a fixed width and grow in number, whereas in ResNeXt they are fixed in number and grow in width.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class SqueezeExcitation(nn.Module):
    """Scale each channel by what the averages of all channels say of it: (N, C, H, W) → (N, C, H, W)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, kernel_size=1)
        self.excite = nn.Conv2d(squeezed, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        scale = x.mean(dim=(2, 3), keepdim=True)  # (N, C, 1, 1)
        scale = F.relu(self.squeeze(scale))  # (N, squeezed, 1, 1)
        scale = self.excite(scale).sigmoid()  # (N, C, 1, 1), each between 0 and 1
        return x * scale  # (N, C, H, W)


class Block(nn.Module):
    """1×1, grouped 3×3, 1×1, all of one width: (N, in, H, W) → (N, width, H/stride, W/stride).

    With `squeezes`, a squeeze-and-excitation down to a quarter of the *input's* channels stands before the last 1×1.
    """

    def __init__(self, in_channels: int, width: int, stride: int, group_width: int, squeezes: bool) -> None:
        super().__init__()
        groups = width // group_width
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.squeeze_excitation = SqueezeExcitation(width, in_channels // 4) if squeezes else nn.Identity()
        self.conv3 = nn.Conv2d(width, width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.shortcut = projection(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # (N, width, H, W)
        y = F.relu(self.bn2(self.conv2(y)))  # (N, width, H/stride, W/stride)
        y = self.squeeze_excitation(y)  # (N, width, H/stride, W/stride)
        y = self.bn3(self.conv3(y))  # (N, width, H/stride, W/stride)
        return F.relu(y + self.shortcut(x))  # (N, width, H/stride, W/stride)


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The shortcut of a block: the input itself, or a 1×1 convolution where the block changes its shape."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class RegNet(nn.Module):
    """Four stages of blocks: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    def __init__(self, rows: tuple[tuple[int, int, int], ...], group_width: int, squeezes: bool, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        channels = 64
        stages = []
        for depth, width, stride in rows:
            blocks = []
            for number in range(depth):
                blocks.append(Block(channels, width, stride if number == 0 else 1, group_width, squeezes))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 64, 32, 32)
        x = self.stages(x)  # (N, width of the last stage, 8, 8)
        return self.head(x)  # (N, classes)


# fmt: off
X_200MF = (
    # depth, width, stride
    (     1,    24,      1),
    (     1,    56,      1),
    (     4,   152,      2),
    (     7,   368,      2),
)

Y_400MF = (
    # depth, width, stride
    (     1,    32,      1),
    (     2,    64,      1),
    (     7,   160,      2),
    (    12,   384,      2),
)
# fmt: on


def regnetx_200mf(classes: int = 10) -> RegNet:
    return RegNet(X_200MF, 8, False, classes)


def regnety_400mf(classes: int = 10) -> RegNet:
    return RegNet(Y_400MF, 16, True, classes)
