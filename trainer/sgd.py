"""torch's SGD with less around it: it counts where a step takes milliseconds, as LeNet's does on a CPU.

torch.optim.SGD does its arithmetic in one pass over the weights (`fused=True`). Around that pass it sorts them by
device and kind, serves hooks and profilers, and writes down again where the momentum lies. All this Python takes as
long as the pass, and several times as long between operations that sweep the caches empty.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trainer.around import Around


class SGD(Around):
    """torch.optim.SGD for weights of one kind on the CPU: the same steps, to the bit, and the same state dict.

    Unlike torch's fused one it takes a weight that has no gradient in its first step: a layer that was left out there.
    """

    def __init__(self, groups: list[dict[str, Any]], **settings: Any) -> None:
        super().__init__(torch.optim.SGD(groups, fused=True, **settings))

    def zero_grad(self) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            torch._fused_sgd_(
                weights,
                [weight.grad for weight in weights],
                self._momentum_of(weights) if group["momentum"] else [],
                lr=group["lr"],
                momentum=group["momentum"],
                nesterov=group["nesterov"],
                weight_decay=group["weight_decay"],
                dampening=group["dampening"],
                maximize=group["maximize"],
                is_first_step=False,
            )

    def _momentum_of(self, weights: list[nn.Parameter]) -> list[Tensor]:
        """Where it lies. It begins with zeros: a first step from there has the bits of one that only then makes it."""
        state = self.state
        kept = [state[weight] for weight in weights]
        for weight, its in zip(weights, kept, strict=True):
            if not its:
                its["momentum_buffer"] = torch.zeros_like(weight)
        return [its["momentum_buffer"] for its in kept]
