"""A training before its first step."""

from __future__ import annotations

import math

import torch
from torch import nn

from store.records import Recipe
from trainer.average import Average
from trainer.data import DataSet
from trainer.optim import optimizer
from trainer.plan import Plan
from trainer.state import State, Tally


def fresh_state(network: nn.Module, recipe: Recipe, data: DataSet, plan: Plan) -> State:
    """The state of a network that has learned nothing yet and lies where it will train, computed as the plan says.

    On a GPU the rates that change from step to step are tensors there, in every mode: so that a captured step can read
    them, and so that a run has the same bits whether its steps were captured or not.
    """
    network.to(memory_format=plan.memory_format)
    plan.rewrite(network)
    like = next(network.parameters())
    average = Average(network, recipe.average) if recipe.average else None
    if average and plan.is_for_gpu:
        average.weight = torch.ones((), dtype=like.dtype, device=like.device)
    return State(
        network=network,
        optimizer=optimizer(recipe, network, captured=plan.is_for_gpu),
        tally=Tally.empty(math.ceil(len(data.train) / recipe.batch_size), like=like),
        average=average,
        scaler=torch.amp.GradScaler(like.device.type) if plan.precision == "fp16" else None,
    )
