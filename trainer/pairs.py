"""Convolutions to and from few channels, computed two columns at a time.

A CPU computes 16 or 8 numbers at once, and a convolution gives these places to the channels of its output. LeNet's
first one has 6: most places stay empty. Here two neighbouring columns of the output share them. The kernel, once where
it belongs and once a column further to the right, is one kernel of 12 channels that moves on by two columns; in
channels_last its output lies in memory as that of the convolution would. Pooling then takes the larger of two whole
rows, where torch's own goes number by number when channels are few.

LeNet's second convolution is one from these 6 channels: it has 16 of its own, but the gradient of what it was given has
6 again. That gradient is a convolution too, of its kernels turned by half, and is computed in the same way.

The functions and their gradients are those of the layers, up to the order in which sums are taken, and up to which one
of equal values gets the gradient that is pooled: the first one by columns, with torch's pooling by rows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from trainer.convolution import channels_last, computed_in, gradients, has_hooks

FEW = 8  # channels, of which two columns fill a vector of 16 numbers
COLOURS = 3  # channels of an image, whose gradient nobody asks for

_where_positive = torch.ops.aten.threshold_backward  # (gradient, x, 0): the gradient where x > 0, else 0


class ToFew(nn.Sequential):
    """A convolution to few channels, ReLU and 2×2 max-pooling: the layers of a stage, under the names they have there.

    Images (N, C, H, W) become (N, channels, ⌊h / 2⌋, ⌊w / 2⌋) from the convolution's (N, channels, h, w).
    """

    def forward(self, images: Tensor) -> Tensor:
        layers: Any = self
        convolution, _, _ = layers
        (above, beside), (height, width) = convolution.padding, convolution.kernel_size
        rows, columns = images.shape[2] + 2 * above - height + 1, images.shape[3] + 2 * beside - width + 1
        if rows % 2 or columns % 2:  # pooling leaves the last one out
            return _in_turn(self, images)
        pooled: Tensor = _ToFew.apply(
            images, convolution.weight, convolution.bias, convolution.padding, computed_in(images)
        )
        return pooled


class FromFew(nn.Sequential):
    """A convolution from few channels, ReLU and 2×2 max-pooling, likewise."""

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[3] % 2:
            return _in_turn(self, images)
        layers: Any = self
        convolution, relu, pooling = layers
        convolved = _FromFew.apply(
            images, convolution.weight, convolution.bias, convolution.padding, computed_in(images)
        )
        pooled: Tensor = relu(pooling(convolved))  # in this order it is the same, and ReLU has a quarter to do
        return pooled


def kind_of(stage: nn.Module) -> type[ToFew | FromFew] | None:
    """What computes this stage in pairs, or None."""
    if type(stage) is not nn.Sequential or [type(layer) for layer in stage] != [nn.Conv2d, nn.ReLU, nn.MaxPool2d]:
        return None
    layers: Any = stage
    convolution, _, pooling = layers
    if (
        convolution.bias is None
        or convolution.groups != 1
        or not convolution.stride == convolution.dilation == (1, 1)
        or convolution.padding_mode != "zeros"
        or not isinstance(convolution.padding, tuple)
        or any(size not in {2, (2, 2)} for size in (pooling.kernel_size, pooling.stride))
        or pooling.padding not in {0, (0, 0)}
        or pooling.dilation not in {1, (1, 1)}
        or pooling.return_indices
        or any(map(has_hooks, (stage, *stage)))
    ):
        return None
    if convolution.out_channels <= FEW:
        return ToFew
    narrow = all(map(int.__lt__, convolution.padding, convolution.kernel_size))
    return FromFew if COLOURS < convolution.in_channels <= FEW and narrow else None


def has_pairs(network: nn.Module) -> bool:
    """Has a network stages that can be computed in pairs?"""
    return any(kind_of(module) for name, module in network.named_modules() if name)


def in_pairs(network: nn.Module) -> None:
    """Let a network compute these stages in pairs: the same parameters, under the same names."""
    for name, stage in list(network.named_modules()):
        if name and (kind := kind_of(stage)):
            network.set_submodule(name, kind(OrderedDict(stage.named_children())).train(stage.training))


def _in_turn(layers: Iterable[nn.Module], images: Tensor) -> Tensor:
    for layer in layers:
        images = layer(images)
    return images


class _ToFew(torch.autograd.Function):
    """max_pool2d(relu(conv2d(images))). The tensors in between have their channels last in their shape, too."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, padding: tuple[int, int], dtype: torch.dtype
    ) -> Tensor:
        few, wide = weight.shape[0], _wide(weight, dtype)
        images = channels_last(images.to(dtype))
        pairs = torch.conv2d(images, wide, torch.cat((bias, bias)).to(dtype), (1, 2), padding)  # (N, 2·few, h, w/2)
        count, _, rows, columns = pairs.shape
        pairs = pairs.permute(0, 2, 3, 1).reshape(count, rows // 2, 2, columns * 2 * few)
        larger = torch.maximum(pairs[:, :, 0], pairs[:, :, 1])  # of two rows
        larger = larger.view(count, rows // 2, columns, 2 * few)
        pooled = torch.maximum(larger[..., :few], larger[..., few:]).relu_()  # and of two columns: (N, h/2, w/2, few)
        ctx.save_for_backward(images, wide, pairs, larger, pooled)
        ctx.padding, ctx.dtype = padding, weight.dtype
        return pooled.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, wide, pairs, larger, pooled = ctx.saved_tensors
        few = wide.shape[0] // 2
        count, rows, columns, _ = pooled.shape
        of_pooled = _where_positive(gradient.permute(0, 2, 3, 1).contiguous(), pooled, 0)
        # Gradients take the place of what they are of, which is in the caches already and not needed any more.
        _share(of_pooled, larger[..., :few], larger[..., few:])
        _share(larger.view(count, rows, columns * 2 * few), pairs[:, :, 0], pairs[:, :, 1])
        of_pairs = pairs.view(count, 2 * rows, columns, 2 * few).permute(0, 3, 1, 2)
        asked = (ctx.needs_input_grad[0], True, True)
        of_images, of_wide, of_bias = gradients(of_pairs, images, wide, (1, 2), ctx.padding, asked)
        of_wide, of_bias = of_wide.to(ctx.dtype), of_bias.to(ctx.dtype)
        of_weight = of_wide[:few, ..., :-1] + of_wide[few:, ..., 1:]
        return of_images, of_weight, of_bias[:few] + of_bias[few:], None, None


class _FromFew(torch.autograd.Function):
    """conv2d(images)."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, padding: tuple[int, int], dtype: torch.dtype
    ) -> Tensor:
        images, kernels = channels_last(images.to(dtype)), weight.to(dtype)
        ctx.save_for_backward(images, kernels)
        ctx.padding, ctx.dtype = padding, weight.dtype
        return torch.conv2d(images, kernels, bias.to(dtype), 1, padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, kernels = ctx.saved_tensors
        gradient = channels_last(gradient)
        _, of_kernels, of_bias = gradients(gradient, images, kernels, (1, 1), ctx.padding, (False, True, True))
        of_images = _of_images(gradient, kernels, ctx.padding) if ctx.needs_input_grad[0] else None
        return of_images, of_kernels.to(ctx.dtype), of_bias.to(ctx.dtype), None, None


def _of_images(gradient: Tensor, kernels: Tensor, padding: tuple[int, int]) -> Tensor:
    """The gradient of what a convolution was given, (N, few, H, W), from that of what it gave, (N, C, h, w)."""
    few, height, width = kernels.shape[1:]
    above, beside = height - 1 - padding[0], width - 1 - padding[1]
    # Columns are added here: a convolution is slower where it adds them itself.
    gradient = torch.constant_pad_nd(gradient, (beside, beside))
    wide = _wide(kernels.flip(2, 3).transpose(0, 1), kernels.dtype)
    pairs = torch.conv2d(gradient, wide, None, (1, 2), (above, 0))  # (N, 2·few, H, W/2)
    count, _, rows, columns = pairs.shape
    return pairs.permute(0, 2, 3, 1).reshape(count, rows, 2 * columns, few).permute(0, 3, 1, 2)


def _wide(kernels: Tensor, dtype: torch.dtype) -> Tensor:
    """Kernels (few, C, H, W) for two columns at once: (2·few, C, H, W + 1), in channels_last."""
    few, channels, height, width = kernels.shape
    kernels = kernels.permute(0, 2, 3, 1)
    wide = kernels.new_zeros(2, few, height, width + 1, channels, dtype=dtype)
    wide[0, :, :, :width] = kernels  # for the even columns
    wide[1, :, :, 1:] = kernels  # for the odd ones
    return wide.flatten(0, 1).permute(0, 3, 1, 2)


def _share(gradient: Tensor, first: Tensor, second: Tensor) -> None:
    """Hand on the gradient of the larger of two values: to the second if that is larger, else to the first. What they
    are handed is written in their place."""
    of_second = second - first
    _where_positive.grad_input(gradient, of_second, 0, grad_input=of_second)
    second.copy_(of_second)
    torch.sub(gradient, of_second, out=first)
