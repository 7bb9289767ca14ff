"""The near end of a training on another machine: it hears what the worker tells, and writes everything. No Ray here,
and no torch: checkpoints and weights arrive as bytes.

A checkpoint does not come with every epoch, for a head that many machines write to would do nothing else. Epochs that
no checkpoint covers yet are held back here, so that what the queue acknowledges is always safe: a worker that is lost
takes with it what it did since its last checkpoint, and nothing that anybody was told of as an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from store import files
from store.errors import DiskFull, Problem
from store.records import Epoch, Recipe, Step
from trainer import space
from trainer.failure import WorkerLost
from trainer.remote_worker import Facts, Failed, Record, Saved

NEWEST, BEFORE = space.CHECKPOINTS


class Link(Protocol):
    """A worker, as it is reached from here. Each of these raises WorkerLost when it is gone."""

    def news(self) -> Iterator[Record]: ...

    def stop(self) -> None: ...

    def weights(self) -> tuple[bytes, bytes | None]: ...

    def end(self) -> None:
        """Let it go, whatever it does. Never raises."""


class Elsewhere(Exception):
    """The traceback of an error on another machine."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class RemoteTraining:
    """The `Training` of a run whose loop runs elsewhere. Raises what the worker failed with, or WorkerLost."""

    def __init__(self, link: Link, folder: Path, recipe: Recipe, name: str) -> None:
        """`name` is that of the checkpoints that the worker lays into the folder itself, if it can."""
        self._link, self._folder, self._name = link, folder, name
        self._records = link.news()
        try:
            facts = self._next()
            assert isinstance(facts, Facts)
            self._begin(facts, recipe)
        except BaseException:
            self.close()
            raise

    def _begin(self, facts: Facts, recipe: Recipe) -> None:
        self.device, self.plan, self.params = facts.device, facts.plan, facts.params
        self.notice, self.environment = facts.notice, facts.environment
        self._heard = list(facts.epochs)  # every epoch that the worker has finished
        self._covered = len(self._heard)  # so many of them are safe
        self._saved: Saved | None = None  # arrived, and not yet in its place
        self._owes_save = False  # an epoch was told, and `save` will be asked for because of it
        for file in facts.damaged:
            files.disk.rename(self._folder / file, space.aside(self._folder / file))
        space.check(self._folder, facts.weights, recipe)

    @property
    def epochs(self) -> list[Epoch]:
        return self._heard[: self._covered]

    def news(self) -> Iterator[Step | Epoch]:
        while (record := self._next()) is not None:
            if isinstance(record, Step):
                yield record
            elif isinstance(record, Saved):
                for epoch in self._heard[self._covered : record.epochs]:
                    self._owes_save = True
                    yield epoch

    def save(self) -> None:
        """Put the checkpoint that has arrived into its place. When none was due, somebody wishes the training to end,
        and it is saved as it stands."""
        if not self._owes_save:
            self._link.stop()
            while self._next() is not None:
                pass
        self._owes_save = False
        if self._saved is not None:
            self._keep(self._saved)
            self._covered, self._saved = self._saved.epochs, None

    def write_weights(self) -> None:
        last, best = self._link.weights()
        files.replace(self._folder / "last.safetensors", last)
        if best is not None:
            files.replace(self._folder / "best.safetensors", best)

    def discard_checkpoints(self) -> None:
        space.remove_checkpoints(self._folder)

    def close(self) -> None:
        """Let the worker go; what it has not told by now is lost."""
        self._link.end()
        (self._folder / self._name).unlink(missing_ok=True)

    def _next(self) -> Record | None:
        """What the worker tells next; None when it has ended."""
        record = next(self._records, None)
        match record:
            case Epoch():
                self._heard.append(record)
            case Saved():
                self._saved = record
            case Failed():
                raise error_of(record)
        return record

    def _keep(self, saved: Saved) -> None:
        """First beside, then in one step in its place, as every checkpoint."""
        newest, before = self._folder / NEWEST, self._folder / BEFORE
        if saved.content is not None:
            with files.replacing(newest, keep=before) as file:
                file.write(saved.content)
        elif (laid := self._folder / self._name).exists():  # only we put it in its place: a worker that was given up
            if newest.exists():  # for lost may still be writing others
                files.disk.rename(newest, before)
            files.disk.rename(laid, newest)
            files.disk.sync_folder(self._folder)


def error_of(failed: Failed) -> Exception:
    """What a worker failed with, as it would have been raised here."""
    if failed.is_device_lost:
        return WorkerLost(failed.line)
    error = DiskFull(failed.line) if failed.is_disk_full else Problem(failed.line)
    error.__cause__ = Elsewhere(failed.detail)
    return error
