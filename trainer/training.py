"""One run as its worker drives it, and who makes it so. torch is not imported here: a Training brings it along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from store.records import Epoch, Run, Step
from trainer.source import Source


class Training(Protocol):
    """One run as its worker drives it: ask it for news, and save between two of them."""

    device: str  # in words
    plan: str  # in words
    params: int
    notice: str | None  # what there is to say about its checkpoint
    environment: dict[str, str]  # versions of what it runs with, by name

    @property
    def epochs(self) -> list[Epoch]:
        """The finished epochs that its checkpoint knows."""

    def news(self) -> Iterator[Step | Epoch]:
        """Train. Stopping is not asking on, pausing is asking later."""

    def save(self) -> None:
        """Write a checkpoint from which a later Training goes on exactly here."""

    def write_weights(self) -> None:
        """Write the best and the last weights."""

    def discard_checkpoints(self) -> None:
        """The run is done: nothing will go on from here."""

    def close(self) -> None:
        """Let go of what it trained on. What was not saved is lost."""


Open = Callable[[Run, Path, str], Training]
"""Makes the Training of a run, in the thread that will train: the run, its folder, the device ("cpu", "cuda:0")."""

Tell = Callable[[Run, Step | None], None]
"""Hears every change, from any thread: the newest snapshot of a run, and the step it is in while it trains."""


def opener(source_of: Callable[[Run], Source]) -> Open:
    """Opens real trainings, on the images that `source_of` names for a run."""

    def open(run: Run, folder: Path, device: str) -> Training:
        from trainer.data import load  # imports torch
        from trainer.job import Job

        return Job(run, folder, device, load(source_of(run), run.recipe.train_limit, run.recipe.test_limit))

    return open


PREPARING = Step(epoch=0, phase="prepare", step=0, steps=0)
"""Shown while torch, the images and the network are being loaded."""
