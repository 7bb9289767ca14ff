"""Vision Transformer: cut the image into patches and read them like the words of a sentence.

All networks before it in this catalogue are built on the convolution: neighbours belong together, and what is true in
one corner is true in the other. The Vision Transformer assumes neither. It turns each patch into a vector (a *token*)
and lets every token ask all others what they know (*attention*). It must learn from data what a convolution knows
from the start, so it shines when there are millions of images, and is beaten when there are 50,000.

image 3×32×32 → 64 patches of 3×4×4 → 64 tokens of 768 → 65 with the class token → 768 → 10 scores

Paper: "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale", Dosovitskiy, Beyer, Kolesnikov and
others, 2020, https://arxiv.org/abs/2010.11929

For CIFAR-10: patches of 4×4 pixels instead of 16×16, so that there are 64 of them. The widths, 768 and 3072, are those
of the paper's ViT-Base, but there are 1 or 4 heads instead of 12, and 1, 2 or 8 layers instead of 12, to save time. No
dropout. Linear layers start from PyTorch's default values.

Look at: `Attention.forward`. Each token sends out a query and is found by its key; where they match, its value is read.
"""

import math

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Every token reads from all tokens, `heads` times side by side: (N, tokens, width) → (N, tokens, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        x = self.query_key_value(x)  # (N, tokens, 3·width)
        x = x.reshape(n, tokens, 3, self.heads, width // self.heads)  # (N, tokens, 3, heads, width/heads)
        query, key, value = x.permute(2, 0, 3, 1, 4)  # three of (N, heads, tokens, width/heads)
        match = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)  # (N, heads, tokens, tokens)
        x = match.softmax(dim=3) @ value  # (N, heads, tokens, width/heads)
        x = x.transpose(1, 2).reshape(n, tokens, width)  # (N, tokens, width)
        return self.project(x)  # (N, tokens, width)


class Layer(nn.Module):
    """Attention between the tokens, then an MLP on each token by itself: (N, tokens, width) → (N, tokens, width)."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))  # (N, tokens, width)
        return x + self.mlp(self.norm2(x))  # (N, tokens, width)


class VisionTransformer(nn.Module):
    """A transformer over 64 patches: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    PATCH, WIDTH, HIDDEN = 4, 768, 3072

    def __init__(self, heads: int, depth: int, classes: int) -> None:
        super().__init__()
        patches = (32 // self.PATCH) ** 2
        self.stem = nn.Conv2d(3, self.WIDTH, kernel_size=self.PATCH, stride=self.PATCH)  # one linear map per patch
        self.class_token = nn.Parameter(torch.empty(1, 1, self.WIDTH))
        self.positions = nn.Parameter(torch.empty(1, 1 + patches, self.WIDTH))
        nn.init.normal_(self.class_token, std=0.02)
        nn.init.normal_(self.positions, std=0.02)
        self.layers = nn.Sequential(*(Layer(self.WIDTH, self.HIDDEN, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(self.WIDTH)
        self.head = nn.Linear(self.WIDTH, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, 768, 8, 8)
        x = x.flatten(2).transpose(1, 2)  # (N, 64, 768)
        class_token = self.class_token.expand(x.shape[0], -1, -1)  # (N, 1, 768)
        x = torch.cat([class_token, x], dim=1)  # (N, 65, 768)
        x = self.layers(x + self.positions)  # (N, 65, 768)
        x = self.norm(x[:, 0])  # (N, 768), the class token's answer
        return self.head(x)  # (N, classes)


def vit_h1_l1(classes: int = 10) -> VisionTransformer:
    return VisionTransformer(1, 1, classes)


def vit_h1_l8(classes: int = 10) -> VisionTransformer:
    return VisionTransformer(1, 8, classes)


def vit_h4_l2(classes: int = 10) -> VisionTransformer:
    return VisionTransformer(4, 2, classes)
