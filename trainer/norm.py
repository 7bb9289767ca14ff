"""On a GPU: batch norm together with what follows it, the sum of a shortcut and the activation, in one go.

Such layers compute next to nothing; what takes time is fetching the images from memory and putting them back. Asked
for one by one, norm, sum and ReLU fetch them eight times, and fifteen times more for their gradients. Together they
need four and seven: once for the statistics, once to apply them. The programs stand in trainer/kernels/norm.py.

All of it is what torch computes, up to rounding: statistics in float32; in half precision one rounding, not three.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.convolution import has_hooks

Activation = Literal["none", "relu", "silu"]

ACTIVATIONS: tuple[Activation, ...] = ("none", "relu", "silu")  # as the programs count them
TILE = 4096  # values that a program works on at a time
WIDEST = 64  # channels of these: a line of memory, in half precision
PROGRAMS = 4  # for each of a GPU's multiprocessors, of those that add up
TOTAL = {"PARTS": 128, "CHANNELS": 8}  # what a program that adds up their sums works on at a time


class Norm(nn.Module):
    """The batch norm `like`, with its parameters and statistics, and what comes after it: x, added → activation(norm(x)
    + added), of (N, C, H, W) each. For training."""

    def __init__(self, like: nn.BatchNorm2d, activation: Activation) -> None:
        super().__init__()
        assert like.momentum is not None and like.num_batches_tracked is not None, "see can_be_fused"
        self.eps, self.momentum, self.activation = like.eps, like.momentum, activation
        self.weight, self.bias = like.weight, like.bias
        self.running_mean, self.running_var = like.running_mean, like.running_var
        self.num_batches_tracked = like.num_batches_tracked

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        if is_laid_out(x) and (
            added is None or (is_laid_out(added) and added.shape == x.shape and added.dtype == x.dtype)
        ):
            result: Tensor = _Norm.apply(
                x, added, self.weight, self.bias, self.running_mean, self.running_var, self.num_batches_tracked,
                self.momentum, self.eps, self.activation,
            )  # fmt: skip
            return result
        self.num_batches_tracked.add_(1)
        x = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, True, self.momentum, self.eps)
        if added is not None:
            x = x + added
        return F.relu(x) if self.activation == "relu" else F.silu(x) if self.activation == "silu" else x


def can_be_fused(layer: nn.BatchNorm2d) -> bool:
    """Is this a norm that ours computes?"""
    usual = layer.affine and layer.track_running_stats and layer.momentum is not None
    return type(layer) is nn.BatchNorm2d and usual and not has_hooks(layer)


def is_laid_out(images: Tensor) -> bool:
    """Are these (N, H, W, C) in memory, whatever lies between two pixels?"""
    return images.dim() == 4 and between(images) > 0


def between(images: Tensor) -> int:
    """How far it is in memory from a pixel to the next one; 0 when that differs, or channels are not neighbours."""
    count, channels, height, width = images.shape
    of_image, of_channel, of_row, of_pixel = images.stride()
    if width == 1:
        of_pixel = of_row
    if width * height == 1:
        of_pixel = of_image
    fits = (
        (channels == 1 or of_channel == 1)
        and (height == 1 or of_row == width * of_pixel)
        and (count == 1 or of_image == height * width * of_pixel)
    )
    return of_pixel if fits and of_pixel >= channels else 0


class _Tiles(NamedTuple):
    """How images are cut for the programs: parts × columns of them to add up, each going through tiles below each
    other; one for each tile to compute a result."""

    rows: int  # pixels of all images
    channels: int
    align: int
    of_rows: int  # of a tile
    of_channels: int
    each: int  # rows of a part
    parts: int
    columns: int

    @classmethod
    def of(cls, images: Tensor, *between: int) -> _Tiles:
        count, channels, height, width = images.shape
        rows, of_channels = count * height * width, min(WIDEST, _power_of_two(channels))
        of_rows, columns = TILE // of_channels, -(-channels // of_channels)
        wanted = max(1, PROGRAMS * _multiprocessors(images.device) // columns)
        each = -(-rows // (wanted * of_rows)) * of_rows
        align = math.gcd(channels, *between, 8)
        return cls(rows, channels, align, of_rows, of_channels, each, -(-rows // each), columns)

    @property
    def all(self) -> tuple[int, int]:
        """The grid of those that compute a result."""
        return -(-self.rows // self.of_rows), self.columns


class _Norm(torch.autograd.Function):
    """activation(batch_norm(images) + added), in training."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, added: Tensor | None, weight: Tensor, bias: Tensor, running_mean: Tensor,
        running_variance: Tensor, batches: Tensor, momentum: float, eps: float, activation: Activation,
    ) -> Tensor:  # fmt: skip
        from trainer.kernels import norm as kernels

        code = ACTIVATIONS.index(activation)
        of_added = 0 if added is None else between(added)
        tiles = _Tiles.of(images, between(images), of_added)
        rows, channels, align, of_rows, of_channels, each, parts, columns = tiles
        size = {"ALIGN": align, "ROWS": of_rows, "CHANNELS": of_channels}
        partial = weight.new_empty(parts, 2, channels)
        kernels.add_up[parts, columns](images, partial, rows, each, between(images) // align, channels // align, **size)
        found = weight.new_empty(2, channels)
        kernels.statistics[_total_grid(channels)](
            images, partial, found, running_mean, running_variance, batches, rows, parts, channels, momentum, eps,
            **TOTAL,
        )  # fmt: skip
        result = torch.empty_like(images, memory_format=torch.channels_last)
        kernels.normalise[tiles.all](
            images, images if added is None else added, result, found, weight, bias, rows,
            between(images) // align, of_added // align, channels // align,
            ADDS=added is not None, ACTIVATION=code, **size,
        )  # fmt: skip
        ctx.adds, ctx.code = added is not None, code
        ctx.save_for_backward(images, found, weight, bias, result if ctx.adds and code else None)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from trainer.kernels import norm as kernels

        images, found, weight, bias, result = ctx.saved_tensors
        if not is_laid_out(gradient):
            gradient = gradient.contiguous(memory_format=torch.channels_last)
        tiles = _Tiles.of(images, between(images), between(gradient))
        rows, channels, align, of_rows, of_channels, each, parts, columns = tiles
        size = {"ALIGN": align, "ROWS": of_rows, "CHANNELS": of_channels}
        partial, totals = weight.new_empty(parts, 2, channels), weight.new_empty(2, channels)
        through = gradient if result is None else torch.empty_like(result)  # the gradient of what came out of the sum
        kernels.add_up_gradients[parts, columns](
            gradient, images, images if result is None else result, through, partial, found, weight, bias, rows, each,
            between(gradient) // align, between(images) // align, channels // align,
            ADDS=ctx.adds, ACTIVATION=ctx.code, **size,
        )  # fmt: skip
        kernels.total_gradients[_total_grid(channels)](partial, totals, parts, channels, **TOTAL)
        of_images = torch.empty_like(images, memory_format=torch.channels_last)
        kernels.gradient_of_images[tiles.all](
            through, images, totals, found, weight, bias, of_images, rows,
            between(through) // align, between(images) // align, channels // align,
            ACTIVATION=0 if ctx.adds else ctx.code, **size,
        )  # fmt: skip
        return of_images, through if ctx.adds else None, totals[1], totals[0], None, None, None, None, None, None


def _total_grid(channels: int) -> tuple[int]:
    return (-(-channels // TOTAL["CHANNELS"]),)


def _power_of_two(number: int) -> int:
    """The next one that is not smaller."""
    return 1 << (number - 1).bit_length()


def _multiprocessors(device: torch.device) -> int:
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
