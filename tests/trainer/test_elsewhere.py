"""A run that goes on on another device than it began on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from torch import Tensor, nn

from store.records import Recipe, Run, Step
from tests.trainer.fake_gpu import CPU, H100, FakeGpu
from trainer import checkpoint, job
from trainer.cuda import COMPILING
from trainer.data import DataSet, load
from trainer.gpu import begin_on_gpu
from trainer.job import remarks_on
from trainer.loop import fit
from trainer.plan import Plan, cpu_precisions
from trainer.source import Source

GPU = torch.device("cuda:0")


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load(Source("synthetic"), train_limit=96, test_limit=40)


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "fresh_network", lambda model, seed, classes: small())


def small() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 4, 4), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(256, 10)
        )


def test_another_card_keeps_the_plan_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "device_in_words", lambda device: "NVIDIA A100" if device == GPU else "CPU")
    assert remarks_on(Plan(mode="graph", card="NVIDIA A100"), Recipe(), GPU) == []
    assert remarks_on(Plan(threads=2), Recipe(), CPU) == []
    assert remarks_on(Plan(mode="graph", card="NVIDIA H100"), Recipe(), GPU) == [
        "it began on NVIDIA H100 and goes on on NVIDIA A100 with the same plan: another may be faster here"
    ]
    assert remarks_on(Plan(mode="graph", card="NVIDIA H100"), Recipe(), CPU) == [
        "it began on NVIDIA H100 and goes on on CPU: computed in another way from here on"
    ]
    assert remarks_on(Plan(threads=2), Recipe(), GPU) == [
        "it began on another device and goes on on NVIDIA A100: computed in another way from here on"
    ]


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_run_from_a_gpu_goes_on_on_the_cpu_with_a_plan_for_the_cpu(
    data: DataSet, precision: Any, tmp_path: Path
) -> None:
    """Its loss scale, its rates that were tensors and its generator do not fit there; everything else goes on."""
    recipe = Recipe(epochs=2, batch_size=32, optimizer="adamw")
    plan = Plan(mode="graph", precision=precision, card="NVIDIA H100")
    state, engine = begin_on_gpu(small(), recipe, data, FakeGpu(), plan, None)
    next(iter(fit(state, data, recipe, 0, engine)))
    checkpoint.save(tmp_path, state, engine.plan)
    content, _ = checkpoint.newest(tmp_path)
    assert content
    content["generator"] = torch.zeros(16, dtype=torch.uint8)  # as large as a GPU's
    resumed, here = job.begin("lenet", 0, recipe, data, CPU, checkpoint.plan_of(content))
    assert here.plan.threads and here.plan.precision in cpu_precisions(recipe) and "goes on on CPU" in here.remarks[0]
    checkpoint.restore(content, resumed)
    assert resumed.step == state.step and resumed.scaler is None
    pairs = zip(state.network.state_dict().values(), resumed.network.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert isinstance(resumed.optimizer.param_groups[0]["lr"], float)
    assert [one for one in fit(resumed, data, recipe, 0, here) if not isinstance(one, Step)][-1].epoch == 2


def test_a_run_in_bfloat16_goes_on_in_fp32_where_the_cpu_has_no_instructions_for_it(
    data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be computed in fp32 all the same, and rounded: slower, many times so on old CPUs."""
    recipe, plan = Recipe(epochs=2, batch_size=32), Plan(precision="bf16", threads=1)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    _, here = job.begin("lenet", 0, recipe, data, CPU, plan)
    assert here.plan == plan and not here.remarks
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    _, there = job.begin("lenet", 0, recipe, data, CPU, plan)
    assert there.plan.precision == "fp32"
    assert there.remarks == ["it began in bf16, for which this CPU has no instructions, and goes on in fp32"]
    asked = replace(recipe, precision="bf16")  # the user's own wish
    assert job.begin("lenet", 0, asked, data, CPU, plan)[1].plan == plan


def test_a_run_from_the_cpu_goes_on_on_a_gpu(data: DataSet, tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch_size=32)
    state, engine = job.begin("lenet", 0, recipe, data, CPU, Plan(threads=1))
    list(islice(fit(state, data, recipe, 0, engine), 1))
    checkpoint.save(tmp_path, state, engine.plan)
    content, _ = checkpoint.newest(tmp_path)
    assert content
    resumed, there = begin_on_gpu(small(), recipe, data, FakeGpu(), Plan(mode="graph", precision="fp16"), None)
    checkpoint.restore(content, resumed)
    assert resumed.scaler and isinstance(resumed.optimizer.param_groups[0]["lr"], Tensor)
    before = [value.clone() for kept in resumed.optimizer.state.values() for value in kept.values()]
    expected = [value for kept in state.optimizer.state.values() for value in kept.values()]
    assert all(torch.equal(one, other) for one, other in zip(before, expected, strict=True))
    assert next(iter(fit(resumed, data, recipe, 0, there)))


def test_a_checkpoint_without_momentum_is_refused_by_a_state_that_has_some(data: DataSet, tmp_path: Path) -> None:
    """Captured steps would go on writing to momentum that nothing holds any more."""
    recipe = Recipe(epochs=1, batch_size=32)
    state, engine = job.begin("lenet", 0, recipe, data, CPU, Plan(threads=1))
    checkpoint.save(tmp_path, state, engine.plan)
    content, _ = checkpoint.newest(tmp_path)
    assert content
    resumed, _ = begin_on_gpu(small(), recipe, data, FakeGpu(), Plan(mode="graph"), None)
    with pytest.raises(checkpoint.Damaged, match="it has no momentum"):
        checkpoint.restore(content, resumed)


def test_workers_that_begin_at_once_compile_one_after_the_other(data: DataSet) -> None:
    """torch's compiler is not safe in several threads."""
    inside, most = 0, 0
    guard = threading.Lock()

    class Slow(FakeGpu):
        def compile(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
            def compiled(batch: Tensor) -> Tensor:
                nonlocal inside, most
                with guard:
                    inside += 1
                    most = max(most, inside)
                    assert COMPILING.locked()
                time.sleep(0.01)
                with guard:
                    inside -= 1
                scores: Tensor = network(batch)
                return scores

            return compiled

    plan = Plan(mode="graph+compile", card=H100.name)
    modes: list[str] = []

    def work() -> None:
        _, engine = begin_on_gpu(small(), Recipe(batch_size=32), data, Slow(), plan, None)
        modes.append(engine.plan.mode)

    workers = [threading.Thread(target=copy_context().run, args=(work,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert modes == ["graph+compile"] * 3 and most == 1 and not COMPILING.locked()


def test_what_slows_a_run_down_stands_in_its_notice_and_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=1, train_limit=64, test_limit=20)
    run = Run(id="abcd", model="lenet", dataset="synthetic", recipe=recipe, created=datetime.now(UTC))
    folder = tmp_path / "runs" / run.id
    folder.mkdir(parents=True)

    def begin(model: str, seed: int, recipe: Recipe, data: DataSet, *rest: Any) -> Any:
        gpu = FakeGpu(fails={"graph": RuntimeError("operation not permitted when stream is capturing")})
        return begin_on_gpu(small(), recipe, data, gpu, Plan(mode="graph", precision="bf16"), None)

    monkeypatch.setattr(job, "begin", begin)
    training = job.Job(run, folder, "cpu", load(Source("synthetic"), 64, 20))
    line = (
        "capturing a CUDA graph failed (operation not permitted when stream is capturing); it trains with bf16, "
        "contiguous instead: slower, most of all for small networks: Python asks for each operation"
    )
    assert training.notice == line and training.plan == "bf16, contiguous"
    log = (folder / "log.txt").read_text()
    assert line in log and "it trains with bf16, contiguous" in log
