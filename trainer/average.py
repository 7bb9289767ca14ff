"""A running mean of the weights, which often generalises better than the weights themselves.

Polyak averaging, as used for CIFAR-10 by many since: Polyak and Juditsky, 1992, https://doi.org/10.1137/0330046.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Average:
    """The mean network of a network that learns, its norms' statistics included."""

    def __init__(self, network: nn.Module, keeps: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.keeps = keeps  # at each step, once enough steps are done
        # How much of the mean each step replaces. A captured step reads it from a tensor, which is filled in place.
        self.weight: float | Tensor = 1.0

    def set_weight(self, steps_done: int) -> None:
        """Before the step that follows `steps_done` steps: at first the mean is of few steps and must forget fast."""
        weight = 1 - min(self.keeps, (1 + steps_done) / (10 + steps_done))
        if isinstance(self.weight, Tensor):
            self.weight.fill_(weight)
        else:
            self.weight = weight

    @torch.no_grad()
    def follow(self, network: nn.Module) -> None:
        """Move the mean towards the network as it is now."""
        means, values = self.network.state_dict(), network.state_dict()
        for name, mean in means.items():
            if mean.is_floating_point():
                mean.lerp_(values[name], self.weight)
            else:
                mean.copy_(values[name])
