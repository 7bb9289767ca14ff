"""Swin: attention inside small windows, and windows that move.

In a Vision Transformer every token looks at every other, so twice the resolution costs sixteen times the attention,
and the image has one coarse resolution from beginning to end. Swin lets a token look only at its window of 4×4
tokens, which costs the same per token at any resolution, and shifts the windows by half their size in every second
block, so that what a window could not see, the next one can. Between stages four neighbouring tokens become one, as
pooling does in a convolutional network.

image 3×32×32 → 16×16 tokens of 96 → 8×8 tokens of 192 → 4×4 tokens of 384 → 384 → 10 scores

Paper: "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", Liu, Lin, Cao and others, 2021,
https://arxiv.org/abs/2103.14030

For CIFAR-10: three stages instead of four, patches of 2×2 pixels, windows of 4×4 tokens, MLPs twice as wide inside
instead of four times, and a learned embedding of the position: the Swin for 32×32 images that Lee, Lee and Song
compare with in "Vision Transformer for Small-Size Datasets", 2021, https://github.com/aanna0701/SPT_LSA_ViT.
Stochastic depth is theirs, up to 10 %.

Look at: `wall`. After the shift, tokens from opposite edges of the image lie in one window; they must not look at
each other, and a table of 0 and −∞ is all it takes.
"""

import math

import torch
from torch import Tensor, nn

WINDOW = 4  # tokens along the side


class WindowAttention(nn.Module):
    """Every token reads from the tokens of its window; the shape (N, windows, tokens, width) stays.

    What it reads also depends on where the other token stands, by a learned bias for every offset between two tokens.
    """

    offset: Tensor  # which row of `offset_bias` holds for a pair of tokens: (tokens, tokens)

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.offset_bias = nn.Parameter(torch.empty((2 * WINDOW - 1) ** 2, heads))
        nn.init.trunc_normal_(self.offset_bias, std=0.02)
        row = torch.arange(WINDOW).repeat_interleave(WINDOW)  # of every token in a window
        column = torch.arange(WINDOW).repeat(WINDOW)
        down = row[:, None] - row + WINDOW - 1  # from 0 to 2·WINDOW − 2
        right = column[:, None] - column + WINDOW - 1
        self.register_buffer("offset", down * (2 * WINDOW - 1) + right, persistent=False)

    def forward(self, x: Tensor, wall: Tensor) -> Tensor:
        n, windows, tokens, width = x.shape
        x = self.query_key_value(x)  # (N, windows, tokens, 3·width)
        x = x.reshape(n, windows, tokens, 3, self.heads, -1)  # (N, windows, tokens, 3, heads, width/heads)
        query, key, value = x.permute(3, 0, 1, 4, 2, 5)  # three of (N, windows, heads, tokens, width/heads)
        match = query @ key.transpose(3, 4) / math.sqrt(width // self.heads)  # (N, windows, heads, tokens, tokens)
        match = match + self.offset_bias[self.offset].permute(2, 0, 1) + wall  # (N, windows, heads, tokens, tokens)
        x = match.softmax(dim=4) @ value  # (N, windows, heads, tokens, width/heads)
        x = x.transpose(2, 3).reshape(n, windows, tokens, width)  # (N, windows, tokens, width)
        return self.project(x)  # (N, windows, tokens, width)


class StochasticDepth(nn.Module):
    """While training, leave out a branch for some of the images; the others' are made larger to keep the mean."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate  # the fraction of images for which the branch is left out, 0 ≤ rate < 1

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x  # (N, H, W, width)
        kept = x.new_empty(len(x), 1, 1, 1).bernoulli_(1 - self.rate)  # (N, 1, 1, 1), 1 where the branch stays, else 0
        return x * kept / (1 - self.rate)  # (N, H, W, width)


class Block(nn.Module):
    """Window attention, then an MLP, each beside a shortcut; the shape (N, size, size, width) stays."""

    wall: Tensor  # 0 or −∞ for a pair of tokens in a window: (windows, 1, tokens, tokens)

    def __init__(self, width: int, heads: int, size: int, shift: int, drop_rate: float) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = StochasticDepth(drop_rate)
        self.register_buffer("wall", wall(size, shift), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x).roll((-self.shift, -self.shift), dims=(1, 2))  # (N, size, size, width)
        y = self.attention(split(y), self.wall)  # (N, windows, tokens, width)
        y = join(y).roll((self.shift, self.shift), dims=(1, 2))  # (N, size, size, width)
        x = x + self.drop(y)  # (N, size, size, width)
        return x + self.drop(self.mlp(self.norm2(x)))  # (N, size, size, width)


def split(x: Tensor) -> Tensor:
    """Cut an image of tokens into windows: (N, H, W, C) → (N, windows, tokens, C)."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height // WINDOW, WINDOW, width // WINDOW, WINDOW, channels)  # (N, H/4, 4, W/4, 4, C)
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)  # (N, windows, tokens, C)


def join(x: Tensor) -> Tensor:
    """Put the windows of a square image together again: (N, windows, tokens, C) → (N, H, W, C)."""
    n, windows, _, channels = x.shape
    side = round(windows**0.5)  # windows along the side
    x = x.reshape(n, side, side, WINDOW, WINDOW, channels)  # (N, H/4, W/4, 4, 4, C)
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)  # (N, H, W, C)


def wall(size: int, shift: int) -> Tensor:
    """0 where two tokens of a window may look at each other, −∞ where not: (windows, 1, tokens, tokens)."""
    place = torch.arange(size)
    wrapped = (place >= size - shift).int()  # came round from the opposite edge
    side = 2 * wrapped[:, None] + wrapped  # (size, size)
    side = split(side[None, :, :, None])[0, :, None, :, 0]  # (windows, 1, tokens)
    apart = side[..., :, None] != side[..., None, :]  # (windows, 1, tokens, tokens)
    return torch.zeros(apart.shape).masked_fill(apart, float("-inf"))


class Merge(nn.Module):
    """Make four neighbouring tokens one, twice as wide: (N, H, W, width) → (N, H/2, W/2, 2·width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduce = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        x = torch.cat(corners, dim=3)  # (N, H/2, W/2, 4·width)
        return self.reduce(self.norm(x))  # (N, H/2, W/2, 2·width)


class Swin(nn.Module):
    """Three stages of window attention: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    PATCH = 2  # pixels along the side
    DROP_RATE = 0.1  # of the last block; it grows evenly from 0 in the first

    # fmt: off
    STAGES = (
        # width, tokens along the side, blocks, heads
        (    96,                    16,      2,     3),
        (   192,                     8,      6,     6),
        (   384,                     4,      4,    12),
    )
    # fmt: on

    def __init__(self, classes: int) -> None:
        super().__init__()
        channels, size = self.STAGES[0][:2]
        self.stem = nn.Conv2d(3, channels, kernel_size=self.PATCH, stride=self.PATCH)
        self.stem_norm = nn.LayerNorm(channels)
        self.positions = nn.Parameter(torch.empty(size, size, channels))
        nn.init.trunc_normal_(self.positions, std=0.02)
        depth = sum(blocks for _, _, blocks, _ in self.STAGES)
        drop_rates = iter([self.DROP_RATE * number / (depth - 1) for number in range(depth)])
        stages = []
        for width, size, blocks, heads in self.STAGES:
            stage: list[nn.Module] = [Merge(channels)] if width != channels else []
            for number in range(blocks):
                shift = WINDOW // 2 if number % 2 == 1 and size > WINDOW else 0  # a single window stays where it is
                stage.append(Block(width, heads, size, shift, next(drop_rates)))
            stages.append(nn.Sequential(*stage))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images).permute(0, 2, 3, 1)  # (N, 16, 16, 96)
        x = self.stem_norm(x) + self.positions  # (N, 16, 16, 96)
        x = self.stages(x)  # (N, 4, 4, 384)
        x = self.norm(x).mean(dim=(1, 2))  # (N, 384)
        return self.head(x)  # (N, classes)


def swin(classes: int = 10) -> Swin:
    return Swin(classes)
