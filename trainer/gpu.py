"""How a training begins on a GPU: a plan that is fast and works, and everything ready before the first step."""

from __future__ import annotations

import copy
import time
from pathlib import Path

from msgspec.structs import replace
from torch import nn

from store.records import Recipe
from trainer.cuda import Gpu
from trainer.data import DataSet
from trainer.fresh import fresh_state
from trainer.graph import GpuEngine
from trainer.ladder import descend, gpu_plan
from trainer.loop import steps_of, test_step, train_step
from trainer.plan import Plan, exact_plan
from trainer.state import State


def begin_on_gpu(
    network: nn.Module, recipe: Recipe, data: DataSet, gpu: Gpu, plan: Plan | None, remembered: Path | None
) -> tuple[State, GpuEngine]:
    """A training before its first step and the engine for it: with this plan, else with the best one, and in either
    case with what is left of it on this machine. `network` and `data` are on the GPU."""
    said: list[str] = []
    if plan is None and recipe.exact:
        plan = replace(exact_plan(recipe, on_gpu=True), card=gpu.facts().name)
    if plan is None:
        steps = recipe.epochs * steps_of(data.train, recipe)
        plan = gpu_plan(network, recipe, steps, TrialsOnGpu(network, recipe, data, gpu), remembered, said)
        gpu.tidy()

    def attempt(plan: Plan) -> tuple[State, GpuEngine]:
        engine = engine_for(gpu, plan, recipe)
        state = fresh_state(network, recipe, data, plan)
        engine.prepare(train_step, test_step, state, data, recipe)
        return state, engine

    state, engine = descend(plan, attempt, said, gpu.tidy)
    engine.remarks = said
    return state, engine


def engine_for(gpu: Gpu, plan: Plan, recipe: Recipe) -> GpuEngine:
    engine = GpuEngine(gpu.device, plan, recipe.exact, gpu=gpu)
    engine.begin()
    return engine


class TrialsOnGpu:
    """Tries plans out, on copies of the network and on the real images."""

    def __init__(self, network: nn.Module, recipe: Recipe, data: DataSet, gpu: Gpu) -> None:
        self.facts = gpu.facts()
        self.tidy = gpu.tidy
        self._network, self._recipe, self._data, self._gpu = network, recipe, data, gpu

    def seconds(self, plan: Plan) -> tuple[float, float]:
        """What a training step takes, and what it took to prepare it. Raises Unprepared."""
        began = time.perf_counter()
        engine = engine_for(self._gpu, plan, self._recipe)
        state = fresh_state(copy.deepcopy(self._network), self._recipe, self._data, plan)
        engine.prepare_training(train_step, state, self._data, self._recipe)
        preparing = time.perf_counter() - began
        return engine.seconds_per_step(state), preparing
