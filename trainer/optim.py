"""Optimizer and schedule, each a function of the recipe."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from store.records import Recipe


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """The learning rate of one epoch, counted from 1.

    `cosine` falls from the recipe's rate to (almost) zero over all epochs: SGDR, Loshchilov and Hutter, 2016,
    https://arxiv.org/abs/1608.03983, in closed form and without restarts.
    """
    match recipe.schedule:
        case "cosine":
            return recipe.learning_rate * (1 + math.cos(math.pi * (epoch - 1) / recipe.epochs)) / 2
        case "constant":
            return recipe.learning_rate


def optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """SGD with momentum. Weight decay is on every parameter, norms and biases too, as in the published recipe."""
    return torch.optim.SGD(
        parameters,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        fused=True,  # one pass over the weights instead of several
    )
