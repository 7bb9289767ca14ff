"""The one door to the database: records in, records out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from store import documents, files, ids, inbox, recovery
from store.errors import DiskFull, StoreError, UnknownRun
from store.history import History
from store.owner import Owner, Ownership, StoreInUse, owner_of
from store.records import Epoch, Run, summarise
from store.rows import Rows

__all__ = ["DiskFull", "Owner", "RunStore", "StoreError", "StoreInUse", "UnknownRun"]

TRASH = "trash"  # under the home: the folders of runs that were set aside


class RunStore:
    """All runs under one home. Safe to use from several threads of the process that opened it.

    Methods raise StoreError (DiskFull when there is no room) when the disk refuses; what was acknowledged before stays.
    """

    home: Path
    writable: bool

    def __init__(self, home: Path, ownership: Ownership | None) -> None:
        """Use `open`."""
        self.home, self.writable = home, ownership is not None
        self._ownership = ownership
        self._guard = RLock()  # held while results.json is written; reading what is known does not wait for it
        self._read: Rows | None = None  # see `_rows`

    @classmethod
    def open(cls, home: Path, *, write: bool = True, read_later: bool = False) -> Self:
        """Open the store. `write` takes the lock, or raises StoreInUse which names the owner; runs that a dead owner
        left running become interrupted. Without `write` nothing is locked and no file is changed or made.

        `read_later` leaves it to the first thread that asks for something to read results.json: ten thousand runs take
        a tenth of a second. A file that is damaged, foreign or of another schema is read, or refused, at once.
        """
        with files.explained(home):
            if home.exists() and not home.is_dir():
                raise StoreError(f"{home} is a file; --home names a folder")
            ownership = None
            if write:
                files.make_folder(home)
                ownership = Ownership(home)
            try:
                if write:
                    files.make_folder(home / "runs")
                store = cls(home, ownership)
                if not (read_later and recovery.can_wait(home)):
                    store.read()
            except BaseException:
                if ownership is not None:
                    ownership.release()
                raise
            return store

    @property
    def is_read(self) -> bool:
        """Whether asking for something costs no reading of results.json any more."""
        return self._read is not None

    def read(self) -> None:
        """Read results.json, if that was not done yet; any other method does it, too."""
        with self._guard, files.explained(self.home):
            if self._read is None:
                rows = Rows(self.home, writable=self.writable)
                for row in rows.all() if self.writable else ():
                    if row.run.status == "running":
                        rows.put(replace(rows.completed(row), status="interrupted"))
                self._read = rows

    @property
    def _rows(self) -> Rows:
        if self._read is None:
            self.read()
        assert self._read is not None
        return self._read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the lock. Closing twice is harmless. What is known can still be read."""
        with self._guard:
            if self._ownership is not None:
                self._ownership.release()
            self._ownership, self.writable = None, False

    @property
    def notices(self) -> list[str]:
        """What a user should know: what was restored, what cannot be read. One line each."""
        return self._rows.notices

    def owner(self) -> Owner | None:
        """Who seems to own the store, when it is not this process; for showing."""
        return None if self.writable else owner_of(self.home)

    def refresh(self) -> bool:
        """Look at results.json again if it changed, to follow the owner. Returns whether it did."""
        with self._guard, files.explained(self.home):
            return not self.writable and self._rows.refresh()

    def new_id(self) -> str:
        """A short id that no run has and that can be typed."""
        return next(
            id
            for id in ids.candidates()
            if self._rows.get(id) is None
            and not any(
                path.exists() for path in (inbox.path_of(self.home, id), self.folder(id), self.home / TRASH / id)
            )
        )

    def folder(self, id: str) -> Path:
        """Where a run keeps its epochs, checkpoints, weights and log. It exists once the run is added."""
        return documents.folder_of(self.home, id)

    def add(self, run: Run) -> None:
        """Acknowledge a new run: once this returns, it is on disk. After a failure the same run may be added again."""
        with self._writing():
            row = self._rows.get(run.id)
            is_same = row is not None and documents.to_document(row.run) == documents.to_document(run)
            if not is_same and (row or History(self.folder(run.id)).read()):
                raise StoreError(f"there is a run with the id {run.id} already")
            self._rows.put(run)

    def save(self, run: Run) -> None:
        """Acknowledge a newer snapshot of a run. What its epochs tell is taken from them, and its tags and note are
        those that `label` gave it."""
        with self._writing():
            row = self._rows.row(run.id)
            run = replace(run, tags=row.run.tags, note=row.run.note)
            epochs = self._rows.epochs(row)
            # A run that is over may have more to tell than its file: it came from weights, or the file was damaged.
            has_all = len(epochs) >= max(1, run.epochs_done)
            self._rows.put(summarise(run, list(epochs)) if has_all or not run.is_over else run)

    def label(self, id: str, tags: Sequence[str], note: str) -> Run:
        """Acknowledge the user's words for a run, which nothing else changes. Returns the newer run."""
        with self._writing():
            row = self._rows.row(id)
            self._rows.put(replace(row.run, tags=tuple(tags), note=note))
            return self.run(id)

    def set_aside(self, ids: Sequence[str]) -> None:
        """Forget runs, and keep their folders in the trash, from which `bring_back` takes them. Raises UnknownRun
        before anything is changed. A failure in between leaves folders that are in no row; `doctor` knows them."""
        with self._writing():
            for id in ids:
                self._rows.row(id)
            files.make_folder(self.home / TRASH)
            self._rows.remove(*ids)
            for id in ids:
                files.disk.rename(self.folder(id), self.home / TRASH / id)
            files.disk.sync_folder(self.home / TRASH)
            files.disk.sync_folder(self.home / "runs")

    def bring_back(self, ids: Sequence[str]) -> list[Run]:
        """Take runs out of the trash again. Returns them; UnknownRun for one that is not there."""
        with self._writing():
            for id in ids:
                if not (self.home / TRASH / id).is_dir():
                    raise UnknownRun(f"run {id} is not in the trash any more")
            for id in ids:
                files.disk.rename(self.home / TRASH / id, self.folder(id))
                files.disk.sync_folder(self.home / "runs")
                self._rows.put(documents.read_run(self.folder(id)))
            return [self.run(id) for id in ids]

    def empty_trash(self) -> None:
        """Delete for good what was set aside."""
        with self._writing():
            if (self.home / TRASH).is_dir():
                files.remove_tree(self.home / TRASH)

    def remove(self, id: str) -> None:
        """Forget a run and delete its folder. After a failure it may be tried again."""
        with self._writing():
            folder = self.folder(id)
            if not folder.is_dir():
                self._rows.row(id)  # or it is unknown
            self._rows.remove(id)
            if folder.is_dir():
                files.disk.unlink(folder / documents.NAME)  # first: without it, the folder is no run any more
                files.disk.sync_folder(folder)
                files.remove_tree(folder)
                files.disk.sync_folder(folder.parent)

    def runs(self) -> list[Run]:
        """Every run, oldest first. What is known of a run in flight comes from its epochs."""
        with files.explained(self.home):
            return [self._as_it_is(self._rows.completed(row)) for row in self._rows.all()]

    def run(self, id: str) -> Run:
        """One run by its id or an unambiguous beginning of it. Raises UnknownRun, which names near misses."""
        with files.explained(self.home):
            return self._as_it_is(self._rows.completed(self._rows.find(id)))

    def epochs(self, id: str) -> list[Epoch]:
        """The epochs of a run, first to last."""
        with files.explained(self.home):
            return list(self._rows.epochs(self._rows.row(id)))

    def append(self, id: str, epoch: Epoch) -> None:
        """Acknowledge an epoch: once this returns, its line is on disk. Its cost does not grow with the store.

        An epoch that is there already, with the same result, is acknowledged again. Raises StoreError for any other
        number than the next one (`rewind` makes room), and for NaN.
        """
        self._check_writable()
        row = self._rows.row(id)
        with files.explained(self.folder(id)):
            self._rows.history(row).append(epoch)
        if row.run.is_over:  # a last word after the run was stopped: the row tells it, too
            self.save(row.run)

    def rewind(self, id: str, epochs: int) -> None:
        """Keep the first `epochs` epochs of a run and forget later ones, in one step: for going on from an older
        checkpoint. A run that has no more than that stays as it is."""
        with self._writing():
            row = self._rows.row(id)
            history = self._rows.history(row)
            history.rewind(epochs)
            if row.run.is_over:
                self._rows.put(summarise(row.run, list(history.epochs)))

    def receive(self) -> list[Run]:
        """Take in the runs that other programs laid in the inbox. Returns the new ones, oldest first."""
        if not inbox.waiting(self.home):
            return []  # at once: it is asked every second, also while a large results.json is being written
        with self._writing():
            received: list[Run] = []
            for letter in inbox.take(self.home, self.notices):
                if row := self._rows.get(letter.run.id):  # it was added, and then something went wrong
                    self._rows.put(row.run)
                else:
                    self._rows.put(letter.run)
                    received.append(letter.run)
                inbox.done(letter)
            return received

    def adopt(self, run: Run) -> None:
        """Take back a run whose folder is there and whose row is lost."""
        with self._writing():
            self._rows.put(run)

    def _as_it_is(self, run: Run) -> Run:
        """A run that nobody trains any more was interrupted, even if its owner died before it could say so."""
        if run.status == "running" and not self.writable and self.owner() is None:
            return replace(run, status="interrupted")
        return run

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._guard, files.explained(self.home):
            self._check_writable()
            yield

    def _check_writable(self) -> None:
        if not self.writable:
            raise StoreError(f"the store {self.home} is open for reading only")
