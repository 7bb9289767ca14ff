"""ResNet: let each block learn only the change, and pass the rest through.

Past about twenty layers, plain networks got *worse* when they got deeper, even on the images they were trained on:
the signal and its gradient had to survive every layer. A residual block adds its input to its output, so a block
that has nothing to add can do nothing, and the gradient has a straight road from the last layer to the first. With
that one addition networks of 100 layers train as easily as networks of 18.

image 3×32×32 → 64×32×32 → 64×32×32 → 128×16×16 → 256×8×8 → 512×4×4 → 512 → 10 scores (four times as wide from
the first stage on where the blocks are bottlenecks)

Paper: "Deep Residual Learning for Image Recognition", He, Zhang, Ren and Sun, 2015,
https://arxiv.org/abs/1512.03385

For CIFAR-10: the ImageNet networks with a smaller stem: one 3×3 convolution with stride 1 and no max-pooling instead
of a 7×7 with stride 2 and a pool, because a 32×32 image has no pixels to throw away. (The paper's own CIFAR networks,
ResNet-20 and its sisters, are narrower ones.) In a bottleneck the stride is on the 3×3 convolution.

Look at: `BasicBlock.forward`, where `+ self.shortcut(x)` is the whole idea, and the shortcut, which is the input itself
wherever the shapes agree.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = projection(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # (N, width, H/stride, W/stride)
        y = self.bn2(self.conv2(y))  # (N, width, H/stride, W/stride)
        return F.relu(y + self.shortcut(x))  # (N, width, H/stride, W/stride)


class Bottleneck(nn.Module):
    """1×1 to narrow, 3×3 to look around, 1×1 to widen again: (N, in, H, W) → (N, 4·width, H/stride, W/stride)."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        out_channels = self.expansion * width
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # (N, width, H, W)
        y = F.relu(self.bn2(self.conv2(y)))  # (N, width, H/stride, W/stride)
        y = self.bn3(self.conv3(y))  # (N, 4·width, H/stride, W/stride)
        return F.relu(y + self.shortcut(x))  # (N, 4·width, H/stride, W/stride)


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The shortcut of a block: the input itself, or a 1×1 convolution where the block changes its shape."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class ResNet(nn.Module):
    """Four stages of residual blocks: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # width, stride
        (    64,      1),
        (   128,      2),
        (   256,      2),
        (   512,      2),
    )
    # fmt: on

    def __init__(self, block: type[BasicBlock | Bottleneck], depths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        channels = 64
        stages = []
        for depth, (width, stride) in zip(depths, self.STAGES, strict=True):
            blocks = []
            for number in range(depth):
                blocks.append(block(channels, width, stride if number == 0 else 1))
                channels = block.expansion * width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 64, 32, 32)
        x = self.stages(x)  # (N, 512·expansion, 4, 4)
        return self.head(x)  # (N, classes)


def resnet18(classes: int = 10) -> ResNet:
    return ResNet(BasicBlock, (2, 2, 2, 2), classes)


def resnet34(classes: int = 10) -> ResNet:
    return ResNet(BasicBlock, (3, 4, 6, 3), classes)


def resnet50(classes: int = 10) -> ResNet:
    return ResNet(Bottleneck, (3, 4, 6, 3), classes)


def resnet101(classes: int = 10) -> ResNet:
    return ResNet(Bottleneck, (3, 4, 23, 3), classes)


def resnet152(classes: int = 10) -> ResNet:
    return ResNet(Bottleneck, (3, 8, 36, 3), classes)
