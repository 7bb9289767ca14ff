"""Trainings side by side on the CPU: each has the same bits as when it is alone, and its share of the cores."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace
from torch import nn

import zoo
from store import files
from store.records import Recipe, Run
from store.runs import RunStore
from tests.store.faulty_disk import QuickDisk
from tests.trainer.listener import Listener
from trainer import device, loop
from trainer.data import load
from trainer.device import cpu_threads, share_cores
from trainer.drawing import drawing_from
from trainer.engine import Engine
from trainer.job import begin
from trainer.plan import Plan
from trainer.queue import JobQueue, opener
from trainer.source import Source
from zoo.lenet import lenet

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=2, train_limit=400, test_limit=10, batch_size=8, exact=True, threads=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(files, "disk", QuickDisk())
    monkeypatch.setattr(loop, "PERIOD", 0.0)
    monkeypatch.setattr(zoo, "build", lambda model, classes: with_dropout(classes) if model == "alexnet" else lenet())
    yield
    share_cores(["cpu"])


def with_dropout(classes: int) -> nn.Module:
    """What AlexNet is for these tests: small."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8 * 15 * 15, classes)
    )


def train(home: Path, devices: Sequence[str], wanted: Sequence[tuple[str, int]]) -> list[tuple[list[float], str]]:
    """Train models, each with its seed. Returns the losses and a digest of the last weights of each."""
    listener = Listener()
    with RunStore.open(home) as store:
        jobs = JobQueue(store, opener(lambda _: Source("synthetic")), devices, listener)
        runs = [jobs.add(model, RECIPE, seed=seed, dataset="synthetic") for model, seed in wanted]
        jobs.start()
        listener.wait_until(lambda: all(listener.runs[run.id].is_over for run in runs))
        assert [listener.runs[run.id].error for run in runs] == [None] * len(runs)
        jobs.close()
        return [(losses(store, run), digest(store.folder(run.id) / "last.safetensors")) for run in runs]


def losses(store: RunStore, run: Run) -> list[float]:
    return [loss for epoch in store.epochs(run.id) for loss in (epoch.train_loss, epoch.test_loss)]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_exact_runs_side_by_side_have_the_bits_that_each_has_alone(tmp_path: Path) -> None:
    """Initial weights and dropout both draw from the process's one generator."""
    wanted = [("alexnet", 1), ("alexnet", 2), ("lenet", 0), ("lenet", 3)]
    alone = train(tmp_path / "alone", ["cpu"], wanted)
    beside = train(tmp_path / "beside", ["cpu:0", "cpu:1"], wanted)
    assert beside == alone
    assert len({weights for _, weights in alone}) == len(wanted), "each run is another one"


def test_what_is_drawn_in_two_threads_is_what_each_draws_alone() -> None:
    def draw(seed: int, times: int, drawn: list[float]) -> None:
        generator = torch.Generator().manual_seed(seed)
        for _ in range(times):
            with drawing_from(generator):
                drawn.append(float(torch.rand(1000).sum()))

    alone: list[list[float]] = [[], []]
    beside: list[list[float]] = [[], []]
    torch.manual_seed(4)
    for seed in (0, 1):
        draw(seed, 200, alone[seed])
    threads = [threading.Thread(target=draw, args=(seed, 200, beside[seed])) for seed in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert beside == alone and alone[0] != alone[1]
    left = torch.rand(3)
    torch.manual_seed(4)
    assert torch.equal(torch.rand(3), left), "the default generator stayed as it was"


@pytest.mark.parametrize(("model", "draws"), [("lenet", False), ("alexnet", True)])
def test_only_networks_that_draw_take_turns(model: str, draws: bool) -> None:
    data = load(Source("synthetic"), train_limit=32, test_limit=10)
    recipe = replace(RECIPE, epochs=1)
    state, engine = begin(model, 0, recipe, data, CPU, Plan(threads=1))
    assert list(loop.fit(state, data, recipe, 0, engine))
    assert engine.draws == draws


def test_the_cores_are_shared_among_the_workers_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(9)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # Ray sets it, for whoever comes after it in this process
    for devices, threads in [(["cpu"], 8), (["cpu:0", "cpu:1"], 4), (["cuda:0", "cpu"], 8), (["cuda:0", "cuda:1"], 8)]:
        share_cores(devices)
        assert cpu_threads() == threads
    share_cores([f"cpu:{number}" for number in range(20)])
    assert cpu_threads() == 1
    engine = Engine(CPU, Plan(threads=8))
    before = torch.get_num_threads()
    try:
        engine.begin()
        assert engine.threads and engine.threads.most == 1, "a plan from when it was alone"
    finally:
        torch.set_num_threads(before)


def test_a_run_keeps_its_number_of_threads_when_others_set_theirs() -> None:
    """A thread's first computation takes over the number that was set last, by whichever thread."""
    ended = threading.Event()
    numbers: list[int] = []

    def others() -> None:
        while not ended.is_set():
            torch.set_num_threads(1)

    def ours() -> None:
        Engine(CPU, Plan(threads=2), exact=True).begin()
        torch.ones(100_000).sum()
        numbers.append(torch.get_num_threads())

    before = torch.get_num_threads()
    hammer = threading.Thread(target=others)
    hammer.start()
    for _ in range(20):
        thread = threading.Thread(target=ours)
        thread.start()
        thread.join()
    ended.set()
    hammer.join()
    torch.set_num_threads(before)
    assert numbers == [2] * 20


@pytest.mark.parametrize("text", ["cpu:0,cpu:1", "cuda:0,cpu", "cpu"])
def test_devices_are_named_one_by_one(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "gpu_count", lambda: 1)
    assert device.parse_devices(text) == text.split(",")
