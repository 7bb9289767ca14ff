"""ConvMixer: cut the image into patches, then only convolve.

When Vision Transformers overtook convolutional networks, nobody knew which of their parts did it: the attention, or
the patches that an image is cut into first. ConvMixer keeps the patches and drops everything else. It mixes places
with a large depthwise convolution and channels with a 1×1 convolution, at one resolution from beginning to end, and
holds its own against networks that are far harder to explain.

image 3×32×32 → 256×16×16 → … eight blocks … → 256×16×16 → 256 → 10 scores

Paper: "Patches Are All You Need?", Trockman and Kolter, 2022,
https://arxiv.org/abs/2201.09792

For CIFAR-10: patches of 2×2 pixels instead of 7×7, 5×5 kernels, width 256 and eight blocks, as in the authors' own
script for CIFAR-10, https://github.com/locuslab/convmixer-cifar10

Look at: the order inside a block. GELU comes before batch norm, and only the depthwise half has a shortcut.
"""

from torch import Tensor, nn


class MixerBlock(nn.Module):
    """A depthwise convolution beside a shortcut, then a 1×1 convolution; the shape (N, width, H, W) stays."""

    def __init__(self, width: int, kernel_size: int) -> None:
        super().__init__()
        self.places = nn.Sequential(
            nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2, groups=width),
            nn.GELU(),
            nn.BatchNorm2d(width),
        )
        self.channels = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=1),
            nn.GELU(),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.places(x)  # (N, width, H, W)
        return self.channels(x)  # (N, width, H, W)


class ConvMixer(nn.Module):
    """`depth` blocks at one resolution: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    PATCH = 2  # pixels along the side
    KERNEL_SIZE = 5

    def __init__(self, width: int, depth: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, kernel_size=self.PATCH, stride=self.PATCH),
            nn.GELU(),
            nn.BatchNorm2d(width),
        )
        self.blocks = nn.Sequential(*[MixerBlock(width, self.KERNEL_SIZE) for _ in range(depth)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, width, 16, 16)
        x = self.blocks(x)  # (N, width, 16, 16)
        return self.head(x)  # (N, classes)


def convmixer256_8(classes: int = 10) -> ConvMixer:
    return ConvMixer(256, 8, classes)
