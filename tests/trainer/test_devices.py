"""Several devices: who trains what, and what happens when one is lost. Driven by scripted trainings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from store.errors import Problem
from store.records import Recipe, Run
from store.runs import RunStore
from tests.trainer.listener import Listener
from tests.trainer.scripted import Script, ScriptedTraining
from tests.trainer.test_queue import listener, script, store
from trainer.failure import DeviceLost
from trainer.lifecycle import new_run
from trainer.outcome import Wish, without_device
from trainer.queue import JobQueue

__all__ = ["listener", "script", "store"]

GPUS = ("cuda:0", "cuda:1")


class Bench:
    """A queue over several devices, and which device each training was opened on. A device in `broken` is lost in the
    epoch of whatever trains on it."""

    def __init__(self, store: RunStore, script: Script, listener: Listener, devices: tuple[str, ...] = GPUS) -> None:
        self.store, self.script, self.listener = store, script, listener
        self.opened: list[tuple[str, str]] = []  # run and device
        self.broken = set[str]()
        self.jobs = JobQueue(store, self, devices, listener)

    def __call__(self, run: Run, folder: Path, device: str) -> ScriptedTraining:
        self.opened.append((run.id, device))
        training = self.script(run, folder, device)
        if device in self.broken:
            training.fails = DeviceLost("it fell off the bus")
        return training

    def make(self, model: str = "lenet", epochs: int = 2, **more: object) -> Run:
        run = new_run(self.store, model, Recipe(epochs=epochs), dataset="synthetic")
        return replace(run, **more)

    def add(self, *runs: Run) -> list[Run]:
        return self.jobs.add_runs(runs or [self.make()])

    def waiting(self) -> list[str]:
        return [run.model for run in self.jobs.jobs() if run.status == "queued"]


@pytest.fixture
def bench(store: RunStore, script: Script, listener: Listener) -> Iterator[Bench]:
    bench = Bench(store, script, listener)
    yield bench
    script.go.set()
    bench.jobs.close()


def test_two_devices_train_two_runs_at_once_and_each_run_says_on_which(bench: Bench) -> None:
    one, two = bench.add(bench.make(), bench.make())
    bench.script.go.clear()
    bench.jobs.start()
    bench.listener.wait_for(one.id, "running")
    bench.listener.wait_for(two.id, "running")
    assert {bench.listener.runs[run.id].device_id for run in (one, two)} == set(GPUS)
    bench.script.go.set()
    bench.listener.wait_for(one.id, "done")
    bench.listener.wait_for(two.id, "done")


@pytest.mark.parametrize(("device", "id"), [("cpu", "cpu"), ("CPU", "cpu"), ("NVIDIA H100", "cuda:0")])
def test_a_run_on_whatever_there_is_says_what_that_was(
    device: str, id: str, store: RunStore, script: Script, listener: Listener
) -> None:
    def open(run: Run, folder: Path, name: str) -> ScriptedTraining:
        return script(run, folder, device)

    jobs = JobQueue(store, open, ["auto"], listener)
    run = jobs.add("lenet", Recipe(epochs=1), dataset="synthetic")
    jobs.start()
    assert listener.wait_for(run.id, "done").device_id == id
    jobs.close()


def test_what_is_queued_together_begins_with_the_longest(bench: Bench) -> None:
    bench.script.go.clear()
    bench.jobs.start()
    bench.add(*(bench.make(model) for model in ("lenet", "vgg11", "vgg19", "resnet18")))
    bench.listener.wait_until(lambda: len(bench.opened) == 2)
    models = [bench.store.run(id).model for id, _ in bench.opened]
    assert (sorted(models), bench.waiting()) == (["resnet18", "vgg19"], ["vgg11", "lenet"])
    bench.add(bench.make("vgg13"))
    assert bench.waiting() == ["vgg13", "vgg11", "lenet"]


def test_runs_made_together_get_different_ids_though_the_store_knew_none_of_them(
    bench: Bench,
) -> None:
    first = bench.make()
    added = bench.add(first, first, first)
    assert len({run.id for run in added}) == 3 and len(bench.store.runs()) == 3


def test_a_run_moved_by_hand_is_not_overtaken_by_a_longer_one(bench: Bench) -> None:
    bench.add(*(bench.make(model) for model in ("lenet", "vgg11")))
    lenet = bench.jobs.jobs()[-1]
    bench.jobs.move(lenet.id, -1)
    bench.add(bench.make("vgg19"))
    assert bench.waiting() == ["lenet", "vgg19", "vgg11"]


def test_a_pinned_run_waits_for_its_device_and_holds_up_nobody(bench: Bench) -> None:
    bench.script.go.clear()
    pinned = bench.add(*(bench.make(pinned_to="cuda:1") for _ in range(2)))
    absent = bench.add(bench.make(pinned_to="cuda:7"))[0]
    bench.jobs.start()
    bench.listener.wait_for(pinned[0].id, "running")
    free = bench.add(bench.make())[0]
    bench.listener.wait_for(free.id, "running")
    assert bench.jobs.why_it_waits(pinned[1]) is None
    assert bench.jobs.why_it_waits(absent) == "pinned to cuda:7: this session does not train on it"
    bench.script.go.set()
    for run in (*pinned, free):
        bench.listener.wait_for(run.id, "done")
    assert dict(bench.opened) == {pinned[0].id: "cuda:1", pinned[1].id: "cuda:1", free.id: "cuda:0"}
    assert bench.store.run(absent.id).status == "queued"


def test_a_waiting_run_can_be_pinned_and_let_loose(bench: Bench) -> None:
    run = bench.add(bench.make(pinned_to="cuda:7"))[0]
    bench.jobs.start()
    bench.jobs.pin(run.id, "cuda:1")
    bench.listener.wait_for(run.id, "done")
    assert bench.opened == [(run.id, "cuda:1")]
    other = bench.add(bench.make(pinned_to="cuda:7"))[0]
    assert bench.jobs.pin(other.id, None).pinned_to is None
    bench.listener.wait_for(other.id, "done")


def test_what_trains_or_is_over_cannot_be_pinned(bench: Bench) -> None:
    bench.script.go.clear()
    run = bench.add()[0]
    bench.jobs.start()
    bench.listener.wait_for(run.id, "running")
    with pytest.raises(Problem, match="trains now: pause it"):
        bench.jobs.pin(run.id, "cuda:1")
    bench.script.go.set()
    bench.listener.wait_for(run.id, "done")
    bench.jobs.close()  # the worker has let go of it
    with pytest.raises(Problem, match="is done"):
        bench.jobs.pin(run.id, "cuda:1")


def test_trained_again_a_run_keeps_its_pin(bench: Bench) -> None:
    run = bench.add(bench.make(pinned_to="cuda:1"))[0]
    assert bench.jobs.again(run.id).pinned_to == "cuda:1"


def test_a_run_whose_device_is_lost_goes_on_with_another_from_its_checkpoint(bench: Bench) -> None:
    bench.broken = {"cuda:0"}
    run = bench.add(bench.make(epochs=5, pinned_to="cuda:0"))[0]
    bench.jobs.start()
    bench.listener.wait_until(lambda: bench.listener.runs[run.id].lost_devices)
    assert bench.jobs.lost_devices == {"cuda:0": "it fell off the bus"}
    bench.jobs.pin(run.id, None)
    done = bench.listener.wait_for(run.id, "done")
    assert [device for _, device in bench.opened] == ["cuda:0", "cuda:1"]
    assert (done.device_id, done.epochs_done, done.lost_devices, done.error) == ("cuda:1", 5, ("cuda:0",), None)
    assert done.notice == "cuda:0 stopped working while it trained: it fell off the bus"
    assert [line.epoch for line in bench.store.epochs(run.id)] == [1, 2, 3, 4, 5], "no epoch was trained twice"


def test_a_run_that_loses_device_after_device_fails_before_it_takes_all(
    store: RunStore, script: Script, listener: Listener
) -> None:
    bench = Bench(store, script, listener, ("cuda:0", "cuda:1", "cuda:2"))
    bench.broken = {"cuda:0", "cuda:1", "cuda:2"}
    run = bench.add(bench.make(epochs=9))[0]
    bench.jobs.start()
    failed = bench.listener.wait_for(run.id, "failed")
    bench.listener.wait_until(bench.jobs.is_idle)
    assert len(bench.jobs.lost_devices) == 2
    assert failed.error and "2 times a device stopped working while it trained: " in failed.error
    assert bench.jobs.go_on(run.id).lost_devices == (), "its user may try again"
    bench.jobs.close()


@pytest.mark.parametrize(
    ("wish", "status"), [(None, "queued"), ("paused", "paused"), ("interrupted", "interrupted"), ("stopped", "stopped")]
)
def test_a_device_lost_does_not_undo_what_the_user_wanted(wish: Wish | None, status: str, bench: Bench) -> None:
    assert without_device(bench.make(), wish, "cuda:0", "gone").status == status


def test_what_was_handed_over_comes_to_its_place_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.add(bench.make("vgg11"))
    handed = [bench.make(model, position=5.0) for model in ("lenet", "vgg19")]
    for run in handed:
        bench.store.add(run)
    monkeypatch.setattr(bench.store, "receive", lambda: handed)
    bench.jobs.receive()
    assert bench.waiting() == ["vgg19", "vgg11", "lenet"]
