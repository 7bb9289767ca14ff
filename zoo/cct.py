"""CCT: a Transformer that is small enough for small data sets.

A Vision Transformer cuts an image into squares and has to learn from data what a convolution knows beforehand: that
neighbouring pixels belong together. With 50,000 images it does not learn it. The Compact Convolutional Transformer
makes its tokens with a convolution and a max-pool, which overlap and keep edges whole, and instead of a class token
it lets every token say with a learned weight how much it matters to the answer.

image 3×32×32 → 256×16×16 → 256 tokens of 256 → … seven layers … → 256 tokens of 256 → 256 → 10 scores

Paper: "Escaping the Big Data Paradigm with Compact Transformers", Hassani, Walton, Shah and others, 2021,
https://arxiv.org/abs/2104.05704

For CIFAR-10: nothing is changed; CCT-7/3×1 (seven layers, one 3×3 convolution) is the paper's network for it, and
https://github.com/SHI-Labs/Compact-Transformers gives its size, 3.760 million parameters, and its code. As there,
position embeddings are learned, attention drops 10 % of its weights and the layers drop out with rates of 0 to 10 %
while training, and linear layers start from a normal distribution with standard deviation 0.02.

Look at: `CCT.pool`, attention with one learned question, and in `Layer.forward` the second shortcut, which starts
*after* the second norm, unlike the usual Transformer's.
"""

import math

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Every token reads from all tokens, `heads` times side by side; the shape (N, tokens, width) stays."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.dropout = nn.Dropout(0.1)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        x = self.query_key_value(x)  # (N, tokens, 3·width)
        x = x.reshape(n, tokens, 3, self.heads, width // self.heads)  # (N, tokens, 3, heads, width/heads)
        query, key, value = x.permute(2, 0, 3, 1, 4)  # three of (N, heads, tokens, width/heads)
        match = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)  # (N, heads, tokens, tokens)
        x = self.dropout(match.softmax(dim=3)) @ value  # (N, heads, tokens, width/heads)
        x = x.transpose(1, 2).reshape(n, tokens, width)  # (N, tokens, width)
        return self.project(x)  # (N, tokens, width)


class StochasticDepth(nn.Module):
    """While training, leave out a branch for some of the images; the others' are made larger to keep the mean."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate  # the fraction of images for which the branch is left out, 0 ≤ rate < 1

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x  # (N, tokens, width)
        kept = x.new_empty(x.shape[0], 1, 1).bernoulli_(1 - self.rate)  # (N, 1, 1), 1 where the branch stays, else 0
        return x * kept / (1 - self.rate)  # (N, tokens, width)


class Layer(nn.Module):
    """Attention, then an MLP twice as wide inside, each beside a shortcut; the shape (N, tokens, width) stays."""

    def __init__(self, width: int, heads: int, drop_rate: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.drop = StochasticDepth(drop_rate)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.attention(self.norm1(x)))  # (N, tokens, width)
        x = self.norm2(x)  # (N, tokens, width)
        return x + self.drop(self.mlp(x))  # (N, tokens, width)


class CCT(nn.Module):
    """`depth` layers over 256 tokens: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    TOKENS = 16 * 16
    DROP_RATE = 0.1  # of the last layer; it grows evenly from 0 in the first

    def __init__(self, depth: int, width: int, heads: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, kernel_size=3, padding=1, bias=False),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.positions = nn.Parameter(torch.empty(self.TOKENS, width))
        drop_rates = [self.DROP_RATE * number / (depth - 1) for number in range(depth)]
        self.layers = nn.Sequential(*[Layer(width, heads, drop_rate) for drop_rate in drop_rates])
        self.norm = nn.LayerNorm(width)
        self.importance = nn.Linear(width, 1)
        self.head = nn.Linear(width, classes)
        self.initialise()

    def initialise(self) -> None:
        """Draw the weights as the authors' code does."""
        nn.init.trunc_normal_(self.positions, std=0.2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, width, 16, 16)
        x = x.flatten(2).transpose(1, 2) + self.positions  # (N, 256, width)
        x = self.norm(self.layers(x))  # (N, 256, width)
        return self.head(self.pool(x))  # (N, classes)

    def pool(self, x: Tensor) -> Tensor:
        """The mean of the tokens, each weighted by how much it matters: (N, tokens, width) → (N, width)."""
        weights = self.importance(x).softmax(dim=1)  # (N, tokens, 1)
        return (weights * x).sum(dim=1)  # (N, width)


def cct7_3x1(classes: int = 10) -> CCT:
    return CCT(depth=7, width=256, heads=4, classes=classes)
