"""A Training that follows a script instead of learning: what queue and screens are tested with, without torch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from store.records import Epoch, Run, Step


def epoch(number: int, accuracy: float = 0.5) -> Epoch:
    """An epoch that achieved this test accuracy."""
    return Epoch(
        epoch=number,
        train_loss=1.5,
        train_accuracy=accuracy,
        test_loss=1.4,
        test_accuracy=accuracy,
        learning_rate=0.01,
        seconds=2.0,
        images_per_second=25_000.0,
    )


class Script:
    """Opens scripted trainings and remembers what became of them."""

    def __init__(self, steps: int = 3, fails: Exception | None = None) -> None:
        self.steps = steps  # between two epochs
        self.fails = fails  # raised after the first epoch
        self.go = threading.Event()  # cleared: a training waits before its next step
        self.go.set()
        self.opened: list[str] = []  # run ids, in the order in which they were opened
        self.saved: dict[str, list[Epoch]] = {}  # what the checkpoint of a run knows
        self.weights: set[str] = set()  # ids of runs whose weights were written
        self.discarded: set[str] = set()
        self.closed: list[str] = []  # run ids, as often as a training of theirs was let go

    def __call__(self, run: Run, folder: Path, device: str) -> ScriptedTraining:
        self.opened.append(run.id)
        return ScriptedTraining(self, run, device)


class ScriptedTraining:
    """Finishes an epoch after so many steps; the accuracy of epoch n is n/1000."""

    plan = "by heart"
    params = 62_006
    notice: str | None = None
    environment: dict[str, str] = {"python": "3.11.7", "torch": "2.9.1"}  # noqa: RUF012 # a Protocol's attribute

    def __init__(self, script: Script, run: Run, device: str) -> None:
        self.script, self.run, self.device = script, run, device
        self.fails: Exception | None = None  # as the script's, for this training alone
        self._epochs = list(script.saved.get(run.id, []))

    @property
    def epochs(self) -> list[Epoch]:
        return list(self._epochs)

    def news(self) -> Iterator[Step | Epoch]:
        for number in range(len(self._epochs) + 1, self.run.recipe.epochs + 1):
            for step in range(1, self.script.steps + 1):
                self.script.go.wait()
                yield Step(epoch=number, phase="train", step=step, steps=self.script.steps, loss=1.5, accuracy=0.4)
            done = epoch(number, number / 1000)
            self._epochs.append(done)
            yield done
            if fails := self.fails or self.script.fails:
                raise fails

    def save(self) -> None:
        self.script.saved[self.run.id] = list(self._epochs)

    def write_weights(self) -> None:
        self.script.weights.add(self.run.id)

    def discard_checkpoints(self) -> None:
        self.script.discarded.add(self.run.id)

    def close(self) -> None:
        self.script.closed.append(self.run.id)
