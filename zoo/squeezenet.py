"""SqueezeNet: squeeze the channels before the expensive convolution.

A 3×3 convolution has nine weights for each pair of an input and an output channel, so it pays to let few channels
into it. SqueezeNet's *fire module* first squeezes the channels with a 1×1 convolution, then expands them again, half
of them with 1×1 and half with 3×3 filters. It was as accurate as AlexNet on ImageNet with a fiftieth of the
parameters, most of which AlexNet spends on linear layers; SqueezeNet has none.

image 3×32×32 → 96×16×16 → 256×8×8 → 512×4×4 → 10×4×4 → 10 scores

Paper: "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", Iandola, Han, Moskewicz
and others, 2016,
https://arxiv.org/abs/1602.07360

For CIFAR-10: the paper's version with simple bypass, in the size of https://github.com/weiaicunzai/pytorch-cifar100:
a stem of one 3×3 convolution with stride 1, max-pooling of 2×2, batch norm after every convolution, no dropout and no
bypass around the last fire module.

Look at: the head. The last convolution gives one 4×4 map for each class, and its average is the score: no linear
layer.
"""

import torch
from torch import Tensor, nn


class Fire(nn.Module):
    """1×1 to squeeze, 1×1 and 3×3 side by side to expand: (N, in, H, W) → (N, out, H, W)."""

    def __init__(self, in_channels: int, squeezed: int, out_channels: int, bypass: bool) -> None:
        super().__init__()
        self.squeeze = conv_bn_relu(in_channels, squeezed, kernel_size=1)
        self.expand1 = conv_bn_relu(squeezed, out_channels // 2, kernel_size=1)
        self.expand3 = conv_bn_relu(squeezed, out_channels // 2, kernel_size=3)
        self.bypass = bypass  # needs as many channels in as out

    def forward(self, x: Tensor) -> Tensor:
        y = self.squeeze(x)  # (N, squeezed, H, W)
        y = torch.cat([self.expand1(y), self.expand3(y)], dim=1)  # (N, out, H, W)
        return y + x if self.bypass else y  # (N, out, H, W)


def conv_bn_relu(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """A convolution with batch norm and ReLU: (N, in, H, W) → (N, out, H, W)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class SqueezeNet(nn.Module):
    """Three stages of fire modules: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        (   # squeezed, out, bypass
            (       16, 128,  False),
            (       16, 128,   True),
            (       32, 256,  False),
        ),
        (
            (       32, 256,   True),
            (       48, 384,  False),
            (       48, 384,   True),
            (       64, 512,  False),
        ),
        (
            (       64, 512,  False),
        ),
    )
    # fmt: on

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn_relu(3, 96, kernel_size=3), nn.MaxPool2d(2))
        channels = 96
        stages = []
        for modules in self.STAGES:
            fires = []
            for squeezed, out_channels, bypass in modules:
                fires.append(Fire(channels, squeezed, out_channels, bypass))
                channels = out_channels
            stages.append(nn.Sequential(*fires))
        first, second, third = stages
        self.stages = nn.Sequential(first, nn.MaxPool2d(2), second, nn.MaxPool2d(2), third)
        self.head = nn.Sequential(
            nn.Conv2d(channels, classes, kernel_size=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 96, 16, 16)
        x = self.stages(x)  # (N, 512, 4, 4)
        return self.head(x)  # (N, classes)


def squeezenet(classes: int = 10) -> SqueezeNet:
    return SqueezeNet(classes)
