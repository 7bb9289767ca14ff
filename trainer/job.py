"""A Run becomes a training: its network, its data, its device, its checkpoints, and the loop over them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import torch
from msgspec.structs import replace
from torch import nn

import zoo
from store.errors import Problem
from store.records import Epoch, Recipe, Run, Step
from trainer import checkpoint, space
from trainer.average import Average
from trainer.data import DataSet
from trainer.device import cpu_threads, keep_freed_memory
from trainer.drawing import drawing_from
from trainer.engine import Engine, device_in_words, find_device
from trainer.environment import environment
from trainer.loop import fit, steps_of
from trainer.optim import optimizer
from trainer.own import changed_file
from trainer.plan import Plan, cpu_plan, exact_plan
from trainer.state import State, Tally, stable_hash
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
        self.environment = environment()

    def _begun(self, device: torch.device, plan: Plan | None = None) -> tuple[State, Engine]:
        """The training before its first step, if there is room for what it will write."""
        run = self.run
        if plan and plan.threads and not run.recipe.exact:
            plan = replace(plan, threads=cpu_threads())  # there may be more or fewer trainings beside it now
        remembered = self.folder.parents[1] / "layouts.json"
        state, engine = begin(run.model, run.seed, run.recipe, self.data, device, plan, remembered)
        space.check(self.folder, checkpoint.size_of(state.network), run.recipe)
        return state, engine

    def _restored(self, device: torch.device, damaged: list[str]) -> tuple[State, Engine] | None:
        """The training from its newest checkpoint that is whole and fits; None when there is none. The others are set
        aside, and `damaged` is told why."""
        for path, saved in checkpoint.whole(self.folder, damaged):
            try:
                state, engine = self._begun(device, checkpoint.plan_of(saved))
                checkpoint.restore(saved, state)
            except checkpoint.Damaged as error:
                checkpoint.set_aside(path, error, damaged)
            else:
                return state, engine
        return None

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
        if not damaged:
            file = changed_file(self.run)
            return f"{file} has changed since this run was queued" if file else None
        where = f"it went on after epoch {len(self.state.epochs)}" if self.state.epochs else "it began again"
        return f"{'; '.join(damaged)}: {where}"


def begin(
    model: str,
    seed: int,
    recipe: Recipe,
    data: DataSet,
    device: torch.device,
    plan: Plan | None = None,
    remembered: Path | None = None,
) -> tuple[State, Engine]:
    """A training before its first step, and the engine for it: with this plan, else with the best one for the device.

    `remembered` is a file that keeps what was found out about plans. Called in the thread that trains.
    """
    network = fresh_network(model, seed, len(data.classes)).to(device)
    engine = Engine(device, plan or choose_plan(network, recipe, device, remembered), recipe.exact)
    engine.begin()
    network.to(memory_format=engine.layout)
    state = State(
        network=network,
        optimizer=optimizer(recipe, network),
        tally=Tally.empty(steps_of(data.train, recipe), like=next(network.parameters())),
        average=Average(network, recipe.average) if recipe.average else None,
        scaler=torch.amp.GradScaler(device.type) if engine.plan.precision == "fp16" else None,
    )
    return state, engine


def choose_plan(network: nn.Module, recipe: Recipe, device: torch.device, remembered: Path | None) -> Plan:
    """The plan for a run that begins."""
    if recipe.precision == "fp16" and recipe.optimizer == "muon":
        raise Problem("muon does not train in fp16; precision=bf16 or fp32 goes with it")
    if recipe.exact:
        return exact_plan(recipe, device)
    return cpu_plan(network, recipe, remembered)


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
