"""An app around a store in memory and trainings that a test scripts: no torch, no disk, no waiting."""

from __future__ import annotations

import asyncio
import itertools
import queue
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from textual.pilot import Pilot

from store.owner import Owner
from store.records import Epoch, Recipe, Run, Step, summarise
from store.runs import RunStore
from trainer.queue import JobQueue, Tell, Training
from tui.app import CifarApp
from tui.session import Session

START = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryStore(RunStore):
    """A store that keeps its records in memory."""

    def __init__(self, home: Path, runs: Sequence[Run] = (), *, writable: bool = True) -> None:
        self.home, self.writable = home, writable
        self.by_id = {run.id: run for run in runs}
        self.lines: dict[str, list[Epoch]] = {}
        self.trash: dict[str, Run] = {}
        self._ids = (f"n{number:03}" for number in itertools.count(1))

    @property
    def is_read(self) -> bool:
        return True

    @property
    def notices(self) -> list[str]:
        return []

    def owner(self) -> Owner | None:
        return None if self.writable else Owner(pid=4711, host="desk", since=START)

    def refresh(self) -> bool:
        return True

    def close(self) -> None:
        pass

    def new_id(self) -> str:
        return next(self._ids)

    def folder(self, id: str) -> Path:
        return self.home / "runs" / id

    def add(self, run: Run) -> None:
        self.by_id[run.id] = run

    def save(self, run: Run) -> None:
        self.by_id[run.id] = run

    def remove(self, id: str) -> None:
        del self.by_id[id]

    def label(self, id: str, tags: Sequence[str], note: str) -> Run:
        self.by_id[id] = replace(self.by_id[id], tags=tuple(tags), note=note)
        return self.run(id)

    def set_aside(self, ids: Sequence[str]) -> None:
        self.trash |= {id: self.by_id.pop(id) for id in ids}

    def bring_back(self, ids: Sequence[str]) -> list[Run]:
        self.by_id |= {id: self.trash.pop(id) for id in ids}
        return [self.run(id) for id in ids]

    def empty_trash(self) -> None:
        self.trash = {}

    def runs(self) -> list[Run]:
        return [self.run(id) for id in list(self.by_id)]

    def run(self, id: str) -> Run:
        run = self.by_id[id]
        return summarise(run, self.lines[id]) if id in self.lines else run

    def epochs(self, id: str) -> list[Epoch]:
        return list(self.lines.get(id, []))

    def append(self, id: str, epoch: Epoch) -> None:
        self.lines.setdefault(id, []).append(epoch)

    def rewind(self, id: str, epochs: int) -> None:
        del self.lines[id][epochs:]


class ScriptedTraining:
    """Yields what the test hands it, and its last step again while there is nothing new."""

    plan, params = "scripted", 62_006
    notice: str | None = None
    environment: dict[str, str] = {"python": "3.11.7", "torch": "2.9.1"}  # noqa: RUF012 # a Protocol's attribute

    def __init__(self, run: Run, epochs: list[Epoch], device: str = "cpu") -> None:
        self.run, self.epochs, self.saves = run, epochs, 0
        self.device = "NVIDIA H100 80GB HBM3" if device.startswith("cuda") else "cpu"
        self.handed: queue.Queue[Step | Epoch | Exception | None] = queue.Queue()

    def news(self) -> Iterator[Step | Epoch]:
        last = step(1, 0)
        while True:
            try:
                news = self.handed.get(timeout=0.01)
            except queue.Empty:
                yield last
                continue
            if news is None:
                return
            if isinstance(news, Exception):
                raise news
            last = news if isinstance(news, Step) else last
            yield news

    def save(self) -> None:
        self.saves += 1

    def write_weights(self) -> None:
        pass

    def discard_checkpoints(self) -> None:
        pass

    def close(self) -> None:
        pass


class Workbench:
    """What a test holds in its hands: the store, the trainings that have begun, and the app."""

    def __init__(
        self,
        home: Path,
        runs: Sequence[Run] = (),
        *,
        data: str = "synthetic",
        writable: bool = True,
        devices: tuple[str, ...] = ("cpu",),
    ) -> None:
        self.store = MemoryStore(home, runs, writable=writable)
        self.trainings: dict[str, ScriptedTraining] = {}
        self.devices = devices
        self.app = CifarApp(Session(home=home, data=data, devices=devices), self.store, self._make_queue)

    def _make_queue(self, tell: Tell) -> JobQueue:
        def open(run: Run, folder: Path, device: str) -> Training:
            training = self.trainings[run.id] = ScriptedTraining(run, self.store.epochs(run.id), device)
            return training

        return JobQueue(self.store, open, self.devices, tell)

    def finish(self) -> None:
        """Wait for what the app began, as the program does before it leaves: the next one shall find it."""
        for thread in self.app.unfinished:
            thread.join()

    def close(self) -> None:
        if self.app.queue is not None:
            self.app.queue.close()


async def until(pilot: Pilot[None], holds: Callable[[], object], what: str = "") -> None:
    """Wait for a condition; give up, with its name, after ten seconds."""
    for _ in range(500):
        await pilot.pause()
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"it never came to be: {what or holds}")


def step(epoch: int, done: int, loss: float = 2.1, accuracy: float = 0.25) -> Step:
    """A step of the training part of an epoch."""
    return Step(
        epoch=epoch, phase="train", step=done, steps=391, loss=loss, accuracy=accuracy, images_per_second=5000.0
    )


def epoch(number: int, accuracy: float = 0.5) -> Epoch:
    """A finished epoch."""
    return Epoch(
        epoch=number,
        train_loss=2.3 / (number + 1),
        train_accuracy=accuracy + 0.02,
        test_loss=2.4 / (number + 1),
        test_accuracy=accuracy,
        learning_rate=0.01,
        seconds=11.5,
        images_per_second=5000.0,
    )


def done(id: str, model: str, best: float, *, seed: int = 0, recipe: Recipe | None = None, **more: Any) -> Run:
    """A run that is done, at full length."""
    recipe = recipe or Recipe()
    run = Run(
        id=id,
        model=model,
        status="done",
        seed=seed,
        recipe=recipe,
        device="NVIDIA H100",
        params=62_006,
        epochs_done=recipe.epochs,
        best_accuracy=best,
        best_epoch=recipe.epochs - 1,
        last_accuracy=best - 0.001,
        seconds=2363.0,
        images_per_second=9000.0,
        created=START + timedelta(minutes=sum(map(ord, id))),
        finished=START + timedelta(hours=2),
    )
    return replace(run, **more)
