"""What our own ways of computing a convolution on the CPU share (trainer/pairs.py, trainer/depthwise.py)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Pair = tuple[int, ...]  # of the rows, of the columns

_convolution_backward = torch.ops.aten.convolution_backward


def gradients(
    gradient: Tensor,
    images: Tensor,
    kernels: Tensor,
    stride: Pair,
    padding: Pair,
    asked: tuple[bool, bool, bool],
    groups: int = 1,
) -> tuple[Any, Any, Any]:
    """Of a convolution's images, kernels and bias, given that of what it gave: those that are asked for."""
    dilation, transposed, more = (1, 1), False, (0, 0)
    found: tuple[Any, Any, Any] = _convolution_backward(
        gradient, images, kernels, kernels.shape[:1], stride, padding, dilation, transposed, more, groups, asked
    )
    return found


def computed_in(images: Tensor) -> torch.dtype:
    """In which kind of numbers a convolution of these images is computed."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype


def channels_last(tensor: Tensor) -> Tensor:
    """The same numbers, in memory as (N, H, W, C)."""
    return tensor.contiguous(memory_format=torch.channels_last)


def has_hooks(module: nn.Module) -> bool:
    """Does somebody listen to this layer? They would no longer be called, were it computed in another way."""
    return any((module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks))
