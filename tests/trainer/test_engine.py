"""The engine: settings of process and thread, and the steps of recipes beyond the published one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from store.errors import Problem
from store.records import Epoch, Recipe, Step
from tests.trainer.settings import BEYOND_PUBLISHED
from trainer import checkpoint, job, loop
from trainer.data import DataSet, load
from trainer.engine import Engine
from trainer.loop import fit
from trainer.plan import Plan
from trainer.source import Source
from trainer.state import State

CPU = torch.device("cpu")
ROOT = Path(job.__file__).parents[1]
EVERYTHING = BEYOND_PUBLISHED | {"schedule": "linear", "warmup": 0.5}


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load(Source("synthetic"), train_limit=150, test_limit=60)


@pytest.fixture(autouse=True)
def small_network_and_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PERIOD", 0.0)
    monkeypatch.setattr(job, "fresh_network", lambda model, seed, classes: small(seed))


def small(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=4),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 6, 3),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(6 * 6 * 6, 10),
        )


def begin(data: DataSet, recipe: Recipe) -> tuple[State, Engine]:
    return job.begin("lenet", 0, recipe, data, CPU, Plan(threads=1))


def news(pair: tuple[State, Engine], data: DataSet, recipe: Recipe) -> Iterator[Step | Epoch]:
    return fit(pair[0], data, recipe, 5, pair[1])


def tensors(state: State) -> list[Tensor]:
    average = state.average.network.state_dict() if state.average else {}
    momentum = [value for one in state.optimizer.state.values() for value in one.values() if isinstance(value, Tensor)]
    return [*state.network.state_dict().values(), *average.values(), *state.best.values(), *momentum]


@pytest.mark.parametrize("optimizer", ["nesterov", "adamw", "muon"])
@pytest.mark.parametrize("records", [2, 5])
def test_with_everything_switched_on_a_training_goes_on_to_the_same_end(
    data: DataSet, optimizer: Any, records: int, tmp_path: Path
) -> None:
    """Stopped in the middle of an epoch and in its evaluation; every bit, averages and momentum too."""
    recipe = Recipe(epochs=2, batch_size=40, exact=True, optimizer=optimizer, **EVERYTHING)
    straight = begin(data, recipe)
    for _ in news(straight, data, recipe):
        pass
    interrupted = begin(data, recipe)
    for _ in islice(news(interrupted, data, recipe), records):
        pass
    checkpoint.save(tmp_path, interrupted[0], Plan(threads=1))
    torch.manual_seed(1234)
    resumed = begin(data, recipe)
    content, _ = checkpoint.newest(tmp_path)
    assert content
    checkpoint.restore(content, resumed[0])
    for _ in news(resumed, data, recipe):
        pass
    one, other = tensors(straight[0]), tensors(resumed[0])
    assert len(one) > 30 and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert [e.test_loss for e in straight[0].epochs] == [e.test_loss for e in resumed[0].epochs]


@pytest.mark.parametrize("field", EVERYTHING)
def test_each_setting_changes_what_is_learned_or_how_it_is_tested(data: DataSet, field: str) -> None:
    """No setting is read and forgotten."""

    def end(recipe: Recipe) -> tuple[float, ...]:
        pair = begin(data, recipe)
        epochs = [one for one in news(pair, data, recipe) if isinstance(one, Epoch)]
        return tuple(number for epoch in epochs for number in (epoch.train_loss, epoch.test_loss))

    without = Recipe(epochs=2, batch_size=40, exact=True)
    assert end(without) == end(without)
    assert end(Recipe(epochs=2, batch_size=40, exact=True, **{field: EVERYTHING[field]})) != end(without)


def test_a_gradient_is_never_longer_than_the_recipe_allows(data: DataSet) -> None:
    for clip_norm, longest in ((0.0, None), (0.01, 0.01)):
        recipe = Recipe(epochs=1, batch_size=40, clip_norm=clip_norm)
        state, engine = begin(data, recipe)
        next(news((state, engine), data, recipe))
        gradients = [one.grad for one in state.network.parameters() if one.grad is not None]
        length = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
        assert length == pytest.approx(longest, rel=1e-3) if longest else length > 0.1


def test_the_average_is_what_is_tested_and_kept(data: DataSet) -> None:
    recipe = Recipe(epochs=1, batch_size=40, average=0.99)
    state, engine = begin(data, recipe)
    for _ in news((state, engine), data, recipe):
        pass
    assert state.average and state.result is state.average.network
    average, last = state.average.network.state_dict(), state.network.state_dict()
    assert all(torch.equal(state.best[name], tensor) for name, tensor in average.items())
    assert not any(torch.equal(average[name], last[name]) for name in last if last[name].is_floating_point())


def test_fp16_scales_its_loss_and_remembers_the_scale(data: DataSet, tmp_path: Path) -> None:
    recipe = Recipe(epochs=1, batch_size=40, precision="fp16")
    plan = Plan(precision="fp16", threads=1)
    state, engine = job.begin("lenet", 0, recipe, data, CPU, plan)
    records = list(islice(fit(state, data, recipe, 0, engine), 3))
    assert all(isinstance(one, Step) and one.loss is not None and one.loss < 10 for one in records)
    assert state.scaler
    state.scaler.update(128.0)
    checkpoint.save(tmp_path, state, plan)
    again, _ = job.begin("lenet", 0, recipe, data, CPU, plan)
    content, _ = checkpoint.newest(tmp_path)
    assert content
    checkpoint.restore(content, again)
    assert again.scaler and again.scaler.get_scale() == 128.0


def test_muon_and_fp16_are_refused_together(data: DataSet) -> None:
    with pytest.raises(Problem, match="muon does not train in fp16"):
        job.begin("lenet", 0, Recipe(optimizer="muon", precision="fp16"), data, CPU)


THREADS = """
from trainer.device import prepare_process
prepare_process()
import torch
from store.records import Recipe
from trainer.data import load
from trainer.job import begin
from trainer.loop import train
from trainer.source import Source
recipe = Recipe(exact=True, threads=3, batch_size=32, epochs=1)
data = load(Source("synthetic"), 64, 10)
state, engine = begin("lenet", 0, recipe, data, torch.device("cpu"))
for _ in train(state, data, recipe, 0, engine):
    pass
weights = torch.cat([one.detach().flatten() for one in state.network.parameters()])
print(torch.get_num_threads(), engine.plan.in_words(), weights.double().sum().item().hex())
"""


def test_an_exact_run_has_the_recipes_threads_whatever_the_environment_says() -> None:
    printed = set()
    for environment in (
        {},
        {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "7", "OMP_DYNAMIC": "true", "MKL_DYNAMIC": "TRUE"},
        {"OMP_THREAD_LIMIT": "64", "OMP_SCHEDULE": "dynamic", "MKL_CBWR": "AUTO"},
    ):
        done = subprocess.run(
            [sys.executable, "-c", THREADS],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        )
        printed.add(done.stdout)
    assert len(printed) == 1
    assert printed.pop().startswith("3 fp32, contiguous, 3 threads ")


PREPARED = """
import os, sys
from trainer.device import environment_as_found, keep_freed_memory, prepare_process
found = dict(os.environ)
prepare_process()
assert environment_as_found() == found != dict(os.environ)  # what is not ours is started with it
keep_freed_memory()
assert "torch" not in sys.modules
print(os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"))
"""


@pytest.mark.parametrize(
    ("theirs", "printed"),
    [({}, "10000 None"), ({"GOMP_SPINCOUNT": "7"}, "7 None"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None ACTIVE")],
)
def test_waiting_threads_sleep_soon_unless_the_user_has_said_otherwise(theirs: dict[str, str], printed: str) -> None:
    ours = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_DYNAMIC"}  # another test may have set them here
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        [sys.executable, "-c", PREPARED], capture_output=True, text=True, check=True, cwd=ROOT, env=environment | theirs
    )
    assert done.stdout.strip() == printed


def test_scores_are_computed_as_the_plan_says_and_judged_in_fp32() -> None:
    network, batch = nn.Linear(4, 3), torch.randn(5, 4)
    half = Engine(CPU, Plan(precision="bf16")).scores(network, batch)
    assert half.dtype == torch.float32 and torch.equal(half, half.bfloat16().float())
    full = Engine(CPU, Plan()).scores(network, batch)
    assert torch.equal(full, network(batch)) and not torch.equal(half, full)
    assert Engine(CPU, Plan()).scores(network.double(), batch.double()).dtype == torch.float64
