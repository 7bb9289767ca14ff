"""A Run becomes a training: its network, its data, its device, its checkpoints, and the loop over them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace
from torch import nn

import zoo
from store.errors import Problem
from store.records import Epoch, Recipe, Run, Step
from trainer import checkpoint, space
from trainer.cuda import Gpu
from trainer.data import DataSet
from trainer.device import cpu_threads, keep_freed_memory
from trainer.drawing import drawing_from
from trainer.engine import Engine, device_in_words, find_device
from trainer.environment import environment
from trainer.fresh import fresh_state
from trainer.gpu import begin_on_gpu
from trainer.loop import fit
from trainer.own import changed_file
from trainer.plan import Plan, cpu_plan, cpu_precisions, exact_plan
from trainer.run_log import note
from trainer.state import State, stable_hash
from zoo.fitness import check


class Job:
    """The real `Training` of a run. Made in the thread that trains; raises Problem when the run cannot begin."""

    def __init__(self, run: Run, folder: Path, device: str, data: DataSet) -> None:
        self.run, self.folder = run, folder
        torch_device = find_device(device)
        self.data = data.to(torch_device)
        keep_freed_memory()  # not before: what loading the images frees is too much to keep
        damaged: list[str] = []
        self.state, self.engine = self._restored(torch_device, damaged) or self._begun(torch_device)
        self.params = sum(parameter.numel() for parameter in self.state.network.parameters())
        self.device, self.plan = device_in_words(torch_device), self.engine.plan.in_words()
        self.notice = self._notice(damaged)
        note(folder, f"it trains with {self.plan}")
        for remark in self.engine.remarks:
            note(folder, remark)
        self.environment = environment()

    def _begun(self, device: torch.device, plan: Plan | None = None) -> tuple[State, Engine]:
        """The training before its first step, if there is room for what it will write."""
        run = self.run
        if plan and plan.threads and not run.recipe.exact:
            plan = replace(plan, threads=cpu_threads())  # there may be more or fewer trainings beside it now
        home = self.folder.parents[1]
        state, engine = begin(run.model, run.seed, run.recipe, self.data, device, plan, home)
        space.check(self.folder, checkpoint.size_of(state.network), run.recipe)
        return state, engine

    def _restored(self, device: torch.device, damaged: list[str]) -> tuple[State, Engine] | None:
        """The training from its newest checkpoint that is whole and fits; None when there is none. The others are set
        aside, and `damaged` is told why."""
        for path, saved in checkpoint.whole(self.folder, damaged):
            try:
                return self._gone_on(device, saved)
            except checkpoint.Damaged as error:
                checkpoint.set_aside(path, error, damaged)
        return None

    def _gone_on(self, device: torch.device, saved: dict[str, Any]) -> tuple[State, Engine]:
        """A function of its own, so that nothing holds what a damaged checkpoint was loaded into when the next one is
        tried: it needs memory, and a graph that dies late takes some that later ones use (trainer/cuda.py)."""
        state, engine = self._begun(device, checkpoint.plan_of(saved))
        checkpoint.restore(saved, state)
        return state, engine

    @property
    def epochs(self) -> list[Epoch]:
        """The epochs that its checkpoint knows."""
        return list(self.state.epochs)

    def news(self) -> Iterator[Step | Epoch]:
        return fit(self.state, self.data, self.run.recipe, self.run.seed, self.engine)

    def save(self) -> None:
        checkpoint.save(self.folder, self.state, self.engine.plan)

    def write_weights(self) -> None:
        checkpoint.write_weights(self.folder / "last.safetensors", self.state.result.state_dict())
        if self.state.best:
            checkpoint.write_weights(self.folder / "best.safetensors", self.state.best)

    def discard_checkpoints(self) -> None:
        checkpoint.remove(self.folder)

    def close(self) -> None:
        """Nothing to do: it all belongs to this process."""

    def _notice(self, damaged: list[str]) -> str | None:
        lines = list(self.engine.remarks)
        if damaged:
            where = f"it went on after epoch {len(self.state.epochs)}" if self.state.epochs else "it began again"
            lines.insert(0, f"{'; '.join(damaged)}: {where}")
        elif file := changed_file(self.run):
            lines.insert(0, f"{file} has changed since this run was queued")
        return "; ".join(lines) or None


def begin(
    model: str,
    seed: int,
    recipe: Recipe,
    data: DataSet,
    device: torch.device,
    plan: Plan | None = None,
    home: Path | None = None,
) -> tuple[State, Engine]:
    """A training before its first step, and the engine for it: with the plan it began with, else with the best one.

    `home` is the folder in which is kept what was found out about plans. Called in the thread that trains.
    """
    if recipe.precision == "fp16" and recipe.optimizer == "muon":
        raise Problem("muon does not train in fp16; precision=bf16 or fp32 goes with it")
    remarks = remarks_on(plan, recipe, device) if plan else []
    if plan and not suits(plan, recipe, device):
        plan = None
    if device.type == "cuda":
        gpu = Gpu(device)
        network = fresh_network(model, seed, len(data.classes)).to(device)
        pair: tuple[State, Engine] = begin_on_gpu(network, recipe, data, gpu, plan, home and home / "plans.json")
    else:
        network = fresh_network(model, seed, len(data.classes))
        pair = begin_on_cpu(network, recipe, data, plan or choose_plan(network, recipe, home))
    pair[1].remarks[:0] = remarks
    return pair


def begin_on_cpu(network: nn.Module, recipe: Recipe, data: DataSet, plan: Plan) -> tuple[State, Engine]:
    engine = Engine(torch.device("cpu"), plan, recipe.exact)
    engine.begin()
    return fresh_state(network, recipe, data, plan), engine


def choose_plan(network: nn.Module, recipe: Recipe, home: Path | None) -> Plan:
    """The plan for a run that begins on the CPU."""
    return exact_plan(recipe, on_gpu=False) if recipe.exact else cpu_plan(network, recipe, home and home / "plans.json")


def suits(plan: Plan, recipe: Recipe, device: torch.device) -> bool:
    """Can a run that began with this plan go on with it on this device?"""
    if plan.is_for_gpu or device.type == "cuda":
        return plan.is_for_gpu and device.type == "cuda"
    return plan.precision in cpu_precisions(recipe)


def remarks_on(plan: Plan, recipe: Recipe, device: torch.device) -> list[str]:
    """What to say about a run that goes on with a plan that was made elsewhere."""
    here = device_in_words(device)
    if plan.is_for_gpu != (device.type == "cuda"):
        return [
            f"it began on {plan.card or 'another device'} and goes on on {here}: computed in another way from here on"
        ]
    if not suits(plan, recipe, device):
        return [f"it began in {plan.precision}, for which this CPU has no instructions, and goes on in fp32"]
    if plan.card and plan.card != here:
        return [f"it began on {plan.card} and goes on on {here} with the same plan: another may be faster here"]
    return []


def fresh_network(model: str, seed: int, classes: int = 10) -> nn.Module:
    """A network with the initial weights of this seed: the same on every device, whatever trains beside it.

    Raises UnfitModel for an own model that cannot be trained.
    """
    with drawing_from(torch.Generator().manual_seed(stable_hash(seed, "weights"))):
        network = zoo.build(model, classes)
        card = zoo.card(model)
        if card.own:
            check(card, copy.deepcopy(network))  # a copy: trying it moves the statistics of its norms
        return network
