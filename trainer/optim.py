"""Optimizer and schedule, each a function of the recipe."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from store.records import Recipe
from trainer.muon import Muon, hidden_matrices
from trainer.sgd import SGD
from trainer.state import Optimizer

START, END = 25, 250_000  # one-cycle begins at 1/25 of the highest rate and ends at 1/250,000, as torch's OneCycleLR


def learning_rate(recipe: Recipe, epoch: int, step: int = 0, steps: int = 1) -> float:
    """The learning rate of one step: `epoch` counts from 1, `step` from 0 among the epoch's `steps`.

    - `cosine` falls from the recipe's rate to (almost) zero, once an epoch: SGDR, Loshchilov and Hutter, 2016,
      https://arxiv.org/abs/1608.03983, in closed form and without restarts.
    - `one-cycle` climbs and falls at every step: Super-Convergence, Smith and Topin, 2017,
      https://arxiv.org/abs/1708.07120, in the form of torch's OneCycleLR (the momentum stays as it is).
    - `linear` falls to zero at every step; `constant` does not change.

    Before `cosine`, `linear` and `constant` the rate can climb from zero at every step of the first `warmup` epochs.
    """
    done = epoch - 1 + step / steps  # in epochs
    if recipe.schedule == "one-cycle":
        return recipe.learning_rate * _one_cycle(recipe, done, 1 / steps)
    if done < recipe.warmup:
        return recipe.learning_rate * min(1.0, (done + 1 / steps) / recipe.warmup)
    if recipe.schedule == "cosine":
        done = max(epoch - 1, recipe.warmup)
    part = (done - recipe.warmup) / (recipe.epochs - recipe.warmup)
    match recipe.schedule:
        case "cosine":
            return recipe.learning_rate * (1 + math.cos(math.pi * part)) / 2
        case "linear":
            return recipe.learning_rate * (1 - part)
        case "constant":
            return recipe.learning_rate


def _one_cycle(recipe: Recipe, done: float, one_step: float) -> float:
    """The part of the highest rate after `done` epochs: up in half a cosine, and down in another."""
    top = min(recipe.warmup or 0.3 * recipe.epochs, recipe.epochs) - one_step  # the step with the highest rate
    end = recipe.epochs - one_step  # the last step
    if done <= top:
        return _between(1 / START, 1.0, done / top if top > 0 else 1.0)
    return _between(1.0, 1 / END, (done - top) / (end - top))


def _between(first: float, last: float, part: float) -> float:
    """Half a cosine from `first` to `last`."""
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """The rate of the steps to come. A captured step reads it from a tensor, which is filled in place."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


class Together:
    """Several optimizers, each with parameters of its own, that act as one."""

    def __init__(self, parts: list[Optimizer]) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts for group in part.param_groups]

    @property
    def state(self) -> dict[Any, Any]:
        return {key: value for part in self.parts for key, value in part.state.items()}

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad()

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        for part, its in zip(self.parts, content["parts"], strict=True):
            part.load_state_dict(its)


def optimizer(recipe: Recipe, network: nn.Module, captured: bool = False) -> Optimizer:
    """The optimizer of a network that lies where it will train. `captured`: its steps may be replayed from a CUDA
    graph, so its rate is a tensor. Muon's cannot: it computes with its rate on the CPU.

    - `sgd` with momentum, as in the published recipe; `nesterov` looks ahead along the momentum. On a CPU it is called
      more directly than torch does (trainer/sgd.py).
    - `adamw`: Adam with decoupled weight decay, Loshchilov and Hutter, 2017, https://arxiv.org/abs/1711.05101.
    - `muon` for the hidden matrices (trainer/muon.py says which), AdamW for everything else.

    Weight decay is on every parameter, norms and biases too, unless the recipe says `decay_on="weights"`.
    """
    parameters = list(network.parameters())
    match recipe.optimizer:
        case "sgd" | "nesterov":
            return _sgd(recipe, parameters, captured)
        case "adamw":
            return _adamw(recipe, parameters, captured)
        case "muon":
            matrices = hidden_matrices(network)
            taken = set(map(id, matrices))
            rest = _adamw(recipe, [one for one in parameters if id(one) not in taken], captured)
            return Together([Muon(recipe, matrices), rest]) if matrices else rest


def groups(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    """The parameters, those apart that weight decay spares: vectors are biases or belong to a norm."""
    parameters = list(parameters)
    if recipe.decay_on == "all":
        return [{"params": parameters}]
    spared = [one for one in parameters if one.ndim < 2]
    return [
        {"params": [one for one in parameters if one.ndim >= 2]},
        *([{"params": spared, "weight_decay": 0.0}] if spared else []),
    ]


def _sgd(recipe: Recipe, parameters: list[nn.Parameter], captured: bool) -> Optimizer:
    settings: dict[str, Any] = {
        "lr": _rate(recipe, parameters[0], captured),
        "momentum": recipe.momentum,
        "nesterov": recipe.optimizer == "nesterov" and recipe.momentum > 0,
        "weight_decay": recipe.weight_decay,
    }
    if captured or len({weight.dtype for weight in parameters}) > 1:
        return torch.optim.SGD(groups(recipe, parameters), fused=True, **settings)
    return SGD(groups(recipe, parameters), **settings)


def _adamw(recipe: Recipe, parameters: list[nn.Parameter], captured: bool) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        groups(recipe, parameters),
        lr=_rate(recipe, parameters[0], captured),
        betas=(recipe.momentum, 0.999),
        weight_decay=recipe.weight_decay,
        fused=True,
        capturable=captured,
    )


def _rate(recipe: Recipe, like: Tensor, captured: bool) -> float | Tensor:
    return torch.tensor(recipe.learning_rate, device=like.device) if captured else recipe.learning_rate
