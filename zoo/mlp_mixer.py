"""MLP-Mixer: neither convolution nor attention, only matrices used two ways.

A convolution mixes neighbouring places, attention mixes whatever places it chooses. MLP-Mixer asked whether either is
needed: write the patches of an image as the rows of a table, with one column a channel. One small network of two
linear layers is applied to every *column* and mixes places; a second is applied to every *row* and mixes channels.
Repeating the two is the whole network.

image 3×32×32 → 64 tokens of 128 → … eight blocks … → 64 tokens of 128 → 128 → 10 scores

Paper: "MLP-Mixer: An all-MLP Architecture for Vision", Tolstikhin, Houlsby, Kolesnikov and others, 2021,
https://arxiv.org/abs/2105.01601

For CIFAR-10: patches of 4×4 pixels instead of 16×16 and a quarter of the smallest Mixer's width: the "Mixer-nano" of
https://github.com/omihub777/MLP-Mixer-CIFAR. Its 0.67 million parameters are those of a token network 512 wide inside
and a channel network 64 wide inside, which is what stands here; the settings listed there name the two the other way
round, as the paper would, and would make 1.13 million.

Look at: the two `transpose` in `MixerBlock.forward`: the same kind of network works along rows or along columns, and
nothing else tells the network that patches have neighbours.
"""

from torch import Tensor, nn


class MixerBlock(nn.Module):
    """Mix places, then channels, each beside a shortcut; the shape (N, tokens, width) stays."""

    def __init__(self, tokens: int, width: int, token_hidden: int, channel_hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.token_mlp = mlp(tokens, token_hidden)
        self.norm2 = nn.LayerNorm(width)
        self.channel_mlp = mlp(width, channel_hidden)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x).transpose(1, 2)  # (N, width, tokens)
        x = x + self.token_mlp(y).transpose(1, 2)  # (N, tokens, width)
        return x + self.channel_mlp(self.norm2(x))  # (N, tokens, width)


def mlp(width: int, hidden: int) -> nn.Sequential:
    """Two linear layers with GELU between them, along the last dimension: (…, width) → (…, width)."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class MLPMixer(nn.Module):
    """`depth` blocks over 64 tokens: scores of shape (N, classes) from images of shape (N, 3, 32, 32)."""

    PATCH = 4  # pixels along the side
    TOKENS = (32 // PATCH) ** 2

    def __init__(self, width: int, depth: int, token_hidden: int, channel_hidden: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, kernel_size=self.PATCH, stride=self.PATCH)
        blocks = [MixerBlock(self.TOKENS, width, token_hidden, channel_hidden) for _ in range(depth)]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, width, 8, 8)
        x = x.flatten(2).transpose(1, 2)  # (N, 64, width)
        x = self.blocks(x)  # (N, 64, width)
        x = self.norm(x).mean(dim=1)  # (N, width)
        return self.head(x)  # (N, classes)


def mlp_mixer(classes: int = 10) -> MLPMixer:
    return MLPMixer(width=128, depth=8, token_hidden=512, channel_hidden=64, classes=classes)
