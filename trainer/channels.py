"""On a GPU: channels of images put beside each other, taken apart, and shuffled.

Parts of a concatenation do not lie together in memory: between two pixels of one lie the channels of the others. Where
torch's kernels then go value by value, ours (trainer/kernels/channels.py) go sixteen bytes at a time, and compute a
ReLU after the concatenation, and sums among what it is made of, on the way. Gradients of the parts are views of the
whole's; where parts that were one come together again, so do their gradients, without a copy. And torch's shuffle gives
back images in the other layout, which all that follows would have to turn round.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.tiles import Tiles, between, is_laid_out, laid_out

Part = Tensor | tuple[Tensor, Tensor]
"""Images, or two that are added."""


def concatenated(parts: list[Part], relu: bool) -> Tensor:
    """cat(parts, dim=1), or its ReLU: (N, C1, H, W), (N, C2, H, W) … → (N, C1 + C2 + …, H, W)"""
    pairs = [part if isinstance(part, tuple) else (part, None) for part in parts]
    tensors = [one for pair in pairs for one in pair if one is not None]
    same = all(a.shape == b.shape for a, b in pairs if b is not None)
    if same and len({one.dtype for one in tensors}) == 1 and all(map(is_laid_out, tensors)):
        result: Tensor = _Concatenated.apply(relu, [b is not None for _, b in pairs], *tensors)
        return result
    whole = torch.cat([a if b is None else a + b for a, b in pairs], dim=1)
    return F.relu(whole) if relu else whole


def split(images: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
    """images.split(sizes, dim=1)"""
    parts: tuple[Tensor, ...] = _Split.apply(images, sizes) if is_laid_out(images) else images.split(sizes, dim=1)
    return parts


class Shuffle(nn.ChannelShuffle):
    """The shuffle `like`, which leaves images in channels_last so: (N, C, H, W) → (N, C, H, W)."""

    def __init__(self, like: nn.ChannelShuffle) -> None:
        super().__init__(like.groups)

    def forward(self, images: Tensor) -> Tensor:
        if not is_laid_out(images):
            return F.channel_shuffle(images, self.groups)
        count, channels, height, width = images.shape
        cards = images.permute(0, 2, 3, 1).reshape(count, height, width, self.groups, channels // self.groups)
        return cards.transpose(3, 4).reshape(count, height, width, channels).permute(0, 3, 1, 2)


def put(result: Tensor, images: Tensor, added: Tensor | None = None, relu: bool = False) -> None:
    """Write images, or the sum of two, or the ReLU of either, to where a part of others lies."""
    from trainer.kernels import channels as kernels

    steps = [between(images), 0 if added is None else between(added), between(result)]
    tiles, channels = Tiles.of(images, *steps), images.shape[1]
    kernels.put[tiles.all](
        images, images if added is None else added, result, tiles.rows, *tiles.aligned(*steps, channels),
        ADDS=added is not None, ACTIVATION=int(relu), **tiles.size,  # 1 is ReLU
    )  # fmt: skip


class _Concatenated(torch.autograd.Function):
    """cat(images, dim=1), or its ReLU. Of two images after each other, for which `pairs` says so, the sum is taken."""

    @staticmethod
    def forward(ctx: Any, relu: bool, pairs: list[bool], *images: Tensor) -> Tensor:
        rest = iter(images)
        parts = [(next(rest), next(rest) if adds else None) for adds in pairs]
        sizes = [part.shape[1] for part, _ in parts]
        count, _, height, width = images[0].shape
        result = images[0].new_empty((count, sum(sizes), height, width)).contiguous(memory_format=torch.channels_last)
        for place, (part, added) in zip(result.split(sizes, dim=1), parts, strict=True):
            put(place, part, added, relu)
        ctx.sizes, ctx.pairs = sizes, pairs
        ctx.save_for_backward(result if relu else None)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from trainer.kernels import channels as kernels

        (result,), gradient = ctx.saved_tensors, laid_out(gradient)
        if result is not None:
            changes, channels = torch.empty_like(result), result.shape[1]
            tiles = Tiles.of(result, between(gradient))
            kernels.through_relu[tiles.all](
                gradient, result, changes, tiles.rows, *tiles.aligned(between(gradient), channels), **tiles.size
            )
            gradient = changes
        found: list[Tensor] = []
        for part, adds in zip(gradient.split(ctx.sizes, dim=1), ctx.pairs, strict=True):
            found += [part, part] if adds else [part]
        return None, None, *found


class _Split(torch.autograd.Function):
    """images.split(sizes, dim=1)"""

    @staticmethod
    def forward(ctx: Any, images: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
        return tuple(images.split(sizes, dim=1))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return beside_each_other([laid_out(gradient) for gradient in gradients]), None


def beside_each_other(parts: list[Tensor]) -> Tensor:
    """Their concatenation: a view, where they lie beside each other already."""
    first, sizes = parts[0], [part.shape[1] for part in parts]
    count, _, height, width = first.shape
    shape, at = (count, sum(sizes), height, width), first.storage_offset()
    for part in parts:
        if _memory(part) != _memory(first) or part.stride() != first.stride() or part.storage_offset() != at:
            break
        at += part.shape[1]
    else:
        return first.as_strided(shape, first.stride())
    whole = first.new_empty(shape).contiguous(memory_format=torch.channels_last)
    for place, part in zip(whole.split(sizes, dim=1), parts, strict=True):
        put(place, part)
    return whole


def _memory(images: Tensor) -> int:
    return images.untyped_storage().data_ptr()
