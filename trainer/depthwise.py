"""Depthwise convolutions that are not left to torch where torch is slow.

A depthwise convolution looks at every channel by itself: there is little to compute, and yet it can take most of a
step, for the libraries that compute it have fast programs only for some. cuDNN, on a GPU, has none for a 5×5 kernel
over images of 2×2, as MobileNet V3 has them: it goes channel by channel, 1,152 calls in a step. But all such a kernel's
outer ring ever meets is the zeros around the images; without it, it is a 3×3 kernel, for which there is one.

On a CPU oneDNN computes the gradients. Without a fast program are

- the gradient of the images in bfloat16, where the kernel moves on by more than one place: tens of times as slow as in
  float32. Here it is computed in float32.
- the gradient of kernels with more than three columns, or larger than the image. Here zeros are put around the images
  beforehand, and the gradient is taken of three columns at a time, which are a kernel over images that begin further
  to the right; of so few images that the caches hold them until the last columns.
- kernels of which several look at the same channel. Here all the first ones are a convolution, and all the second ones.

All of it is the convolution and its gradients, up to the order in which sums are taken and to rounding.
benchmarks/depthwise.py shows what it saves on a CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.convolution import Pair, channels_last, computed_in, gradients, has_hooks

COLUMNS = 3  # of a kernel: for more oneDNN has no fast program
CACHED = 4 * 2**20  # bytes of images that are gone through again and again


class Depthwise(nn.Conv2d):
    """The depthwise convolution `like`, with its parameters: (N, C, H, W) → (N, multiple of C, h, w)."""

    def __init__(self, like: nn.Conv2d) -> None:
        how: dict[str, Any] = {"stride": like.stride, "padding": like.padding, "groups": like.groups}
        size: Any = like.kernel_size
        super().__init__(like.in_channels, like.out_channels, size, **how, bias=False, device="meta")  # draws nothing
        self.weight, self.bias = like.weight, like.bias

    def forward(self, images: Tensor) -> Tensor:
        weight, padding = self._meeting(images)
        if images.device.type != "cpu":
            return F.conv2d(images, weight, self.bias, self.stride, padding, groups=self.groups)
        if self.out_channels == self.in_channels:
            return self._on_cpu(images, weight, self.bias, padding)
        each = self.out_channels // self.in_channels  # kernels that look at one channel: a first one, a second one …
        parts = []
        for number in range(each):
            bias = None if self.bias is None else self.bias[number::each]
            parts.append(self._on_cpu(images, weight[number::each], bias, padding).permute(0, 2, 3, 1))
        return torch.stack(parts, dim=4).flatten(3).permute(0, 3, 1, 2)

    def _meeting(self, images: Tensor) -> tuple[Tensor, Pair]:
        """The kernels without the rows and columns that meet only the zeros around images of this size, and how many
        zeros are then around them."""
        weight, padding = self.weight, list[int]()
        for dim, size in enumerate(images.shape[2:], start=2):
            long, zeros, stride = weight.shape[dim], int(self.padding[dim - 2]), self.stride[dim - 2]
            last = (size + 2 * zeros - long) // stride * stride  # where the kernel lies at last
            outside = min(max(0, zeros - last), max(0, long - zeros - size))  # as many at both ends
            if outside:
                weight = weight.narrow(dim, outside, long - 2 * outside)
            padding.append(zeros - outside)
        return weight, tuple(padding)

    def _on_cpu(self, images: Tensor, weight: Tensor, bias: Tensor | None, padding: Pair) -> Tensor:
        dtype = computed_in(images)
        if slow_for_images(self.stride, dtype) or slow_for_kernels(weight.shape[2:], images):
            convolved: Tensor = _Depthwise.apply(images, weight, bias, self.stride, padding, dtype)
            return convolved
        return F.conv2d(images, weight, bias, self.stride, padding, groups=len(weight))


def slow_for_images(stride: Pair, dtype: torch.dtype) -> bool:
    """Has oneDNN no fast program for the gradient of the images?"""
    return dtype == torch.bfloat16 and max(stride) > 1


def slow_for_kernels(size: Pair, images: Tensor) -> bool:
    """Has oneDNN no fast program for the gradient of the kernels?"""
    return size[1] > COLUMNS or any(map(int.__lt__, images.shape[2:], size))


def is_depthwise(layer: nn.Module) -> bool:
    """Is this a convolution that can be replaced by ours?"""
    return (
        type(layer) is nn.Conv2d
        and layer.groups == layer.in_channels > 1
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and isinstance(layer.padding, tuple)
        and not has_hooks(layer)
    )


def has_depthwise(network: nn.Module) -> bool:
    """Has a network such layers?"""
    return any(is_depthwise(layer) for name, layer in network.named_modules() if name)


def with_own_depthwise(network: nn.Module) -> None:
    """Replace these layers of a network: the same parameters, under the same names."""
    for name, layer in list(network.named_modules()):
        if name and isinstance(layer, nn.Conv2d) and is_depthwise(layer):
            network.set_submodule(name, Depthwise(layer).train(layer.training))


class _Depthwise(torch.autograd.Function):
    """conv2d(images), with one kernel for every channel."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, dtype: torch.dtype
    ) -> Tensor:
        images, kernels = images.to(dtype), weight.to(dtype)
        ctx.save_for_backward(images, kernels)
        ctx.stride, ctx.padding, ctx.dtype = stride, padding, weight.dtype
        return torch.conv2d(
            images, kernels, None if bias is None else bias.to(dtype), stride, padding, groups=len(kernels)
        )

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, kernels = ctx.saved_tensors
        asked, of_images, of_kernels, of_bias = ctx.needs_input_grad, None, None, None
        if asked[0]:
            of_images = _of_images(gradient, images, kernels, ctx.stride, ctx.padding)
        if asked[1]:
            of_kernels = _of_kernels(gradient, images, kernels, ctx.stride, ctx.padding).to(ctx.dtype)
        if asked[2]:
            of_bias = gradient.sum((0, 2, 3), dtype=ctx.dtype)
        return of_images, of_kernels, of_bias, None, None, None


def _of_images(gradient: Tensor, images: Tensor, kernels: Tensor, stride: Pair, padding: Pair) -> Tensor:
    dtype = torch.float32 if slow_for_images(stride, images.dtype) else images.dtype
    shape = torch.empty_like(images, dtype=dtype)  # this gradient depends on no image: nobody reads what is in it
    found, _, _ = gradients(
        gradient.to(dtype), shape, kernels.to(dtype), stride, padding, (True, False, False), groups=len(kernels)
    )
    return found.to(images.dtype)  # type: ignore[no-any-return]


def _of_kernels(gradient: Tensor, images: Tensor, kernels: Tensor, stride: Pair, padding: Pair) -> Tensor:
    if not slow_for_kernels(kernels.shape[2:], images):
        return _only_kernels(gradient, images, kernels, stride, padding)
    total = torch.zeros_like(kernels, dtype=torch.promote_types(kernels.dtype, torch.float32))
    (above, beside), reach = padding, (gradient.shape[3] - 1) * stride[1]  # columns from the first result to the last
    blocks = -(-kernels.shape[3] // COLUMNS)  # of which none is a single column, for which it is slow again
    parts = -(-images.nbytes // CACHED)
    for some, of_some in zip(images.chunk(parts), gradient.chunk(parts), strict=True):
        padded, of_some, left = channels_last(F.pad(some, (beside, beside, above, above))), channels_last(of_some), 0
        for block, of_block in zip(kernels.tensor_split(blocks, dim=3), total.tensor_split(blocks, dim=3), strict=True):
            right = left + block.shape[3]
            of_block += _only_kernels(of_some, padded[..., left : reach + right], block, stride, (0, 0))
            left = right
    return total


def _only_kernels(gradient: Tensor, images: Tensor, kernels: Tensor, stride: Pair, padding: Pair) -> Tensor:
    asked = (False, True, False)
    found: Tensor = gradients(gradient, images, kernels, stride, padding, asked, groups=len(kernels))[1]
    return found
