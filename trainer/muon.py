"""Muon for convolutional networks: torch.optim.Muon takes matrices, so each filter bank is shown to it as one.

Muon makes each step of a weight matrix orthogonal (nearly), so that no direction of it learns much faster than the
others: Jordan and others, 2024, https://kellerjordan.github.io/posts/muon/. As there, it is for *hidden* matrices; the
first layer, the last one, depthwise filters, biases and norms are left to AdamW. Its rate is scaled to the size of
AdamW's steps (Liu and others, 2025, https://arxiv.org/abs/2502.16982), so one learning rate serves both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from store.records import Recipe
from trainer.around import Around


def hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The weights of its linear and convolutional layers, without the first, the last and depthwise ones."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    weights = [layer.weight for layer in layers[1:-1]]
    return [weight for weight in weights if isinstance(weight, nn.Parameter) and weight.shape[1] > 1]


class Muon(Around):
    """torch.optim.Muon on the rows of weights (out, …): it works on views of the weights, not on copies."""

    def __init__(self, recipe: Recipe, weights: list[nn.Parameter]) -> None:
        self._weights = weights
        self._views = [nn.Parameter(as_matrix(weight.detach(), weight)) for weight in weights]
        muon = torch.optim.Muon(
            self._views,
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum,
            adjust_lr_fn="match_rms_adamw",
        )
        super().__init__(muon)

    def zero_grad(self) -> None:
        for weight in self._weights:
            weight.grad = None

    def step(self) -> None:
        for view, weight in zip(self._views, self._weights, strict=True):
            view.grad = None if weight.grad is None else as_matrix(weight.grad, weight)
        self._inner.step()


def as_matrix(tensor: Tensor, weight: Tensor) -> Tensor:
    """A tensor of the shape of `weight`, a row for each output, in the order in which `weight` lies in memory.

    (out, in, H, W) → (out, in·H·W) or, where channels come last, (out, H·W·in): Muon does not care which.
    """
    if weight.ndim == 4 and not weight.is_contiguous():
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.reshape(len(tensor), -1)
