"""The one door to the database: records in, records out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from store.records import Epoch, Run


class RunStore:
    """All runs under one home. Safe to use from several threads of the process that opened it."""

    home: Path
    writable: bool

    @classmethod
    def open(cls, home: Path, *, write: bool = True) -> Self:
        """Open the store. `write` takes the lock, or raises StoreInUse which names the owner; runs that a dead owner
        left running become interrupted. Without `write` nothing is locked and no file is changed or made."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the lock. Closing twice is harmless."""

    def new_id(self) -> str:
        """A short id that no run has and that can be typed."""
        raise NotImplementedError

    def folder(self, id: str) -> Path:
        """Where a run keeps its epochs, checkpoints, weights and log. It exists once the run is added."""
        raise NotImplementedError

    def add(self, run: Run) -> None:
        """Acknowledge a new run: once this returns, it is on disk."""

    def save(self, run: Run) -> None:
        """Acknowledge a newer snapshot of a run."""

    def remove(self, id: str) -> None:
        """Forget a run and delete its folder."""

    def runs(self) -> list[Run]:
        """Every run, oldest first. What is known of a run in flight comes from its epochs."""
        raise NotImplementedError

    def run(self, id: str) -> Run:
        """One run by its id or an unambiguous beginning of it. Raises UnknownRun, which names near misses."""
        raise NotImplementedError

    def epochs(self, id: str) -> list[Epoch]:
        """The epochs of a run, first to last."""
        raise NotImplementedError

    def append(self, id: str, epoch: Epoch) -> None:
        """Acknowledge an epoch: once this returns, its line is on disk. Its cost does not grow with the store."""
