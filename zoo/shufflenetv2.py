"""ShuffleNet V2: count seconds, not operations.

Small networks for telephones were compared by their multiply-accumulates, but two networks with the same number can
differ twofold in speed, because reading and writing memory takes time too. ShuffleNet V2 was designed by the clock: a
unit leaves half of the channels as they are, works on the other half with as many channels out as in, and then
shuffles the two halves together. No group convolutions, no sums: what passes by costs nothing.

image 3×32×32 → 24×32×32 → 116×16×16 → 232×8×8 → 464×4×4 → 1024×4×4 → 1024 → 10 scores

Paper: "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", Ma, Zhang, Zheng and Sun, 2018,
https://arxiv.org/abs/1807.11164

For CIFAR-10: the stem has stride 1 and no max-pooling, as in https://github.com/kuangliu/pytorch-cifar, so the 32×32
image is halved three times instead of five times. Widths are the paper's for size 1×.

Look at: the shuffle, which deals the channels out like cards, one of each half in turn, and computes nothing. Without
it, the half that passes by would never meet the other half.
"""

import torch
from torch import Tensor, nn


class Unit(nn.Module):
    """Half of the channels pass by, half are worked on, then both are shuffled; the shape (N, width, H, W) stays."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = branch(width // 2, width // 2, stride=1)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        passing, worked = x.chunk(2, dim=1)  # (N, width/2, H, W) each
        y = torch.cat([passing, self.branch(worked)], dim=1)  # (N, width, H, W)
        return self.shuffle(y)  # (N, width, H, W)


class DownUnit(nn.Module):
    """Both branches see all channels and halve the image: (N, in, H, W) → (N, width, H/2, W/2)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(
            *depthwise(in_channels, stride=2),
            *pointwise(in_channels, width // 2),
        )
        self.branch = branch(in_channels, width // 2, stride=2)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([self.shortcut(x), self.branch(x)], dim=1)  # (N, width, H/2, W/2)
        return self.shuffle(y)  # (N, width, H/2, W/2)


def branch(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """1×1, depthwise 3×3, 1×1: (N, in, H, W) → (N, out, H/stride, W/stride)."""
    return nn.Sequential(
        *pointwise(in_channels, out_channels),
        *depthwise(out_channels, stride),
        *pointwise(out_channels, out_channels),
    )


def pointwise(in_channels: int, out_channels: int) -> list[nn.Module]:
    """A 1×1 convolution with batch norm and ReLU."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    ]


def depthwise(channels: int, stride: int) -> list[nn.Module]:
    """A 3×3 convolution that keeps the channels apart, with batch norm and no ReLU."""
    return [
        nn.Conv2d(channels, channels, kernel_size=3, stride=stride, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
    ]


class ShuffleNetV2(nn.Module):
    """Three stages of units: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # width, units
        (   116,     4),
        (   232,     8),
        (   464,     4),
    )
    # fmt: on

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(),
        )
        channels = 24
        stages = []
        for width, units in self.STAGES:
            stages.append(nn.Sequential(DownUnit(channels, width), *[Unit(width) for _ in range(units - 1)]))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            *pointwise(channels, 1024),
            nn.AvgPool2d(4),
            nn.Flatten(),
            nn.Linear(1024, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 24, 32, 32)
        x = self.stages(x)  # (N, 464, 4, 4)
        return self.head(x)  # (N, classes)


def shufflenetv2(classes: int = 10) -> ShuffleNetV2:
    return ShuffleNetV2(classes)
