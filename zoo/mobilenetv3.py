"""MobileNet V3: let a search choose the blocks, then polish them by hand.

The first two MobileNets were drawn by people. For the third, a search program tried thousands of arrangements of
MobileNet V2's block on a real phone and kept those that were both fast and accurate, which is why the table below
looks so irregular. The authors then added two ingredients: *squeeze-and-excitation*, where the block looks at the
average of each channel and turns the useful channels up and the others down, and *h-swish*, x · ReLU6(x + 3) / 6, a
smooth ReLU that costs a phone next to nothing.

image 3×32×32 → 16×32×32 → 24×16×16 → 40×8×8 → 112×4×4 → 160×2×2 → 960 → 1280 → 10 scores (Large; Small begins to
halve one block earlier and ends with 96×2×2 → 576 → 1280)

Paper: "Searching for MobileNetV3", Howard, Sandler, Chu and others, 2019, https://arxiv.org/abs/1905.02244

For CIFAR-10: the stem has stride 1 instead of 2. The blocks are those of the network that the published table
measured, which differs from the paper's: no activation after the depthwise convolution but one after the projection;
the input added after that activation; a 1×1 expansion in each block, the first of Large included; and biases in the
stem, the depthwise and the projecting convolutions. The tables are the paper's.

Look at: the tables, one row a block, and `SqueezeExcitation.forward`, which reads a whole image to scale one channel.
"""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F


def hard_sigmoid(x: Tensor) -> Tensor:
    """A sigmoid of three straight lines: 0 up to −3, then rising to 1 at 3."""
    return F.relu6(x + 3) / 6


class HSwish(nn.Module):
    """x · hard_sigmoid(x): nearly ReLU, but without the corner."""

    def forward(self, x: Tensor) -> Tensor:
        return x * hard_sigmoid(x)  # (N, C, H, W)


class SqueezeExcitation(nn.Module):
    """Scale each channel by what the averages of all channels say of it: (N, C, H, W) → (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // 4)
        self.excite = nn.Linear(channels // 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        scale = x.mean(dim=(2, 3))  # (N, C)
        scale = F.relu(self.squeeze(scale))  # (N, C // 4)
        scale = hard_sigmoid(self.excite(scale))  # (N, C), each between 0 and 1
        return x * scale[:, :, None, None]  # (N, C, H, W)


class Row(NamedTuple):
    """One block of the tables below."""

    kernel: int
    expanded: int
    width: int
    squeezes: bool
    activation: type[nn.ReLU | HSwish]
    stride: int


class InvertedResidual(nn.Module):
    """Expand, look around, weigh the channels, project: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, row: Row) -> None:
        super().__init__()
        self.expand = nn.Sequential(
            nn.Conv2d(in_channels, row.expanded, kernel_size=1, bias=False),
            nn.BatchNorm2d(row.expanded),
            row.activation(),
        )
        padding = row.kernel // 2
        self.depthwise = nn.Sequential(
            nn.Conv2d(row.expanded, row.expanded, row.kernel, row.stride, padding, groups=row.expanded),
            nn.BatchNorm2d(row.expanded),
        )
        self.squeeze_excitation = SqueezeExcitation(row.expanded) if row.squeezes else nn.Identity()
        self.project = nn.Sequential(
            nn.Conv2d(row.expanded, row.width, kernel_size=1),
            nn.BatchNorm2d(row.width),
            row.activation(),
        )
        self.adds_input = row.stride == 1 and in_channels == row.width

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(x)  # (N, expanded, H, W)
        y = self.depthwise(y)  # (N, expanded, H/stride, W/stride)
        y = self.squeeze_excitation(y)  # (N, expanded, H/stride, W/stride)
        y = self.project(y)  # (N, width, H/stride, W/stride)
        return y + x if self.adds_input else y  # (N, width, H/stride, W/stride)


class MobileNetV3(nn.Module):
    """Blocks that a search arranged: scores of shape (N, classes) from images of shape (N, 3, 32, 32).

    The last convolution widens to `last` channels; `squeezes_last` puts a squeeze-and-excitation behind it.
    """

    def __init__(self, rows: tuple[Row, ...], last: int, squeezes_last: bool, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, kernel_size=3, padding=1), nn.BatchNorm2d(16), HSwish())
        channels = 16
        blocks = []
        for row in rows:
            blocks.append(InvertedResidual(channels, row))
            channels = row.width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Conv2d(channels, last, kernel_size=1),
            SqueezeExcitation(last) if squeezes_last else nn.Identity(),
            nn.BatchNorm2d(last),
            HSwish(),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(last, 1280, kernel_size=1),  # on one pixel a 1×1 convolution is a linear layer
            HSwish(),
            nn.Conv2d(1280, classes, kernel_size=1),
            nn.Flatten(),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 16, 32, 32)
        x = self.blocks(x)  # (N, 160 or 96, 2, 2)
        return self.head(x)  # (N, classes)


RELU, HSWISH = nn.ReLU, HSwish

# fmt: off
LARGE = (
    # kernel, expanded, width, squeezes, activation, stride
    Row(   3,       16,    16,    False,       RELU,      1),
    Row(   3,       64,    24,    False,       RELU,      2),
    Row(   3,       72,    24,    False,       RELU,      1),
    Row(   5,       72,    40,     True,       RELU,      2),
    Row(   5,      120,    40,     True,       RELU,      1),
    Row(   5,      120,    40,     True,       RELU,      1),
    Row(   3,      240,    80,    False,     HSWISH,      2),
    Row(   3,      200,    80,    False,     HSWISH,      1),
    Row(   3,      184,    80,    False,     HSWISH,      1),
    Row(   3,      184,    80,    False,     HSWISH,      1),
    Row(   3,      480,   112,     True,     HSWISH,      1),
    Row(   3,      672,   112,     True,     HSWISH,      1),
    Row(   5,      672,   160,     True,     HSWISH,      1),
    Row(   5,      672,   160,     True,     HSWISH,      2),
    Row(   5,      960,   160,     True,     HSWISH,      1),
)

SMALL = (
    # kernel, expanded, width, squeezes, activation, stride
    Row(   3,       16,    16,     True,       RELU,      2),
    Row(   3,       72,    24,    False,       RELU,      2),
    Row(   3,       88,    24,    False,       RELU,      1),
    Row(   5,       96,    40,     True,       RELU,      2),
    Row(   5,      240,    40,     True,       RELU,      1),
    Row(   5,      240,    40,     True,       RELU,      1),
    Row(   5,      120,    48,     True,     HSWISH,      1),
    Row(   5,      144,    48,     True,     HSWISH,      1),
    Row(   5,      288,    96,     True,     HSWISH,      2),
    Row(   5,      576,    96,     True,     HSWISH,      1),
    Row(   5,      576,    96,     True,     HSWISH,      1),
)
# fmt: on


def mobilenetv3_large(classes: int = 10) -> MobileNetV3:
    return MobileNetV3(LARGE, 960, False, classes)


def mobilenetv3_small(classes: int = 10) -> MobileNetV3:
    return MobileNetV3(SMALL, 576, True, classes)
