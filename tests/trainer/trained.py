"""Short trainings with a plan of the test's own."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import torch

from store.records import Epoch, Recipe
from trainer import checkpoint
from trainer.data import DataSet
from trainer.job import begin
from trainer.loop import fit
from trainer.plan import Plan
from trainer.state import State


def trained(
    model: str, recipe: Recipe, data: DataSet, plan: Plan, epochs: int, saved: Path | None = None
) -> tuple[State, list[Epoch]]:
    """The state after so many epochs on the CPU, and those: from the beginning, or from the checkpoint in `saved`."""
    state, engine = begin(model, 0, recipe, data, torch.device("cpu"), plan)
    if saved:
        content, _ = checkpoint.newest(saved)
        assert content and checkpoint.plan_of(content) == plan
        checkpoint.restore(content, state)
    done = (news for news in fit(state, data, recipe, 0, engine) if isinstance(news, Epoch))
    return state, list(islice(done, epochs))


def resumed(model: str, recipe: Recipe, data: DataSet, plan: Plan, folder: Path) -> State:
    """The state after two epochs, between which the training was saved and begun anew from its checkpoint."""
    half, _ = trained(model, recipe, data, plan, 1)
    checkpoint.save(folder, half, plan)
    return trained(model, recipe, data, plan, 1, saved=folder)[0]
