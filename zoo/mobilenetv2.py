"""MobileNet V2: a residual block turned inside out, narrow at its ends and wide in the middle.

ResNet's bottleneck squeezes the channels in the middle, where the costly 3×3 convolution stands. When that
convolution is depthwise it is cheap, so it can afford to work on *many* channels. MobileNet V2 therefore expands six
times, looks around, and projects back: what travels between the blocks is narrow and saves memory. The projection
ends without ReLU, since a ReLU on few channels would destroy what they carry (the *linear bottleneck*).

image 3×32×32 → 32×32×32 → 16×32×32 → 24×32×32 → 32×16×16 → 64×8×8 → 96×8×8 → 160×4×4 → 320×4×4 → 1280 → 10 scores

Paper: "MobileNetV2: Inverted Residuals and Linear Bottlenecks", Sandler, Howard, Zhu, Zhmoginov and Chen, 2018,
https://arxiv.org/abs/1801.04381

For CIFAR-10: the stem and the second stage have stride 1 instead of 2. ReLU instead of ReLU6, which serves 8-bit
arithmetic on phones. The paper adds the input only where a block keeps its width; here every block with stride 1 adds
it, through a 1×1 convolution where the widths differ. The first block, which expands by 1, keeps its 1×1 convolution.
No dropout.

Look at: `InvertedResidual.forward`: two ReLUs, none after the projection and none after the sum.
"""

from torch import Tensor, nn
from torch.nn import functional as F


def conv_bn(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A k×k convolution without bias, padded to keep the size at stride 1, and its batch norm."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class InvertedResidual(nn.Module):
    """Expand, look around, project: (N, in, H, W) → (N, width, H/stride, W/stride)."""

    def __init__(self, in_channels: int, expansion: int, width: int, stride: int) -> None:
        super().__init__()
        expanded = expansion * in_channels
        self.expand = conv_bn(in_channels, expanded, kernel_size=1)
        self.depthwise = conv_bn(expanded, expanded, kernel_size=3, stride=stride, groups=expanded)
        self.project = conv_bn(expanded, width, kernel_size=1)
        self.shortcut: nn.Module | None = None
        if stride == 1:
            self.shortcut = nn.Identity() if in_channels == width else conv_bn(in_channels, width, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.expand(x))  # (N, expanded, H, W)
        y = F.relu(self.depthwise(y))  # (N, expanded, H/stride, W/stride)
        y = self.project(y)  # (N, width, H/stride, W/stride)
        return y if self.shortcut is None else y + self.shortcut(x)  # (N, width, H/stride, W/stride)


class MobileNetV2(nn.Module):
    """Seven stages of inverted residuals: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    # fmt: off
    STAGES = (
        # expansion, depth, width, stride
        (         1,     1,    16,      1),
        (         6,     2,    24,      1),
        (         6,     3,    32,      2),
        (         6,     4,    64,      2),
        (         6,     3,    96,      1),
        (         6,     3,   160,      2),
        (         6,     1,   320,      1),
    )
    # fmt: on

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn(3, 32, kernel_size=3), nn.ReLU())
        channels = 32
        stages = []
        for expansion, depth, width, stride in self.STAGES:
            blocks = []
            for number in range(depth):
                blocks.append(InvertedResidual(channels, expansion, width, stride if number == 0 else 1))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            *conv_bn(channels, 1280, kernel_size=1),
            nn.ReLU(),
            nn.AvgPool2d(4),
            nn.Flatten(),
            nn.Linear(1280, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 32, 32, 32)
        x = self.stages(x)  # (N, 320, 4, 4)
        return self.head(x)  # (N, classes)


def mobilenetv2(classes: int = 10) -> MobileNetV2:
    return MobileNetV2(classes)
