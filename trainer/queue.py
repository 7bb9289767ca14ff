"""What waits, what trains, and the worker threads, one per device. The only file that starts training threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from store.records import DatasetName, Epoch, Recipe, Run, Step
from store.runs import RunStore


class Training(Protocol):
    """One run as its worker drives it: ask it for news, and save between two of them."""

    device: str  # in words
    params: int

    def news(self) -> Iterator[Step | Epoch]:
        """Train. Stopping is not asking on, pausing is asking later."""

    def save(self) -> None:
        """Write a checkpoint from which a later Training goes on exactly here."""

    def finish(self) -> None:
        """The run is over: write its weights and remove its checkpoints."""


Open = Callable[[Run, Path, str], Training]
"""Makes the Training of a run: the run, its folder, the device ("cpu", "cuda:0")."""

Tell = Callable[[Run, Step | None], None]
"""Hears every change, from any thread: the newest snapshot of a run, and the step it is in when it trains."""


class JobQueue:
    """Runs that are not over, in order, and one worker thread per device that trains them."""

    def __init__(self, store: RunStore, open: Open, devices: Sequence[str], tell: Tell) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Start the workers, and take up everything that is queued or was interrupted."""

    def add(self, model: str, recipe: Recipe, *, seed: int, dataset: DatasetName) -> Run:
        """Queue a new run at the end."""
        raise NotImplementedError

    def jobs(self) -> list[Run]:
        """Every run that is not over, in the order in which they train."""
        raise NotImplementedError

    def stop(self, id: str) -> None:
        """End a run for good; what it learned is kept."""

    def pause(self, id: str) -> None:
        """Save a run and set it aside until `go_on`. A waiting run is only set aside."""

    def go_on(self, id: str) -> None:
        """Queue again a run that was paused, stopped, interrupted or failed; it goes on from its last checkpoint."""

    def again(self, id: str) -> Run:
        """Queue a new run with the model, recipe, seed and data of this one, from the start."""
        raise NotImplementedError

    def move(self, id: str, by: int) -> None:
        """Move a waiting run up (-1) or down (+1)."""

    def close(self, patience: float = 30.0) -> list[Run]:
        """Interrupt what trains: each run saves after its step. Returns the runs that were in flight.

        `patience` is how many seconds to wait for the steps; a run whose step takes longer goes on from its last
        checkpoint.
        """
        raise NotImplementedError
