"""Checkpoints that the disk lost, damaged or never took: a run goes on from what is left, and says so."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import nn

import zoo
from store import files
from store.history import History
from store.records import Recipe, Run
from store.runs import RunStore
from tests.store.faulty_disk import BROKEN, NO_ROOM, SURVIVALS, FaultyDisk, PowerCutError, QuickDisk
from tests.store.samples import a_run
from tests.trainer.listener import Listener
from tests.trainer.scripted import epoch
from trainer import checkpoint
from trainer.checkpoint import BEFORE, NEWEST
from trainer.failure import is_disk_full
from trainer.optim import optimizer
from trainer.plan import Plan
from trainer.queue import JobQueue, opener
from trainer.source import Source
from trainer.state import State, Tally

RECIPE = Recipe(epochs=4, train_limit=192, test_limit=50, batch_size=64, exact=True, threads=1)
EPOCHS = 3

Acknowledged = list[int]


def tiny_state() -> State:
    """A network of eight weights, so that a save is quick."""
    network = nn.Linear(3, 2)
    return State(network, optimizer(Recipe(), network), Tally.empty(2, like=network.weight))


def save_and_acknowledge(home: Path, acknowledged: Acknowledged) -> None:
    """What a worker does after each epoch: the checkpoint, then its line."""
    with RunStore.open(home) as store:
        state = tiny_state()
        for number in range(1, EPOCHS + 1):
            state.close(epoch(number))
            checkpoint.save(store.folder("live"), state, Plan())
            store.append("live", epoch(number))
            acknowledged.append(number)


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Path]]:
    """A home with a run in it, again and again, with the numbers from 1."""

    def made() -> Iterator[tuple[int, Path]]:
        for at in count(1):
            monkeypatch.setattr(files, "disk", QuickDisk())
            home = tmp_path / f"at-{at}" / "home"
            with RunStore.open(home) as store:
                store.add(a_run("live"))
            yield at, home

    return made()


def known(folder: Path) -> int:
    """How many epochs the newest whole checkpoint knows."""
    content, _ = checkpoint.newest(folder)
    return len(content["epochs"]) if content else 0


def test_a_checkpoint_is_never_older_than_the_last_line_whenever_a_kill_or_a_power_cut_comes(
    homes: Iterator[tuple[int, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at, home in homes:
        disk = FaultyDisk(home, at=at)
        monkeypatch.setattr(files, "disk", disk)
        acknowledged: Acknowledged = []
        with suppress(PowerCutError):
            save_and_acknowledge(home, acknowledged)
        for survival in SURVIVALS:
            folder = disk.survivor(survival, tmp_path / f"left-{at}-{survival}") / "runs/live"
            lines = len(History(folder).read())
            where = f"{survival} at change {at}"
            assert len(acknowledged) <= lines <= known(folder) <= len(acknowledged) + 1, where
        if not disk.was_hit:
            assert known(home / "runs/live") == EPOCHS
            break


@pytest.mark.parametrize("fault", [NO_ROOM, BROKEN], ids=["full", "an error"])
def test_a_disk_that_refuses_leaves_the_last_good_checkpoint(
    fault: int, homes: Iterator[tuple[int, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for at, home in homes:
        disk = FaultyDisk(home, at=at, fault=fault, lasting=True)
        monkeypatch.setattr(files, "disk", disk)
        acknowledged: Acknowledged = []
        try:
            save_and_acknowledge(home, acknowledged)
        except Exception as error:
            assert is_disk_full(error) == (fault == NO_ROOM), "also where torch hides it behind an error of its own"
        assert len(acknowledged) <= known(home / "runs/live") <= len(acknowledged) + 1, f"refused at change {at}"
        if not disk.was_hit:
            break


# What a run does with damaged ones


class Trainer:
    """Trains one LeNet on few images, on from wherever it is, in a new queue each time."""

    def __init__(self, home: Path) -> None:
        self.store = RunStore.open(home)
        self.folder = Path()
        self.id = ""

    def train(self, until: int = RECIPE.epochs) -> Run:
        """Up to this epoch, or to the end."""
        listener = Listener()
        jobs = JobQueue(self.store, opener(lambda _: Source("synthetic")), ["cpu"], listener)
        if self.id:
            jobs.go_on(self.id)
        else:
            self.id = jobs.add("lenet", RECIPE, dataset="synthetic").id
            self.folder = self.store.folder(self.id)
        jobs.start()
        listener.wait_until(lambda: (run := listener.runs[self.id]).is_over or run.epochs_done >= until)
        if until < RECIPE.epochs:
            jobs.pause(self.id)
        listener.wait_until(lambda: listener.runs[self.id].status not in {"queued", "running"})
        jobs.close()
        return self.store.run(self.id)


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trainer]:
    monkeypatch.setattr(files, "disk", QuickDisk())
    trainer = Trainer(tmp_path / "home")
    yield trainer
    trainer.store.close()


@pytest.fixture
def straight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The last weights of a run that nothing befell."""
    monkeypatch.setattr(files, "disk", QuickDisk())
    other = Trainer(tmp_path / "straight")
    assert other.train().status == "done"
    other.store.close()
    return (other.folder / "last.safetensors").read_bytes()


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4000])


def of_another_network(path: Path) -> None:
    state = State(network := zoo.build("resnet20"), optimizer(RECIPE, network),
                  Tally.empty(3, like=next(network.parameters())))  # fmt: skip
    checkpoint.save(path.parent, state, Plan(threads=1))
    if path.name == BEFORE:
        path.with_name(NEWEST).rename(path)


def edited(**changes: Any) -> Callable[[Path], None]:
    """A whole checkpoint that says something else."""

    def edit(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        torch.save(content | changes, path)

    return edit


@pytest.mark.parametrize("damage", [tear, of_another_network], ids=lambda damage: damage.__name__)
def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(
    damage: Callable[[Path], None], trainer: Trainer, straight: bytes
) -> None:
    trainer.train(until=2)
    before = (trainer.folder / BEFORE).read_bytes()
    damage(trainer.folder / NEWEST)
    (trainer.folder / BEFORE).write_bytes(before)
    done = trainer.train()
    assert done.status == "done" and done.epochs_done == RECIPE.epochs
    assert done.notice and "it went on after epoch" in done.notice
    assert [line.epoch for line in trainer.store.epochs(done.id)] == [1, 2, 3, 4]
    assert (trainer.folder / "last.safetensors").read_bytes() == straight, "to the last bit"
    assert not list(trainer.folder.glob("checkpoint*")), "when it is done, its checkpoints go"


@pytest.mark.parametrize("damage", [tear, of_another_network], ids=lambda damage: damage.__name__)
def test_a_run_without_a_checkpoint_of_use_begins_again_and_says_so(
    damage: Callable[[Path], None], trainer: Trainer, straight: bytes
) -> None:
    trainer.train(until=2)
    for name in (BEFORE, NEWEST):
        damage(trainer.folder / name)
    done = trainer.train()
    assert done.status == "done" and done.notice and done.notice.endswith("it began again")
    assert (trainer.folder / "last.safetensors").read_bytes() == straight


def test_the_next_save_does_not_put_a_damaged_checkpoint_in_the_place_of_a_good_one(tmp_path: Path) -> None:
    state = tiny_state()
    checkpoint.save(tmp_path, state, Plan())
    state.close(epoch(1))
    checkpoint.save(tmp_path, state, Plan())
    (tmp_path / NEWEST).write_bytes(b"nothing")
    next(checkpoint.whole(tmp_path, []))
    checkpoint.save(tmp_path, state, Plan())
    assert checkpoint.load(tmp_path / BEFORE) and checkpoint.load(tmp_path / NEWEST)


HOSTILE: dict[str, Any] = {
    "step of another kind": {"step": "7"},
    "step beyond the epoch": {"step": 10**6},
    "step before the epoch": {"step": -1},
    "seconds that are not a number": {"seconds": float("nan")},
    "no tensors": {"network": None, "best": 7},
    "best weights of another kind": {"best": {"stem": "weights"}},
    "epochs out of order": {"epochs": [msgspec.to_builtins(epoch(3))]},
    "epochs of another kind": {"epochs": {"epoch": 1}},
    "a plan that nobody knows": {"plan": {"precision": "int4"}},
    "no plan": {"plan": None},
    "an optimizer without groups": {"optimizer": {"state": {}, "param_groups": []}},
    "a generator that is none": {"generator": torch.zeros(3)},
    "losses of another epoch": {"losses": torch.zeros(99)},
    "another format": {"format": "newer"},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_checkpoint_that_says_what_cannot_be_is_set_aside(changes: dict[str, Any], trainer: Trainer) -> None:
    trainer.train(until=1)
    (trainer.folder / BEFORE).unlink(missing_ok=True)
    edited(**changes)(trainer.folder / NEWEST)
    done = trainer.train()
    assert done.status == "done", done.error
    assert done.notice and "it began again" in done.notice and "\n" not in done.notice


def test_settings_in_a_checkpoint_do_not_overrule_the_recipe(trainer: Trainer, straight: bytes) -> None:
    trainer.train(until=1)
    path = trainer.folder / NEWEST
    content = torch.load(path, weights_only=True)
    for group in content["optimizer"]["param_groups"]:
        group |= {"momentum": "much", "weight_decay": 1e9, "nesterov": True}
    torch.save(content, path)
    assert trainer.train().status == "done"
    assert (trainer.folder / "last.safetensors").read_bytes() == straight


def test_momentum_of_other_weights_is_damage(trainer: Trainer) -> None:
    trainer.train(until=1)
    path = trainer.folder / NEWEST
    content = torch.load(path, weights_only=True)
    content["optimizer"]["state"][0]["momentum_buffer"] = torch.zeros(2, 2)
    torch.save(content, path)
    (trainer.folder / BEFORE).unlink(missing_ok=True)
    done = trainer.train()
    assert done.status == "done" and done.notice and "momentum" in done.notice


def test_a_packed_checkpoint_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / NEWEST, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10**6)
    with pytest.raises(checkpoint.Damaged, match="not as we write it"):
        checkpoint.load(tmp_path / NEWEST)
