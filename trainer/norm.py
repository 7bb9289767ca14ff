"""On a GPU: batch norm together with what follows it, the sum of a shortcut and the activation, in one go.

Such layers compute next to nothing; what takes time is fetching images from memory and putting them back. Asked for one
by one, norm and ReLU fetch or put back images five times, and eight times for their gradients; together three and five
times. With a sum between them, eight and eight become four and seven. The kernels stand in trainer/kernels/norm.py.

All of it is what torch computes, up to rounding: statistics in float32; in half precision one rounding, not three.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.convolution import has_hooks
from trainer.tiles import Tiles, between, is_laid_out, laid_out

Activation = Literal["none", "relu", "silu"]

ACTIVATIONS: tuple[Activation, ...] = ("none", "relu", "silu")  # as the programs count them
TOTAL = {"PARTS": 128, "CHANNELS": 8}  # what a program that adds up their sums works on at a time


class Norm(nn.Module):
    """The batch norm `like`, with its parameters and statistics, and what comes after it: x, added → activation(norm(x)
    + added), of (N, C, H, W) each. For training.

    Where it `passes` x on, too, the result is both, and the gradients of both come together on the way.
    """

    def __init__(self, like: nn.BatchNorm2d, activation: Activation, passes: bool = False) -> None:
        super().__init__()
        assert like.momentum is not None and like.num_batches_tracked is not None, "see can_be_fused"
        self.eps, self.momentum, self.activation, self.passes = like.eps, like.momentum, activation, passes
        self.weight, self.bias = like.weight, like.bias
        self.running_mean, self.running_var = like.running_mean, like.running_var
        self.num_batches_tracked = like.num_batches_tracked

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        if self._takes(x, added):
            result, passing = _Norm.apply(
                x, added, self.weight, self.bias, self.running_mean, self.running_var, self.num_batches_tracked,
                self.momentum, self.eps, self.activation,
            )  # fmt: skip
            return (result, passing) if self.passes else result
        self.num_batches_tracked.add_(1)
        y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, True, self.momentum, self.eps)
        if added is not None:
            y = y + added
        y = F.relu(y) if self.activation == "relu" else F.silu(y) if self.activation == "silu" else y
        return (y, x) if self.passes else y

    @staticmethod
    def _takes(x: Tensor, added: Tensor | None) -> bool:
        if added is not None and not (is_laid_out(added) and added.shape == x.shape and added.dtype == x.dtype):
            return False
        return is_laid_out(x) and x.numel() > x.shape[1]  # of a single value there is no variance, as torch will say


def can_be_fused(layer: nn.BatchNorm2d) -> bool:
    """Is this a norm that ours computes?"""
    usual = layer.affine and layer.track_running_stats and layer.momentum is not None
    return type(layer) is nn.BatchNorm2d and usual and not has_hooks(layer)


class _Norm(torch.autograd.Function):
    """activation(batch_norm(images) + added), in training, and the images."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, added: Tensor | None, weight: Tensor, bias: Tensor, running_mean: Tensor,
        running_variance: Tensor, batches: Tensor, momentum: float, eps: float, activation: Activation,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        from trainer.kernels import norm as kernels

        channels, code = images.shape[1], ACTIVATIONS.index(activation)
        of_images, of_added = between(images), 0 if added is None else between(added)
        tiles = Tiles.of(images, of_images, of_added)
        partial, found = weight.new_empty(tiles.parts, 2, channels), weight.new_empty(2, channels)
        kernels.add_up[tiles.parts, tiles.columns](
            images, partial, tiles.rows, tiles.each, *tiles.aligned(of_images, channels), **tiles.size
        )
        kernels.statistics[_total_grid(channels)](
            images, partial, found, running_mean, running_variance, batches, tiles.rows, tiles.parts, channels,
            momentum, eps, **TOTAL,
        )  # fmt: skip
        result = torch.empty_like(images, memory_format=torch.channels_last)
        kernels.normalise[tiles.all](
            images, images if added is None else added, result, found, weight, bias, tiles.rows,
            *tiles.aligned(of_images, of_added, channels), ADDS=added is not None, ACTIVATION=code, **tiles.size,
        )  # fmt: skip
        ctx.adds, ctx.code = added is not None, code
        ctx.save_for_backward(images, found, weight, bias, result if ctx.adds and code else None)
        ctx.set_materialize_grads(False)  # of the images usually none comes
        return result, images

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, passing: Tensor | None) -> tuple[Tensor | None, ...]:
        from trainer.kernels import norm as kernels

        if gradient is None:  # nobody needed the norm
            return passing, None, None, None, None, None, None, None, None, None
        images, found, weight, bias, result = ctx.saved_tensors
        gradient, passing = laid_out(gradient), None if passing is None else laid_out(passing)
        channels, of_images, of_gradient = images.shape[1], between(images), between(gradient)
        of_passing = 0 if passing is None else between(passing)
        tiles = Tiles.of(images, of_images, of_gradient, of_passing)
        partial, totals = weight.new_empty(tiles.parts, 2, channels), weight.new_empty(2, channels)
        through = gradient if result is None else torch.empty_like(result)  # the gradient of what came out of the sum
        kernels.add_up_gradients[tiles.parts, tiles.columns](
            gradient, images, images if result is None else result, through, partial, found, weight, bias,
            tiles.rows, tiles.each, *tiles.aligned(of_gradient, of_images, channels),
            ADDS=ctx.adds, ACTIVATION=ctx.code, **tiles.size,
        )  # fmt: skip
        kernels.total_gradients[_total_grid(channels)](partial, totals, tiles.parts, channels, **TOTAL)
        changes = torch.empty_like(images, memory_format=torch.channels_last)
        kernels.gradient_of_images[tiles.all](
            through, images, images if passing is None else passing, totals, found, weight, bias, changes, tiles.rows,
            *tiles.aligned(between(through), of_images, of_passing, channels),
            ACTIVATION=0 if ctx.adds else ctx.code, PASSES=passing is not None, **tiles.size,
        )  # fmt: skip
        return changes, through if ctx.adds else None, totals[1], totals[0], None, None, None, None, None, None


def _total_grid(channels: int) -> tuple[int]:
    return (-(-channels // TOTAL["CHANNELS"]),)
