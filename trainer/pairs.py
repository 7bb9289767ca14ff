"""A convolution to few channels, computed two columns at a time.

A CPU computes 16 or 8 numbers at once, and a convolution gives these places to its channels. LeNet's first one has 6:
most places stay empty. Here two neighbouring columns of the output share them. The kernel, once where it belongs and
once a column further to the right, is one kernel of 12 channels that moves on by two columns; in channels_last its
output lies in memory as that of the convolution would. Pooling then takes the larger of two whole rows, where torch's
own goes number by number when channels are few.

The function and its gradients are those of the layers, up to the order in which sums are taken, and up to which one of
equal values gets the gradient that is pooled: the first one by columns, with torch's pooling by rows.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

FEW = 8  # channels, of which two columns fill a vector of 16 numbers

_convolution_backward = torch.ops.aten.convolution_backward
_where_positive = torch.ops.aten.threshold_backward  # (gradient, x, 0): the gradient where x > 0, else 0


class InPairs(nn.Sequential):
    """A convolution to few channels, ReLU and 2×2 max-pooling: the layers of a stage, under the names they have there.

    Images (N, C, H, W) become (N, channels, ⌊h / 2⌋, ⌊w / 2⌋) from the convolution's (N, channels, h, w).
    """

    def forward(self, images: Tensor) -> Tensor:
        convolution: Any = self[0]
        (above, beside), (height, width) = convolution.padding, convolution.kernel_size
        rows, columns = images.shape[2] + 2 * above - height + 1, images.shape[3] + 2 * beside - width + 1
        if rows % 2 or columns % 2:  # pooling leaves the last one out
            for layer in self:
                images = layer(images)
            return images
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype
        pooled: Tensor = _Pairs.apply(images, convolution.weight, convolution.bias, convolution.padding, dtype)
        return pooled


def can_be_paired(stage: nn.Module) -> bool:
    """Is this a stage that `InPairs` computes?"""
    if type(stage) is not nn.Sequential or [type(layer) for layer in stage] != [nn.Conv2d, nn.ReLU, nn.MaxPool2d]:
        return False
    layers: Any = stage
    convolution, _, pooling = layers
    fits: bool = (
        convolution.out_channels <= FEW
        and convolution.bias is not None
        and convolution.groups == 1
        and convolution.stride == convolution.dilation == (1, 1)
        and convolution.padding_mode == "zeros"
        and isinstance(convolution.padding, tuple)
        and all(size in {2, (2, 2)} for size in (pooling.kernel_size, pooling.stride))
        and pooling.padding in {0, (0, 0)}
        and pooling.dilation in {1, (1, 1)}
        and not pooling.return_indices
        and not any(map(_has_hooks, (stage, *stage)))  # which would no longer be called
    )
    return fits


def has_pairs(network: nn.Module) -> bool:
    """Has a network stages that can be computed in pairs?"""
    return any(can_be_paired(module) for name, module in network.named_modules() if name)


def in_pairs(network: nn.Module) -> None:
    """Let a network compute these stages in pairs: the same parameters, under the same names."""
    for name, stage in list(network.named_modules()):
        if name and can_be_paired(stage):
            network.set_submodule(name, InPairs(OrderedDict(stage.named_children())).train(stage.training))


def _has_hooks(module: nn.Module) -> bool:
    return any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks))


class _Pairs(torch.autograd.Function):
    """max_pool2d(relu(conv2d(images))). The tensors in between have their channels last in their shape, too."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, padding: tuple[int, int], dtype: torch.dtype
    ) -> Tensor:
        few, width = weight.shape[0], weight.shape[3]
        wide = weight.new_zeros(2, *weight.shape[:3], width + 1, dtype=dtype)
        wide[0, ..., :width] = weight  # for the even columns
        wide[1, ..., 1:] = weight  # for the odd ones
        wide = _channels_last(wide.flatten(0, 1))
        images = _channels_last(images.to(dtype))
        pairs = torch.conv2d(images, wide, bias.to(dtype).repeat(2), (1, 2), padding)  # (N, 2·few, h, w/2)
        pairs = _channels_last(pairs).permute(0, 2, 3, 1)  # (N, h, w/2, 2·few)
        count, rows, columns, _ = pairs.shape
        pairs = pairs.view(count, rows // 2, 2, columns * 2 * few)
        larger = torch.maximum(pairs[:, :, 0], pairs[:, :, 1])  # of two rows
        larger = larger.view(count, rows // 2, columns, 2 * few)
        pooled = torch.maximum(larger[..., :few], larger[..., few:]).relu_()  # and of two columns: (N, h/2, w/2, few)
        ctx.save_for_backward(images, wide, pairs, larger, pooled)
        ctx.padding, ctx.dtype = padding, weight.dtype
        return pooled.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, wide, pairs, larger, pooled = ctx.saved_tensors
        few = len(wide) // 2
        count, rows, columns, _ = pooled.shape
        of_larger, of_pairs = torch.empty_like(larger), torch.empty_like(pairs)
        of_pooled = _where_positive(gradient.permute(0, 2, 3, 1).contiguous(), pooled, 0)
        _share(of_pooled, larger[..., :few], larger[..., few:], of_larger[..., :few], of_larger[..., few:])
        of_larger = of_larger.view(count, rows, columns * 2 * few)
        _share(of_larger, pairs[:, :, 0], pairs[:, :, 1], of_pairs[:, :, 0], of_pairs[:, :, 1])
        of_pairs = of_pairs.view(count, 2 * rows, columns, 2 * few)
        of_images, of_wide, of_bias = _convolution_backward(
            of_pairs.permute(0, 3, 1, 2),
            images,
            wide,
            [2 * few],  # of the bias
            (1, 2),
            ctx.padding,
            (1, 1),  # dilation
            False,  # not transposed
            (0, 0),
            1,  # group
            (ctx.needs_input_grad[0], True, True),
        )
        of_even, of_odd = of_wide.to(ctx.dtype).unflatten(0, (2, few))
        of_bias = of_bias.to(ctx.dtype).view(2, few).sum(0)
        return of_images, of_even[..., :-1] + of_odd[..., 1:], of_bias, None, None


def _share(gradient: Tensor, first: Tensor, second: Tensor, of_first: Tensor, of_second: Tensor) -> None:
    """Hand on the gradient of the larger of two values: to the second if that is larger, else to the first."""
    of_second.copy_(_where_positive(gradient, second - first, 0))
    torch.sub(gradient, of_second, out=of_first)


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)
