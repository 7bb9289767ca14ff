"""GoogLeNet: look at several scales at once, and let the next layer choose.

An object may fill the image or a corner of it, so no single filter size fits. An *inception* block runs four branches
side by side on the same input, a 1×1, a 3×3, a larger one and a pooling, and stacks what they find. That would be
costly with hundreds of channels, so cheap 1×1 convolutions first *reduce* the channels that the large filters must
read. The network won the ImageNet contest of 2014 with far fewer parameters than AlexNet.

image 3×32×32 → 192×32×32 → 480×32×32 → 832×16×16 → 1024×8×8 → 1024 → 10 scores

Paper: "Going Deeper with Convolutions", Szegedy, Liu, Jia and others, 2014, https://arxiv.org/abs/1409.4842

For CIFAR-10: the nine inception blocks and their widths are the paper's; the stem is a single 3×3 convolution that
keeps the size. There is batch norm after each convolution, and two 3×3 convolutions stand in place of the 5×5 (both
came with the paper's successor); there are no dropout and no auxiliary heads, which helped to train without batch norm.

Look at: `Inception.forward`, where the four branches are stacked, and the first column of the table: it is always
the sum of the four outputs (`1×1`, `3×3`, `5×5`, `pool`) of the row above.
"""

import torch
from torch import Tensor, nn


def conv_bn_relu(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """A k×k convolution with bias that keeps the size, its batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class Inception(nn.Module):
    """Four branches side by side: (N, in, H, W) → (N, one + three + five + pool, H, W).

    `three_in` and `five_in` are the widths to which a 1×1 convolution reduces the input of the two larger branches.
    """

    def __init__(
        self, in_channels: int, one: int, three_in: int, three: int, five_in: int, five: int, pool: int
    ) -> None:
        super().__init__()
        self.branch_1x1 = conv_bn_relu(in_channels, one, kernel_size=1)
        self.branch_3x3 = nn.Sequential(
            conv_bn_relu(in_channels, three_in, kernel_size=1),
            conv_bn_relu(three_in, three, kernel_size=3),
        )
        self.branch_5x5 = nn.Sequential(  # two 3×3 convolutions see as far as one 5×5
            conv_bn_relu(in_channels, five_in, kernel_size=1),
            conv_bn_relu(five_in, five, kernel_size=3),
            conv_bn_relu(five, five, kernel_size=3),
        )
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            conv_bn_relu(in_channels, pool, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.branch_1x1(x),  # (N, one, H, W)
            self.branch_3x3(x),  # (N, three, H, W)
            self.branch_5x5(x),  # (N, five, H, W)
            self.branch_pool(x),  # (N, pool, H, W)
        ]
        return torch.cat(branches, dim=1)  # (N, one + three + five + pool, H, W)


class GoogLeNet(nn.Module):
    """Nine inception blocks in three stages: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        (   #  in, 1×1, to 3×3, 3×3, to 5×5, 5×5, pool
            ( 192,  64,     96, 128,     16,  32,   32),
            ( 256, 128,    128, 192,     32,  96,   64),
        ),
        (
            ( 480, 192,     96, 208,     16,  48,   64),
            ( 512, 160,    112, 224,     24,  64,   64),
            ( 512, 128,    128, 256,     24,  64,   64),
            ( 512, 112,    144, 288,     32,  64,   64),
            ( 528, 256,    160, 320,     32, 128,  128),
        ),
        (
            ( 832, 256,    160, 320,     32, 128,  128),
            ( 832, 384,    192, 384,     48, 128,  128),
        ),
    )
    # fmt: on

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = conv_bn_relu(3, 192, kernel_size=3)
        first, second, third = (nn.Sequential(*(Inception(*row) for row in rows)) for rows in self.STAGES)
        self.stages = nn.Sequential(
            first,
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            second,
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            third,
        )
        self.head = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(1024, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 192, 32, 32)
        x = self.stages(x)  # (N, 1024, 8, 8)
        return self.head(x)  # (N, classes)


def googlenet(classes: int = 10) -> GoogLeNet:
    return GoogLeNet(classes)
