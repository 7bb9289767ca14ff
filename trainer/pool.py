"""On a GPU: max pooling that remembers its choices in a byte each.

torch remembers for every result where it came from, as a number of eight bytes, and looks at it again from all pixels
around: with windows of 3×3 that overlap, as in an Inception block, these numbers are most of what such a layer fetches.
Which of nine values it was fits into a byte. The programs stand in trainer/kernels/pool.py; results and gradients are
those of torch, up to the rounding of sums.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.convolution import has_hooks
from trainer.tiles import Tiles, between, is_laid_out, laid_out

LARGEST = 4  # pixels of a window in each direction: as many times as many values are looked at one by one


class MaxPool(nn.MaxPool2d):
    """The max pooling `like`: (N, C, H, W) → (N, C, h, w)."""

    def __init__(self, like: nn.MaxPool2d) -> None:
        super().__init__(like.kernel_size, like.stride, like.padding)

    def forward(self, images: Tensor) -> Tensor:
        window = self.kernel_size, self.stride, self.padding
        result: Tensor = _MaxPool.apply(images, *window) if is_laid_out(images) else F.max_pool2d(images, *window)
        return result


def is_pool(layer: nn.Module) -> bool:
    """Is this a max pooling that can be replaced by ours?"""
    return (
        type(layer) is nn.MaxPool2d
        and isinstance(layer.kernel_size, int)
        and isinstance(layer.stride, int)
        and isinstance(layer.padding, int)
        and layer.kernel_size <= LARGEST
        and layer.dilation == 1
        and not layer.ceil_mode
        and not layer.return_indices
        and not has_hooks(layer)
    )


class _MaxPool(torch.autograd.Function):
    """max_pool2d(images)"""

    @staticmethod
    def forward(ctx: Any, images: Tensor, size: int, stride: int, padding: int) -> Tensor:
        from trainer.kernels import pool as kernels

        count, channels, height, width = images.shape
        high, wide = ((side + 2 * padding - size) // stride + 1 for side in (height, width))
        result = images.new_empty((count, channels, high, wide)).contiguous(memory_format=torch.channels_last)
        chosen = torch.empty_like(result, dtype=torch.int8)
        tiles = Tiles.of(result, between(images))
        ctx.sides, ctx.window = (height, width, high, wide), {"SIZE": size, "STRIDE": stride, "PADDING": padding}
        kernels.largest[tiles.all](
            images, result, chosen, tiles.rows, *tiles.aligned(between(images), channels), *ctx.sides,
            **ctx.window, **tiles.size,
        )  # fmt: skip
        ctx.save_for_backward(chosen)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        from trainer.kernels import pool as kernels

        (chosen,) = ctx.saved_tensors
        gradient = laid_out(gradient)
        count, channels, _, _ = gradient.shape
        changes = gradient.new_empty((count, channels, *ctx.sides[:2])).contiguous(memory_format=torch.channels_last)
        tiles = Tiles.of(changes, between(gradient))
        kernels.gradient_of_images[tiles.all](
            gradient, chosen, changes, tiles.rows, *tiles.aligned(between(gradient), channels), *ctx.sides,
            **ctx.window, **tiles.size,
        )  # fmt: skip
        return changes, None, None, None
