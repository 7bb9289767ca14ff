"""DPN: one path that adds, as ResNet does, and one that collects, as DenseNet does.

ResNet's sum uses what was found before again and again, but what was added cannot be told apart later. DenseNet keeps
everything apart and so finds new things, but it grows without end. A dual path network cuts the channels of each block
into two parts: the first `width` channels are *added* to those that came in, the last few, `dense` of them, are put
*beside* those that came in. So the network has a wide path to reuse and a slowly growing one to explore.

image 3×32×32 → 64×32×32 → 304×32×32 → 608×16×16 → 1096×8×8 → 2432×4×4 → 2432 → 10 scores (DPN-26)

Paper: "Dual Path Networks", Chen, Li, Xiao, Jin, Yan and Feng, 2017, https://arxiv.org/abs/1707.01629

For CIFAR-10: widths and depths of DPN-92 are the paper's; DPN-26 has two blocks in each stage. The stem is a 3×3
convolution with stride 1 and no pool. Norm and ReLU come after each convolution, not before it as in the authors'
network, and where a stage begins, the projected input has one dense part, not two.

Look at: the end of `DualPathBlock.forward`: the sum is ResNet, the concatenation is DenseNet.
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


class DualPathBlock(nn.Module):
    """A grouped bottleneck whose result is partly added, partly put beside its input.

    (N, width + d, H, W) → (N, width + d + dense, H, W), d the dense channels so far. The first block of a stage takes
    (N, in, H, W), whatever `in` is, and projects it to width + dense: → (N, width + 2·dense, H/stride, W/stride).
    """

    def __init__(self, in_channels: int, middle: int, width: int, dense: int, stride: int, first: bool) -> None:
        super().__init__()
        self.width = width
        self.narrow = conv_bn(in_channels, middle, kernel_size=1)
        self.grouped = conv_bn(middle, middle, kernel_size=3, stride=stride, groups=32)
        self.widen = conv_bn(middle, width + dense, kernel_size=1)
        self.shortcut = conv_bn(in_channels, width + dense, kernel_size=1, stride=stride) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.narrow(x))  # (N, middle, H, W)
        y = F.relu(self.grouped(y))  # (N, middle, H/stride, W/stride)
        y = self.widen(y)  # (N, width + dense, H/stride, W/stride)
        x = self.shortcut(x)  # (N, width + d, H/stride, W/stride)
        x_added, x_beside = x.split([self.width, x.shape[1] - self.width], dim=1)  # (N, width, …), (N, d, …)
        y_added, y_beside = y.split([self.width, y.shape[1] - self.width], dim=1)  # (N, width, …), (N, dense, …)
        y = torch.cat([x_added + y_added, x_beside, y_beside], dim=1)  # (N, width + d + dense, H/stride, W/stride)
        return F.relu(y)  # (N, width + d + dense, H/stride, W/stride)


class DPN(nn.Module):
    """Four stages of dual path blocks: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # middle, width, dense, stride
        (     96,   256,    16,      1),
        (    192,   512,    32,      2),
        (    384,  1024,    24,      2),
        (    768,  2048,   128,      2),
    )
    # fmt: on

    def __init__(self, depths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(3, 64, kernel_size=3), nn.ReLU())
        channels = 64
        stages = []
        for depth, (middle, width, dense, stride) in zip(depths, self.STAGES, strict=True):
            blocks = []
            for number in range(depth):
                first = number == 0
                blocks.append(DualPathBlock(channels, middle, width, dense, stride if first else 1, first))
                channels = width + (number + 2) * dense
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 64, 32, 32)
        x = self.stages(x)  # (N, 2048 + 128·(blocks of the last stage + 1), 4, 4)
        return self.head(x)  # (N, classes)


def dpn26(classes: int = 10) -> DPN:
    return DPN((2, 2, 2, 2), classes)


def dpn92(classes: int = 10) -> DPN:
    return DPN((3, 4, 20, 3), classes)
