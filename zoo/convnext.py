"""ConvNeXt: a convolutional network that has learnt from the Transformers.

Were Vision Transformers better because of attention, or because of everything else that had become usual by then?
ConvNeXt starts from a ResNet and takes over the habits one at a time: patches, large depthwise filters that mix
places, an MLP of 1×1 convolutions that mixes channels, GELU, layer norm, and few of each. The result is purely
convolutional and as accurate as the Swin Transformer of the same size.

image 3×32×32 → 64×32×32 → 64×32×32 → 128×16×16 → 256×8×8 → 512×4×4 → 512 → 10 scores

Paper: "A ConvNet for the 2020s", Liu, Mao, Wu and others, 2022,
https://arxiv.org/abs/2201.03545

For CIFAR-10: patches of a single pixel instead of 4×4, widths 64 to 512 and two blocks a stage, the small network of
https://github.com/filipbasara0/simple-convnext (which enlarges the images to 64×64 first; here they stay as they
are). As there, no stochastic depth, and PyTorch's initialisation instead of the paper's.

Look at: `Block.forward`, where depthwise convolution, MLP and shortcut stand in one line each, and `scale`, which
starts so near zero that every block begins as the identity.
"""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Depthwise 7×7, then an MLP at every place, beside a shortcut; the shape (N, width, H, W) stays."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
        )
        self.scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(x).permute(0, 2, 3, 1)  # (N, H, W, width)
        y = self.mlp(y).permute(0, 3, 1, 2)  # (N, width, H, W)
        return x + self.scale * y  # (N, width, H, W)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every place; the shape (N, width, H, W) stays."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # (N, width, H, W)


class ConvNeXt(nn.Module):
    """Four stages of two blocks: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    PATCH = 1  # pixels along the side

    # fmt: off
    STAGES = (
        # width, blocks
        (    64,      2),
        (   128,      2),
        (   256,      2),
        (   512,      2),
    )
    # fmt: on

    def __init__(self, classes: int) -> None:
        super().__init__()
        channels = self.STAGES[0][0]
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, kernel_size=self.PATCH, stride=self.PATCH),
            ChannelNorm(channels),
        )
        stages = []
        for width, blocks in self.STAGES:
            stage: list[nn.Module] = []
            if width != channels:  # halve the image between the stages
                stage += [ChannelNorm(channels), nn.Conv2d(channels, width, kernel_size=2, stride=2)]
            stage += [Block(width) for _ in range(blocks)]
            stages.append(nn.Sequential(*stage))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.LayerNorm(channels, eps=1e-6), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 64, 32, 32)
        x = self.stages(x)  # (N, 512, 4, 4)
        x = x.mean(dim=(2, 3))  # (N, 512)
        return self.head(x)  # (N, classes)


def convnext(classes: int = 10) -> ConvNeXt:
    return ConvNeXt(classes)
