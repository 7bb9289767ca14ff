"""DLA: merge the results of all depths, not only the last, along a tree.

Early layers know *where* things are, late layers know *what* they are, and a plain network hands on only the late
ones. Deep layer aggregation arranges residual blocks as the leaves of a tree. Where two branches meet, a *root*, a 1×1
convolution, reads both results and decides what to keep. So a shallow result has a short way to the end and may be
merged with the deep ones again and again.

image 3×32×32 → 16×32×32 → 16×32×32 → 32×32×32 → 64×32×32 → 128×16×16 → 256×8×8 → 512×4×4 → 512 → 10 scores

Paper: "Deep Layer Aggregation", Yu, Wang, Shelhamer and Darrell, 2017, https://arxiv.org/abs/1707.06484

For CIFAR-10: the widths and the depths of the trees are those of the paper's DLA-34, but everything up to the first
tree keeps the 32×32 pixels. In a deeper tree one more block stands beside the inner tree and reads the same input,
where the paper hands the input itself to the root.

Look at: `Tree` and `DeepTree`. A root reads two results in the first, and four in the second, which are one, two, three
and four blocks deep.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv_bn_relu(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """A k×k convolution without bias that keeps the size, its batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class BasicBlock(nn.Module):
    """ResNet's block, a leaf of the tree: (N, in, H, W) → (N, width, H/stride, W/stride)."""

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


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """The shortcut of a block: the input itself, or a 1×1 convolution where the block changes its shape."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class Tree(nn.Module):
    """Two blocks in a row and a root that reads both: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.left = BasicBlock(in_channels, width, stride)
        self.right = BasicBlock(width, width, stride=1)
        self.root = conv_bn_relu(2 * width, width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        left = self.left(x)  # (N, width, H/stride, W/stride)
        right = self.right(left)  # (N, width, H/stride, W/stride)
        return self.root(torch.cat([left, right], dim=1))  # (N, width, H/stride, W/stride)


class DeepTree(nn.Module):
    """A tree inside a tree, a block beside it, and a root that reads all: (N, in, H, W) → (N, width, H/stride, …)."""

    def __init__(self, in_channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.beside = BasicBlock(in_channels, width, stride)
        self.tree = Tree(in_channels, width, stride)
        self.left = BasicBlock(width, width, stride=1)
        self.right = BasicBlock(width, width, stride=1)
        self.root = conv_bn_relu(4 * width, width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        beside = self.beside(x)  # (N, width, H/stride, W/stride)
        tree = self.tree(x)  # (N, width, H/stride, W/stride)
        left = self.left(tree)  # (N, width, H/stride, W/stride)
        right = self.right(left)  # (N, width, H/stride, W/stride)
        return self.root(torch.cat([beside, tree, left, right], dim=1))  # (N, width, H/stride, W/stride)


class DLA(nn.Module):
    """Four trees: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv_bn_relu(3, 16, kernel_size=3),
            conv_bn_relu(16, 16, kernel_size=3),
            conv_bn_relu(16, 32, kernel_size=3),
        )
        self.stages = nn.Sequential(
            Tree(32, 64, stride=1),
            DeepTree(64, 128, stride=2),
            DeepTree(128, 256, stride=2),
            Tree(256, 512, stride=2),
        )
        self.head = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(512, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 32, 32, 32)
        x = self.stages(x)  # (N, 512, 4, 4)
        return self.head(x)  # (N, classes)


def dla(classes: int = 10) -> DLA:
    return DLA(classes)
