"""Wide ResNet: few layers, but wide ones.

By 2016 ResNets were a thousand layers deep, and every further percent of accuracy doubled the layers and the waiting.
Wide ResNet asked what happens when the same parameters go into *width*: 28 layers with ten times as many channels
beat 1,001 thin ones, and train several times faster, because a GPU computes one wide layer at once but a thousand
thin layers one after another.

image 3×32×32 → 16×32×32 → 160×32×32 → 320×16×16 → 640×8×8 → 640 → 10 scores

Paper: "Wide Residual Networks", Zagoruyko and Komodakis, 2016,
https://arxiv.org/abs/1605.07146

For CIFAR-10: nothing is changed; the paper is about CIFAR, and the 28 in the name counts the layers, the 10 the
widening. This is the variant without dropout. As in the authors' code,
https://github.com/szagoruyko/wide-residual-networks, convolutions and the linear layer start from He's normal
distribution and the linear layer's bias from zero.

Look at: the table of stages, where 10 is the whole idea, and the parameters: twice the width is four times the
weights.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class WideBlock(nn.Module):
    """Batch norm, ReLU, 3×3 convolution, twice, beside a shortcut: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None  # the input itself
        if stride != 1 or in_channels != width:
            self.shortcut = nn.Conv2d(in_channels, width, kernel_size=1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x))  # (N, in, H, W)
        y = self.conv1(a)  # (N, width, H/stride, W/stride)
        y = self.conv2(F.relu(self.bn2(y)))  # (N, width, H/stride, W/stride)
        return y + (x if self.shortcut is None else self.shortcut(a))  # (N, width, H/stride, W/stride)


class WideResNet(nn.Module):
    """Three stages of `depth` wide blocks each: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # width before widening, stride
        (                    16,      1),
        (                    32,      2),
        (                    64,      2),
    )
    # fmt: on

    def __init__(self, depth: int, widening: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, kernel_size=3, padding=1, bias=False)
        channels = 16
        stages = []
        for width, stride in self.STAGES:
            blocks = []
            for number in range(depth):
                blocks.append(WideBlock(channels, widening * width, stride if number == 0 else 1))
                channels = widening * width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.head = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(channels, classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 16, 32, 32)
        x = self.stages(x)  # (N, 64·widening, 8, 8)
        x = self.norm(x)  # (N, 64·widening, 8, 8)
        return self.head(x)  # (N, classes)


def wide_resnet28_10(classes: int = 10) -> WideResNet:
    return WideResNet(4, 10, classes)  # 28 layers: 3 stages of 4 blocks of 2, the stem, and 3 in shortcuts
