"""The engine of a GPU, with steps that are replayed by doing them again: it must be the plain engine, bit by bit."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard

import pytest
import torch
from torch import Tensor, nn

from store.errors import Problem
from store.records import Epoch, Recipe, Step
from tests.trainer.fake_gpu import CPU, FakeGpu, OutOfMemoryError
from tests.trainer.settings import BEYOND_PUBLISHED
from trainer import checkpoint, graph, loop
from trainer import engine as engine_module
from trainer import gpu as gpu_module
from trainer.batch import Drawn, Place, draw
from trainer.data import DataSet, load
from trainer.engine import Engine
from trainer.fresh import fresh_state
from trainer.gpu import begin_on_gpu, engine_for
from trainer.graph import GpuEngine
from trainer.ladder import Unprepared
from trainer.loop import fit, test_step, train_step
from trainer.plan import Mode, Plan
from trainer.snapshot import unchanged
from trainer.source import Source
from trainer.state import State

test_step.__test__ = False  # type: ignore[attr-defined] # pytest takes it for a test

EVERYTHING = BEYOND_PUBLISHED | {"schedule": "one-cycle"}
MODES: list[Mode] = ["eager", "graph", "compile", "graph+compile"]


@pytest.fixture(scope="module")
def data() -> DataSet:
    """150 training images: three batches of 40 and a short one of 30. 70 test images: of 32, 32 and 6."""
    return load(Source("synthetic"), train_limit=150, test_limit=70)


@pytest.fixture(autouse=True)
def small_test_batches_and_every_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a busy machine two wait for each other
    monkeypatch.setattr(loop, "PERIOD", 0.0)
    for module in (graph, engine_module):
        monkeypatch.setattr(module, "TEST_BATCH", 32)
    yield
    torch.set_num_threads(threads)


def small(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.3), nn.Linear(256, 10)
        )


def recipe_of(**more: Any) -> Recipe:
    return Recipe(epochs=2, batch_size=40, exact=True, **more)


def plain(data: DataSet, recipe: Recipe, plan: Plan) -> tuple[State, Engine]:
    """The engine that takes each step as it stands, with a rate that is a tensor, as on a GPU."""
    engine = Engine(CPU, plan, exact=True)
    engine.begin()
    return fresh_state(small(), recipe, data, plan), engine


def on_gpu(data: DataSet, recipe: Recipe, plan: Plan, gpu: FakeGpu | None = None) -> tuple[State, GpuEngine]:
    return begin_on_gpu(small(), recipe, data, gpu or FakeGpu(), plan, None)


def news(pair: tuple[State, Engine], data: DataSet, recipe: Recipe) -> Iterator[Step | Epoch]:
    return fit(pair[0], data, recipe, 5, pair[1])


def end(pair: tuple[State, Engine], data: DataSet, recipe: Recipe) -> list[Tensor]:
    for _ in news(pair, data, recipe):
        pass
    return tensors(pair[0])


def tensors(state: State) -> list[Tensor]:
    average = state.average.network.state_dict() if state.average else {}
    momentum = [value for one in state.optimizer.state.values() for value in one.values() if isinstance(value, Tensor)]
    figures = [(e.train_loss, e.train_accuracy, e.test_loss, e.test_accuracy) for e in state.epochs]
    everything = [*state.network.state_dict().values(), *average.values(), *state.best.values(), *momentum]
    return [one.clone() for one in everything] + [torch.tensor(figures, dtype=torch.float64)]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["published", "everything"])
@pytest.mark.parametrize(
    ("mode", "optimizer"), [*((mode, "sgd") for mode in MODES), ("graph", "nesterov"), ("graph", "adamw")]
)
def test_a_step_that_counts_on_the_device_is_the_plain_step_bit_by_bit(
    data: DataSet, mode: Mode, more: dict[str, Any], optimizer: Any
) -> None:
    """Two epochs with their short last batches, and their tests: weights, momentum, averages, best, figures."""
    recipe = recipe_of(optimizer=optimizer, **more)
    expected = end(plain(data, recipe, Plan()), data, recipe)
    assert equal(end(on_gpu(data, recipe, Plan(mode=mode)), data, recipe), expected)
    assert not equal(
        end(plain(data, recipe, Plan()), data, recipe_of(optimizer=optimizer, learning_rate=0.02)), expected
    )


def test_muon_trains_with_a_rate_on_the_cpu(data: DataSet) -> None:
    recipe = recipe_of(optimizer="muon")
    expected = end(plain(data, recipe, Plan()), data, recipe)
    assert equal(end(on_gpu(data, recipe, Plan(mode="eager")), data, recipe), expected)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_is_the_plain_one_too(data: DataSet, precision: Any) -> None:
    recipe = recipe_of(clip_norm=1.0)
    plan = Plan(mode="graph", precision=precision)
    assert equal(end(on_gpu(data, recipe, plan), data, recipe), end(plain(data, recipe, plan), data, recipe))


@pytest.mark.parametrize(("mode", "expected"), [("graph", "replay"), ("eager", ""), ("graph+compile", "replay")])
def test_steps_are_replayed_where_the_plan_says_so(data: DataSet, mode: Mode, expected: str) -> None:
    gpu = FakeGpu()
    pair = on_gpu(data, recipe_of(), Plan(mode=mode), gpu)
    assert gpu.log.count("capture") == (4 if expected else 0)  # steps of 40 and 30; tests of 32 and 6
    gpu.log.clear()
    end(pair, data, recipe_of())
    assert gpu.log.count("replay") == (2 * (4 + 3) if expected else 0)


def test_only_whole_batches_are_compiled(data: DataSet) -> None:
    seen: list[int] = []

    class Watching(FakeGpu):
        def compile(self, network: nn.Module) -> Any:
            def compiled(batch: Tensor) -> Any:
                seen.append(len(batch))
                return network(batch)

            return compiled

    end(on_gpu(data, recipe_of(), Plan(mode="compile"), Watching()), data, recipe_of())
    assert set(seen) == {40}
    assert len(seen) == graph.WARM_UP + 2 * 3


def test_each_image_is_seen_once_in_an_epoch(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of()
    seen: list[int] = []

    def watching(state: State, data: DataSet, drawn: Drawn, recipe: Recipe, engine: Engine, at: Place) -> None:
        seen.extend(drawn.draws.order[at.rows].tolist())
        train_step(state, data, drawn, recipe, engine, at)

    engine = engine_for(FakeGpu(), Plan(mode="graph"), recipe)
    state = fresh_state(small(), recipe, data, engine.plan)
    engine.prepare(watching, test_step, state, data, recipe)
    for epoch in (1, 2):
        seen.clear()
        held = engine.hold(draw(recipe, 150, 4, 0, epoch))
        for state.step in range(4):
            engine.train(watching, state, data, held, recipe)
        assert seen == draw(recipe, 150, 4, 0, epoch).draws.order.tolist()
        assert sorted(seen) == list(range(150))


@pytest.mark.parametrize(("mode", "records"), [("graph", 2), ("graph", 4), ("graph", 6), ("graph", 9), ("eager", 2)])
def test_a_checkpoint_is_loaded_in_place_into_steps_that_were_captured_before(
    data: DataSet, records: int, mode: Mode, tmp_path: Path
) -> None:
    """In the middle of an epoch, in its test, between two epochs; every bit, dropout and momentum too."""
    for optimizer in ("sgd", "adamw"):
        recipe = recipe_of(optimizer=optimizer, **EVERYTHING)
        expected = end(on_gpu(data, recipe, Plan(mode=mode)), data, recipe)
        interrupted = on_gpu(data, recipe, Plan(mode=mode))
        for _ in islice(news(interrupted, data, recipe), records):
            pass
        checkpoint.save(tmp_path, interrupted[0], interrupted[1].plan)
        torch.manual_seed(1234)
        resumed = on_gpu(data, recipe, Plan(mode=mode))
        before = {id(one): one.data_ptr() for one in moving(resumed[0])}
        content, _ = checkpoint.newest(tmp_path)
        assert content
        checkpoint.restore(content, resumed[0])
        assert {id(one): one.data_ptr() for one in moving(resumed[0])} == before
        assert equal(end(resumed, data, recipe), expected)


def moving(state: State) -> list[Tensor]:
    """All that captured steps read and write."""
    momentum = [value for one in state.optimizer.state.values() for value in one.values() if isinstance(value, Tensor)]
    rates = [group["lr"] for group in state.optimizer.param_groups]
    assert all(isinstance(rate, Tensor) for rate in rates) and momentum
    assert state.average and isinstance(state.average.weight, Tensor)
    networks = [*state.network.parameters(), *state.network.buffers(), *state.average.network.parameters()]
    return [*networks, *momentum, *rates, state.average.weight, state.tally.losses, state.tally.correct]


def test_to_make_ready_changes_nothing(data: DataSet) -> None:
    """Neither weights nor statistics, averages, momentum, tally, scale nor generator; and no gradient is left."""
    recipe = recipe_of(optimizer="adamw", average=0.9)
    plan = Plan(mode="graph", precision="fp16")
    network = small()
    weights = copy.deepcopy(network.state_dict())
    torch.manual_seed(3)
    expected = torch.get_rng_state()
    state, _ = begin_on_gpu(network, recipe, data, FakeGpu(), plan, None)
    assert torch.equal(torch.get_rng_state(), expected)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in state.network.state_dict().items())
    assert state.average
    assert all(torch.equal(tensor, weights[name]) for name, tensor in state.average.network.state_dict().items())
    assert not any(value.any() for one in state.optimizer.state.values() for value in one.values())
    assert not state.tally.losses.any() and not state.tally.correct
    assert state.scaler and state.scaler.get_scale() == 65536.0
    assert all(one.grad is None for one in state.network.parameters()) and state.network.training


def test_a_state_is_as_it_was_also_after_a_failure(data: DataSet) -> None:
    recipe = recipe_of(average=0.9)
    pair = on_gpu(data, recipe, Plan())
    for _ in islice(news(pair, data, recipe), 3):  # so there is momentum
        pass
    state, before, generator = pair[0], tensors(pair[0]), pair[0].generator.get_state()
    with pytest.raises(ZeroDivisionError), unchanged(state):
        for one in state.network.parameters():
            one.data.add_(1)
        torch.rand(3, generator=state.generator)
        raise ZeroDivisionError
    assert equal(tensors(state), before) and torch.equal(state.generator.get_state(), generator)
    assert any(one.any() for one in before)


def test_the_scale_of_the_loss_is_as_it_was_too(data: DataSet) -> None:
    state = fresh_state(small(), recipe_of(), data, Plan(precision="fp16"))
    assert state.scaler
    for expected in (65536.0, 128.0):
        with unchanged(state):
            state.scaler.scale(torch.ones(()))
            state.scaler.update(2.0)
        assert state.scaler.get_scale() == expected
        state.scaler.update(128.0)


@pytest.mark.parametrize(("stage", "mode"), [("graph", "graph"), ("compile", "compile"), ("compile", "graph+compile")])
def test_what_fails_says_where_and_leaves_the_state_as_it_was(data: DataSet, stage: Any, mode: Mode) -> None:
    recipe = recipe_of(average=0.9)
    gpu = FakeGpu(fails={stage: RuntimeError("no such thing\nand more of it")})
    engine = engine_for(gpu, Plan(mode=mode), recipe)
    state = fresh_state(small(), recipe, data, engine.plan)
    before = [one.clone() for one in state.network.state_dict().values()]
    with pytest.raises(Unprepared) as caught:
        engine.prepare(train_step, test_step, state, data, recipe)
    assert (caught.value.stage, caught.value.reason) == (stage, "no such thing")
    assert equal([*state.network.state_dict().values()], before)


def test_seconds_per_step_takes_whole_steps_and_stays_inside_the_data(data: DataSet) -> None:
    gpu = FakeGpu()
    recipe = recipe_of()
    engine = engine_for(gpu, Plan(mode="graph"), recipe)
    state = fresh_state(small(), recipe, data, engine.plan)
    engine.prepare_training(train_step, state, data, recipe)
    gpu.log.clear()
    assert engine.seconds_per_step(state, most=20, patience=100.0) > 0
    assert gpu.log.count("replay") == 3 + 20
    gpu.log.clear()
    engine.seconds_per_step(state, patience=0.0)
    assert gpu.log.count("replay") == 3 + 3


@pytest.mark.parametrize(
    ("plan", "fails", "mode"),
    [
        (Plan(mode="graph+compile"), {"compile": RuntimeError("no luck")}, "graph"),
        (Plan(mode="graph+compile"), {"graph": RuntimeError("no luck")}, "compile"),
        (Plan(mode="graph+compile"), {"graph": RuntimeError("no luck"), "compile": RuntimeError("none")}, "eager"),
        (Plan(mode="graph"), {"graph": OutOfMemoryError("CUDA out of memory")}, "eager"),
    ],
)
def test_a_run_whose_plan_does_not_work_here_ends_where_it_would_have_ended(
    data: DataSet, plan: Plan, fails: dict[str, Exception], mode: Mode
) -> None:
    """The failures leave no trace in what is learned, and the engine says what happened."""
    recipe = recipe_of(optimizer="adamw", **EVERYTHING)
    pair = on_gpu(data, recipe, plan, FakeGpu(fails=fails))
    assert pair[1].plan.mode == mode and pair[1].remarks
    assert all("failed (" in line and "slower" in line for line in pair[1].remarks)
    assert equal(end(pair, data, recipe), end(plain(data, recipe, Plan()), data, recipe))


def test_half_precision_that_does_not_work_here_is_left_for_fp32(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of()

    def no_half(state: State, data: DataSet, drawn: Drawn, recipe: Recipe, engine: Engine, at: Place) -> None:
        if engine.plan.precision != "fp32":
            raise RuntimeError("not implemented for 'Half'")
        train_step(state, data, drawn, recipe, engine, at)

    monkeypatch.setattr(gpu_module, "train_step", no_half)
    state, engine = on_gpu(data, recipe, Plan(mode="graph", precision="fp16"))
    assert engine.plan == Plan(mode="graph") and state.scaler is None
    assert "fp32" in engine.remarks[0]


def test_without_a_plan_one_is_tried_out_and_remembered_and_the_run_begins_untouched(
    data: DataSet, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=1, batch_size=40)
    gpu, network = FakeGpu(), small()
    weights = copy.deepcopy(network.state_dict())
    torch.manual_seed(3)
    expected = torch.get_rng_state()
    state, engine = begin_on_gpu(network, recipe, data, gpu, None, tmp_path / "plans.json")
    assert engine.plan.mode == "graph" and engine.plan.card == "NVIDIA H100"
    assert gpu.log.count("capture") > 4 and "tidy" in gpu.log
    assert torch.equal(torch.get_rng_state(), expected)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in state.network.state_dict().items())
    again = FakeGpu()
    _, same = begin_on_gpu(small(), recipe, data, again, None, tmp_path / "plans.json")
    assert same.plan == engine.plan and again.log.count("capture") == 4
    assert len(end((state, engine), data, recipe)) > 10


def test_an_exact_run_tries_nothing_out(data: DataSet) -> None:
    gpu = FakeGpu()
    _, engine = begin_on_gpu(small(), recipe_of(), data, gpu, None, None)
    assert engine.plan == Plan(mode="graph", card="NVIDIA H100") and gpu.log.count("capture") == 4


def test_a_step_is_told_of_when_its_figures_have_arrived_and_each_pass_tells_only_of_itself(data: DataSet) -> None:
    recipe = recipe_of()
    expected = plain(data, recipe, Plan())
    told = {(one.epoch, one.step): one.loss for one in news(expected, data, recipe) if is_training(one)}
    assert len(told) == 8
    for delay, seen in ((2, [(1, 1), (1, 3), (2, 1), (2, 3)]), (3, [(1, 1), (2, 1)])):  # steps until figures arrive
        late = on_gpu(data, recipe, Plan(mode="graph"), FakeGpu(late=delay))
        steps = [(one.epoch, one.step, one.loss) for one in news(late, data, recipe) if is_training(one)]
        assert [(epoch, step) for epoch, step, _ in steps] == seen
        assert all(loss == told[epoch, step] for epoch, step, loss in steps)
        assert equal(tensors(late[0]), tensors(expected[0]))


def is_training(one: Step | Epoch) -> TypeGuard[Step]:
    return isinstance(one, Step) and one.phase == "train"


def test_a_loss_that_is_not_finite_ends_the_run_with_its_epoch_and_step(data: DataSet) -> None:
    recipe = recipe_of()
    pair = on_gpu(data, recipe, Plan(mode="graph"))
    with pytest.raises(Problem, match=r"loss became NaN at epoch 1, step [1-4]"):
        for one in news(pair, data, recipe):
            if isinstance(one, Step):
                next(iter(pair[0].network.parameters())).data.fill_(float("nan"))
