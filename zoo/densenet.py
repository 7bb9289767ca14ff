"""DenseNet: show every layer everything that came before it.

In ResNet a block *adds* its result to its input, and afterwards the two cannot be told apart. DenseNet puts the new
channels *beside* the old ones instead. So each layer can read the results of all layers before it and has to
contribute only a few new channels (the *growth rate* k): nothing needs to be learnt twice, which makes the network
small for its accuracy.

image 3×32×32 → 24×32×32 → 48×16×16 → 96×8×8 → 192×4×4 → 384×4×4 → 384 → 10 scores (DenseNet-121 with k = 12)

Paper: "Densely Connected Convolutional Networks", Huang, Liu, van der Maaten and Weinberger, 2016,
https://arxiv.org/abs/1608.06993

For CIFAR-10: depths as in the paper's DenseNet-121 and -169 for ImageNet, at several growth rates. The stem is one bare
3×3 convolution with stride 1; its batch norm is that of the first layer. Norm and ReLU come *before* each convolution,
as in the paper. No dropout.

Look at: `torch.cat` in `DenseLayer.forward`, and how `channels` grows in `DenseNet.__init__`: by k with every layer,
until a transition halves it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DenseLayer(nn.Module):
    """k new channels beside the old ones: (N, in, H, W) → (N, k + in, H, W)."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        width = 4 * growth
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, growth, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.bn1(x)))  # (N, 4·k, H, W)
        y = self.conv2(F.relu(self.bn2(y)))  # (N, k, H, W)
        return torch.cat([y, x], dim=1)  # (N, k + in, H, W)


def transition(in_channels: int) -> nn.Sequential:
    """Half the channels, half the height and width, between two stages."""
    return nn.Sequential(
        nn.BatchNorm2d(in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, in_channels // 2, kernel_size=1, bias=False),
        nn.AvgPool2d(2),
    )


class DenseNet(nn.Module):
    """Four stages of dense layers: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    def __init__(self, depths: tuple[int, ...], growth: int, classes: int) -> None:
        super().__init__()
        channels = 2 * growth
        self.stem = nn.Conv2d(3, channels, kernel_size=3, padding=1, bias=False)
        stages = []
        for number, depth in enumerate(depths, start=1):
            layers: list[nn.Module] = []
            for _ in range(depth):
                layers.append(DenseLayer(channels, growth))
                channels = channels + growth
            if number < len(depths):
                layers.append(transition(channels))
                channels = channels // 2
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.AvgPool2d(4),
            nn.Flatten(),
            nn.Linear(channels, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 2·k, 32, 32)
        x = self.stages(x)  # (N, 32·k for DenseNet-121, 4, 4)
        return self.head(x)  # (N, classes)


def densenet121_k12(classes: int = 10) -> DenseNet:
    return DenseNet((6, 12, 24, 16), 12, classes)


def densenet121_k16(classes: int = 10) -> DenseNet:
    return DenseNet((6, 12, 24, 16), 16, classes)


def densenet121_k24(classes: int = 10) -> DenseNet:
    return DenseNet((6, 12, 24, 16), 24, classes)


def densenet121_k32(classes: int = 10) -> DenseNet:
    return DenseNet((6, 12, 24, 16), 32, classes)


def densenet169_k32(classes: int = 10) -> DenseNet:
    return DenseNet((6, 12, 32, 32), 32, classes)
