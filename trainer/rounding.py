"""On a GPU: all weights of a network rounded to half precision at once, for a step that is captured.

Autocast rounds the weights of each layer when it comes to them, and their gradients back: two programs a layer that do
next to nothing, which a deep network has by the hundred. Here one goes through all of them. The bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

COMPUTED = (nn.Conv2d, nn.Linear)  # in half precision, with all their parameters


def with_rounded_weights(network: nn.Module, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """What computes the same scores as the network, under autocast to this type."""
    weights = {
        f"{name}.{its}" if name else its: parameter
        for name, layer in network.named_modules()
        if isinstance(layer, COMPUTED)
        for its, parameter in layer.named_parameters(recurse=False)
    }

    def scores(batch: Tensor) -> Tensor:
        rounded = _Rounded.apply(dtype, *weights.values())
        result: Tensor = functional_call(network, dict(zip(weights, rounded, strict=True)), (batch,))
        return result

    return scores


class _Rounded(torch.autograd.Function):
    """Each tensor in another type; gradients come back in its own."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)  # what got no gradient gets none; 0 would let the optimizer move it
        ctx.dtypes = [tensor.dtype for tensor in tensors]
        return _copied(tensors, [dtype] * len(tensors))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        there = [number for number, gradient in enumerate(gradients) if gradient is not None]
        copies = _copied([g for g in gradients if g is not None], [ctx.dtypes[number] for number in there])
        found: list[Tensor | None] = [None] * len(gradients)
        for number, copy in zip(there, copies, strict=True):
            found[number] = copy
        return None, *found


def _copied(tensors: Any, dtypes: list[torch.dtype]) -> tuple[Tensor, ...]:
    copies = [torch.empty_like(tensor, dtype=dtype) for tensor, dtype in zip(tensors, dtypes, strict=True)]
    if copies:
        torch._foreach_copy_(copies, list(tensors))
    return tuple(copies)
