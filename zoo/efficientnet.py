"""EfficientNet: find one good small network, then grow its depth, width and image size together.

A network can be made larger in three ways: more layers, more channels, larger images. Most authors had tried one at a
time. EfficientNet showed that they belong together, and gave the ratio in which to grow them. What is grown is B0, the
network of this page, which a search found. It is made of MobileNet V2's blocks with *squeeze-and-excitation* (the block
turns useful channels up and others down) and *swish*, x · sigmoid(x), in place of ReLU.

image 3×32×32 → 32×32×32 → 16×32×32 → 24×16×16 → 40×8×8 → 80×4×4 → 112×4×4 → 192×2×2 → 320×2×2 → 320 → 10 scores

Paper: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", Tan and Le, 2019,
https://arxiv.org/abs/1905.11946

For CIFAR-10: B0 with stride 1 in the stem, and strides 1, 2, 2, 2, 1, 2, 1 in the seven stages, the paper's. The
paper's last convolution to 1280 channels is missing, and whole blocks are not dropped at random. The first block
expands by 1, so it skips its expanding convolution; the published count includes it (1,088 parameters), so it is here.

Look at: `SqueezeExcitation`, and the kernel column of the table: a depthwise 5×5 is cheap enough to be chosen often.
"""

from torch import Tensor, nn
from torch.nn import functional as F


def conv_bn(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A k×k convolution without bias, padded to keep the size at stride 1, and its batch norm."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class SqueezeExcitation(nn.Module):
    """Scale each channel by what the averages of all channels say of it: (N, C, H, W) → (N, C, H, W)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, kernel_size=1)
        self.excite = nn.Conv2d(squeezed, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        scale = x.mean(dim=(2, 3), keepdim=True)  # (N, C, 1, 1)
        scale = F.silu(self.squeeze(scale))  # (N, squeezed, 1, 1)
        scale = self.excite(scale).sigmoid()  # (N, C, 1, 1), each between 0 and 1
        return x * scale  # (N, C, H, W)


class InvertedResidual(nn.Module):
    """Expand, look around, weigh the channels, project: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, expansion: int, width: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.expands = expansion > 1
        self.adds_input = stride == 1 and in_channels == width
        expanded = expansion * in_channels
        self.expand = conv_bn(in_channels, expanded, kernel_size=1)  # counted in any case, run only if it expands
        self.depthwise = conv_bn(expanded, expanded, kernel_size, stride, groups=expanded)
        self.squeeze_excitation = SqueezeExcitation(expanded, squeezed=in_channels // 4)
        self.project = conv_bn(expanded, width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.silu(self.expand(x)) if self.expands else x  # (N, expanded, H, W)
        y = F.silu(self.depthwise(y))  # (N, expanded, H/stride, W/stride)
        y = self.squeeze_excitation(y)  # (N, expanded, H/stride, W/stride)
        y = self.project(y)  # (N, width, H/stride, W/stride)
        return y + x if self.adds_input else y  # (N, width, H/stride, W/stride)


class EfficientNet(nn.Module):
    """Seven stages of inverted residuals: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # expansion, depth, width, kernel, stride
        (         1,     1,    16,      3,      1),
        (         6,     2,    24,      3,      2),
        (         6,     2,    40,      5,      2),
        (         6,     3,    80,      3,      2),
        (         6,     3,   112,      5,      1),
        (         6,     4,   192,      5,      2),
        (         6,     1,   320,      3,      1),
    )
    # fmt: on

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(3, 32, kernel_size=3), nn.SiLU())  # SiLU is PyTorch's name of swish
        channels = 32
        stages = []
        for expansion, depth, width, kernel_size, stride in self.STAGES:
            blocks = []
            for number in range(depth):
                blocks.append(InvertedResidual(channels, expansion, width, kernel_size, stride if number == 0 else 1))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(channels, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 32, 32, 32)
        x = self.stages(x)  # (N, 320, 2, 2)
        return self.head(x)  # (N, classes)


def efficientnet(classes: int = 10) -> EfficientNet:
    return EfficientNet(classes)
