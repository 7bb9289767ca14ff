"""PNASNet: let a program design one small cell, then stack it.

Searching for a whole network is hopeless: there are too many. So PNASNet searches for a *cell*, a small arrangement of
pooling and convolutions, and stacks copies of it. It searches progressively: it begins with the simplest cells, trains
some of them, learns to predict from these which larger cells are promising, and tries only those. The two cells here,
A and B, are small ones, from the beginning of such a search.

image 3×32×32 → 44×32×32 → 44×32×32 → 88×16×16 → 176×8×8 → 176 → 10 scores (A; B is narrower, 32, 64, 128)

Paper: "Progressive Neural Architecture Search", Liu, Zoph, Neumann and others, 2017, https://arxiv.org/abs/1712.00559

For CIFAR-10: the paper's best cell has ten operations, A has two and B four. The paper's separable convolution is a
depthwise one followed by a 1×1; here it is the depthwise half alone, which mixes no channels. That makes A the
smallest network of the published table after LeNet, and costs accuracy.

Look at: behind the stem of A only the two halving cells have a convolution that mixes channels, the 1×1 after the
pooling. In B every cell ends with one. Then compare their accuracies.
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


def separable(in_channels: int, width: int, kernel_size: int, stride: int) -> nn.Sequential:
    """A k×k convolution of each channel by itself: (N, in, H, W) → (N, width, H/stride, W/stride)."""
    return conv_bn(in_channels, width, kernel_size, stride, groups=in_channels)


def pooled(in_channels: int, width: int, stride: int) -> nn.Sequential:
    """3×3 max-pooling, with a 1×1 convolution in halving cells: (N, in, H, W) → (N, width, H/stride, W/stride)."""
    pool = nn.MaxPool2d(kernel_size=3, stride=stride, padding=1)
    if stride == 1:
        return nn.Sequential(pool)
    return nn.Sequential(pool, *conv_bn(in_channels, width, kernel_size=1))


class CellA(nn.Module):
    """The sum of two operations: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.separable7 = separable(in_channels, width, kernel_size=7, stride=stride)
        self.pooled = pooled(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.separable7(x) + self.pooled(x))  # (N, width, H/stride, W/stride)


class CellB(nn.Module):
    """Two sums of two operations, mixed: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.separable7 = separable(in_channels, width, kernel_size=7, stride=stride)
        self.separable3 = separable(in_channels, width, kernel_size=3, stride=stride)
        self.separable5 = separable(in_channels, width, kernel_size=5, stride=stride)
        self.pooled = pooled(in_channels, width, stride)
        self.mix = conv_bn(2 * width, width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        left = F.relu(self.separable7(x) + self.separable3(x))  # (N, width, H/stride, W/stride)
        right = F.relu(self.separable5(x) + self.pooled(x))  # (N, width, H/stride, W/stride)
        y = torch.cat([left, right], dim=1)  # (N, 2·width, H/stride, W/stride)
        return F.relu(self.mix(y))  # (N, width, H/stride, W/stride)


class PNASNet(nn.Module):
    """Five stages of cells: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # depth, widening, stride
        (     6,        1,      1),
        (     1,        2,      2),
        (     6,        2,      1),
        (     1,        4,      2),
        (     6,        4,      1),
    )
    # fmt: on

    def __init__(self, cell: type[CellA | CellB], stem_width: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(3, stem_width, kernel_size=3), nn.ReLU())
        channels = stem_width
        stages = []
        for depth, widening, stride in self.STAGES:
            cells = []
            for _ in range(depth):
                cells.append(cell(channels, stem_width * widening, stride))
                channels = stem_width * widening
            stages.append(nn.Sequential(*cells))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, stem_width, 32, 32)
        x = self.stages(x)  # (N, 4·stem_width, 8, 8)
        return self.head(x)  # (N, classes)


def pnasnet_a(classes: int = 10) -> PNASNet:
    return PNASNet(CellA, 44, classes)


def pnasnet_b(classes: int = 10) -> PNASNet:
    return PNASNet(CellB, 32, classes)
