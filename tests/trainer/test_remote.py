"""Trainings on other machines, without other machines: the far end is scripted, or runs in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from store.errors import DiskFull, Problem
from store.records import Epoch, Recipe, Run, Step
from store.runs import RunStore
from tests.trainer.listener import Listener
from tests.trainer.scripted import epoch
from trainer.checkpoint import load
from trainer.failure import WorkerLost
from trainer.queue import JobQueue, opener
from trainer.remote import Elsewhere, RemoteTraining
from trainer.remote_worker import Facts, Failed, Images, Order, Record, Saved, Worker, images_of, own_version
from trainer.source import Source
from trainer.training import Open

TINY = Recipe(epochs=4, train_limit=256, test_limit=64, exact=True)
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "checkpoint.ab12.pt"
FACTS = Facts(
    device="CPU", plan="by heart", params=6, notice=None, environment={}, epochs=[], weights=24, damaged=[]
)  # fmt: skip


def step(epoch: int, done: int = 1) -> Step:
    return Step(epoch=epoch, phase="train", step=done, steps=2, loss=1.5, accuracy=0.4)


@cache
def tiny_images() -> Images:
    return images_of(Source("synthetic"), TINY.train_limit, TINY.test_limit)


class Told:
    """A far end that tells what it is given, and whatever comes after a stop."""

    def __init__(self, *records: Record | Exception, after_stop: tuple[Record, ...] = ()) -> None:
        self.records, self.after_stop = list(records), list(after_stop)
        self.is_stopped = self.is_ended = False

    def news(self) -> Iterator[Record]:
        while self.records:
            record = self.records.pop(0)
            if isinstance(record, Exception):
                raise record
            yield record
        if self.is_stopped:
            yield from self.after_stop

    def stop(self) -> None:
        self.is_stopped = True

    def weights(self) -> tuple[bytes, bytes | None]:
        return b"last", b"best"

    def end(self) -> None:
        self.is_ended = True


class Beside:
    """A far end in this process: a real Worker, whose checkpoints are sent or laid into the folder."""

    def __init__(self, run: Run, folder: Path, *, shared: bool, between: float = 0.0, lost_after: int | None = None):
        self.order = Order(
            run=run, device="cpu", threads=1, card=None, version=own_version(), folder=folder if shared else None,
            name=NAME, between=between, seconds_per_byte=0.0,
        )  # fmt: skip
        names = ("checkpoint.pt", "checkpoint.before.pt")
        self.sent = {} if shared else {n: (folder / n).read_bytes() for n in names if (folder / n).exists()}
        self.worker, self.lost_after = Worker(), lost_after
        self.told = 0

    def news(self) -> Iterator[Record]:
        for record in self.worker.news(self.order, tiny_images(), self.sent):
            if isinstance(record, Epoch):
                self.told += 1
            yield record
            if self.told == self.lost_after and isinstance(record, Saved):
                raise WorkerLost("its worker was lost")

    def stop(self) -> None:
        self.worker.stop()

    def weights(self) -> tuple[bytes, bytes | None]:
        return self.worker.weights()

    def end(self) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "home") as store:
        yield store


def opens(make: Callable[[Run, Path], Told | Beside]) -> Open:
    return lambda run, folder, device: RemoteTraining(make(run, folder), folder, run.recipe, NAME)


def train(store: RunStore, open: Open, recipe: Recipe = TINY, status: str = "done") -> Run:
    """Queue a LeNet, and wait for what becomes of it."""
    listener = Listener()
    jobs = JobQueue(store, open, ["cpu"], listener)
    run = jobs.add("lenet", recipe, seed=3, dataset="synthetic")
    jobs.start()
    ended = listener.wait_for(run.id, status)
    jobs.close()
    return ended


def untimed(epochs: list[Epoch]) -> list[Epoch]:
    return [replace(epoch, seconds=0.0, images_per_second=0.0) for epoch in epochs]


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_an_epoch_is_held_back_until_a_checkpoint_covers_it(tmp_path: Path) -> None:
    far = Told(FACTS, epoch(1), step(2), epoch(2), step(3), Saved(epochs=2, content=b"two"), step(3, 2))
    training = RemoteTraining(far, tmp_path, TINY, NAME)
    seen: list[object] = []
    for news in training.news():
        if isinstance(news, Epoch):
            training.save()
        seen.append((type(news).__name__, news.epoch, (tmp_path / "checkpoint.pt").exists()))
    assert seen == [("Step", 2, False), ("Step", 3, False), ("Epoch", 1, True), ("Epoch", 2, True), ("Step", 3, True)]
    assert (tmp_path / "checkpoint.pt").read_bytes() == b"two"
    assert [one.epoch for one in training.epochs] == [1, 2]


def test_a_wish_between_two_epochs_that_came_together_loses_none(store: RunStore) -> None:
    """The user pauses while the queue hears of epoch 1; the worker has long finished 2 and is inside 3."""
    far = Told(
        FACTS, epoch(1), epoch(2), Saved(epochs=2, content=b"two"), epoch(3), step(4),
        after_stop=(Saved(epochs=3, content=b"in epoch four"),),
    )  # fmt: skip
    listener = Listener()

    def tell(run: Run, step: Step | None) -> None:
        if run.epochs_done == 1 and run.status == "running":
            jobs.pause(run.id)
        listener(run, step)

    jobs = JobQueue(store, opens(lambda run, folder: far), ["cpu"], tell)
    run = jobs.add("lenet", TINY, dataset="synthetic")
    jobs.start()
    paused = listener.wait_for(run.id, "paused")
    jobs.close()
    assert far.is_stopped and far.is_ended
    assert paused.epochs_done == 3 and [line.epoch for line in store.epochs(run.id)] == [1, 2, 3]
    assert (store.folder(run.id) / "checkpoint.pt").read_bytes() == b"in epoch four"
    assert (store.folder(run.id) / "checkpoint.before.pt").read_bytes() == b"two"


def test_what_goes_wrong_there_is_said_here_with_its_traceback(store: RunStore) -> None:
    far = Told(FACTS, step(1), Failed(line="loss became NaN at epoch 1, step 2", detail="Traceback: in loop.py"))
    failed = train(store, opens(lambda run, folder: far), status="failed")
    assert failed.error == "loss became NaN at epoch 1, step 2"
    assert "in loop.py" in (store.folder(failed.id) / "log.txt").read_text()
    assert far.is_ended


def test_a_far_disk_that_is_full_and_a_far_gpu_that_is_lost_are_told_apart(tmp_path: Path) -> None:
    for record, kind in (
        (Failed(line="full", detail="", is_disk_full=True), DiskFull),
        (Failed(line="gone", detail="", is_device_lost=True), WorkerLost),
        (Failed(line="bad", detail="there"), Problem),
    ):
        far = Told(record)
        with pytest.raises(kind) as raised:
            RemoteTraining(far, tmp_path, TINY, NAME)
        assert type(raised.value) is kind and far.is_ended
    assert isinstance(raised.value.__cause__, Elsewhere)


@pytest.mark.parametrize("shared", [False, True], ids=["sent", "laid"])
def test_a_training_elsewhere_equals_one_here_to_the_bit(store: RunStore, shared: bool) -> None:
    here = train(store, opener(lambda run: Source("synthetic")))
    there = train(store, opens(lambda run, folder: Beside(run, folder, shared=shared)))
    assert untimed(store.epochs(there.id)) == untimed(store.epochs(here.id))
    for name in ("last.safetensors", "best.safetensors"):
        assert (store.folder(there.id) / name).read_bytes() == (store.folder(here.id) / name).read_bytes()
    assert files_in(store.folder(there.id)) == files_in(store.folder(here.id))
    assert (there.device, there.params, there.plan) == (here.device, here.params, here.plan)


@pytest.mark.parametrize("shared", [False, True], ids=["sent", "laid"])
def test_a_pause_in_the_middle_of_an_epoch_changes_nothing(
    store: RunStore, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.loop.PERIOD", 0.0)  # a Step after each step
    here = train(store, opener(lambda run: Source("synthetic")))
    listener = Listener()
    paused: list[Step] = []

    def tell(run: Run, step: Step | None) -> None:
        if not paused and step and step.phase == "train" and (step.epoch, step.step) == (2, 1):
            paused.append(step)
            jobs.pause(run.id)
        listener(run, step)

    jobs = JobQueue(store, opens(lambda run, folder: Beside(run, folder, shared=shared)), ["cpu"], tell)
    run = jobs.add("lenet", TINY, seed=3, dataset="synthetic")
    jobs.start()
    assert listener.wait_for(run.id, "paused").epochs_done == 1
    saved = load(store.folder(run.id) / "checkpoint.pt")
    jobs.go_on(run.id)
    listener.wait_for(run.id, "done")
    jobs.close()
    assert saved["step"] == 1 and len(saved["epochs"]) == 1
    assert untimed(store.epochs(run.id)) == untimed(store.epochs(here.id))
    last = "last.safetensors"
    assert (store.folder(run.id) / last).read_bytes() == (store.folder(here.id) / last).read_bytes()


def test_checkpoints_come_at_a_bounded_rate_and_always_at_the_end() -> None:
    def saves(between: float, seconds_per_byte: float) -> list[int]:
        run = Run(id="a1", model="lenet", dataset="synthetic", recipe=TINY, created=CREATED)
        beside = Beside(run, Path(), shared=False, between=between)
        beside.order = replace(beside.order, seconds_per_byte=seconds_per_byte)
        return [record.epochs for record in beside.news() if isinstance(record, Saved)]

    assert saves(0.0, 0.0) == [1, 2, 3, 4]
    assert saves(1000.0, 0.0) == [1, 4]  # the first at once: that the run can be kept at all is known early
    assert saves(0.0, 1.0) == [1, 4]


def test_a_worker_of_another_version_trains_nothing() -> None:
    run = Run(id="a1", model="lenet", dataset="synthetic", recipe=TINY, created=CREATED)
    beside = Beside(run, Path(), shared=False)
    beside.order = replace(beside.order, version="0.0.1")
    (failed,) = beside.news()
    assert isinstance(failed, Failed)
    assert "this is 0.0.1: install the same version there" in failed.line


def test_a_damaged_checkpoint_that_was_sent_is_set_aside_here(store: RunStore) -> None:
    def far(run: Run, folder: Path) -> Beside:
        (folder / "checkpoint.pt").write_bytes(b"no checkpoint")
        return Beside(run, folder, shared=False)

    listener = Listener()
    jobs = JobQueue(store, opens(far), ["cpu"], listener)
    run = jobs.add("lenet", TINY, dataset="synthetic")
    jobs.start()
    listener.wait_until(lambda: run.id in listener.runs and listener.runs[run.id].notice)
    notice = listener.runs[run.id].notice or ""
    listener.wait_for(run.id, "done")
    jobs.close()
    assert notice.startswith("checkpoint.pt:") and "it began again" in notice
