"""The rows of results.json: TinyDB's table of runs, and what each of its documents says, kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tinydb import TinyDB
from tinydb.table import Table

from store import documents, files, ids, recovery
from store.errors import StoreError, UnknownRun
from store.history import History
from store.records import Epoch, Run, summarise
from store.storage import AtomicStorage


@dataclass(slots=True)
class Row:
    """What is known of a run: the number of its document, and the newest snapshot."""

    number: int
    run: Run
    history: History | None = None  # of a run in flight, once something asked for it


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document of the table of runs that is not a run of its own. It stays in the file and is left alone."""

    number: int
    id: str | None  # what it says it is
    why: str  # one line


class Rows:
    """All rows under one home. Changes come one at a time, reading may go on beside them. Raises OSError."""

    def __init__(self, home: Path, *, writable: bool) -> None:
        """Read results.json, and when we own it, mend it or bring it forward first."""
        self.home, self.writable = home, writable
        self.notices: list[str] = []
        self._memory = Lock()  # held for a moment
        self.unreadable: list[Unreadable] = []
        self._rows: dict[str, Row] = {}
        self._load()

    def refresh(self) -> bool:
        """Read results.json again if it is another file than the one that was read. Returns whether it is."""
        if self._stamp() == self._seen:
            return False
        self._load()
        return True

    def all(self) -> list[Row]:
        """Every row, the oldest run first."""
        return sorted(self._rows.values(), key=lambda row: (row.run.created.timestamp(), row.number))

    def get(self, id: str) -> Row | None:
        return self._rows.get(id)

    def row(self, id: str) -> Row:
        """The row of exactly this id. Raises UnknownRun."""
        row = self._rows.get(id)
        if row is None:
            raise UnknownRun(ids.near_misses(id, [row.run for row in self.all()]))
        return row

    def find(self, id: str) -> Row:
        """The row of this id, or the only one whose id begins so. Raises UnknownRun."""
        if id in self._rows:
            return self.row(id)
        found = [known for known in tuple(self._rows) if id and known.startswith(id)]
        return self.row(found[0] if len(found) == 1 else id)

    def epochs(self, row: Row) -> tuple[Epoch, ...]:
        """The epochs of a run. Those of a run that is over are read and not kept in memory."""
        if row.run.is_over:
            return History(documents.folder_of(self.home, row.run.id)).read()
        return self.history(row).epochs

    def history(self, row: Row) -> History:
        """The file of a run's epochs. Its owner is the only one who adds to it, so the owner reads it once."""
        with self._memory:
            history = row.history = row.history or History(documents.folder_of(self.home, row.run.id))
        if not (self.writable and history.is_read):
            history.read()
        return history

    def completed(self, row: Row) -> Run:
        """The snapshot of a run with what its epochs tell; that of a run which is over was saved with them."""
        return row.run if row.run.is_over else summarise(row.run, list(self.history(row).epochs))

    def put(self, run: Run) -> None:
        """Write run.json, then the row: the folder is never older than the row, so the row can be made from it."""
        document = documents.to_document(run)
        folder = documents.folder_of(self.home, run.id)
        files.make_folder(folder)
        documents.write_run(folder, document)
        row = self._rows.get(run.id)
        broken = next((broken for broken in self.unreadable if broken.id == run.id and row is None), None)
        with self._changing():
            if broken:
                self._table.update(document, doc_ids=[broken.number])
                self._rows[run.id] = Row(broken.number, run)
                self.unreadable.remove(broken)
            elif row is None:
                self._rows[run.id] = Row(self._table.insert(document), run)
            else:
                self._table.update(document, doc_ids=[row.number])
                row.run = run
                row.history = None if run.is_over else row.history

    def remove(self, *ids: str) -> None:
        """Take rows away, and then also out of the backup, so that a restored store does not bring them back."""
        with self._changing():
            known = [id for id in ids if id in self._rows]
            if known:
                self._table.remove(doc_ids=[self._rows[id].number for id in known])
            for id in known:
                del self._rows[id]
            self._storage.write(self._storage.read() or {})

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """A change that fails may still have reached the disk: what is known is then read from there."""
        try:
            yield
        except OSError:
            with suppress(OSError, StoreError):
                self._read_rows()
            raise

    def _load(self) -> None:
        self._seen = self._stamp()  # before reading, so that a change while we read is seen the next time
        self.loaded = recovery.load(self.home)
        if self.writable:
            recovery.write(self.home, self.loaded)
        self._notice(*self.loaded.notices)
        self._storage = AtomicStorage(self.home / recovery.NAME, self.loaded.tables)
        self._table: Table = TinyDB(storage=lambda: self._storage).table("runs", cache_size=0)
        self._read_rows()

    def _read_rows(self) -> None:
        """Know the runs of the table."""
        rows: dict[str, Row] = {}
        self.unreadable = []
        for document in self._table:
            try:
                run = documents.from_document(document)
                if run.id in rows:
                    raise StoreError(f"another row is of run {run.id}, too")
            except StoreError as error:
                id = document.get("id")
                why = f"row {document.doc_id} of {self.home / recovery.NAME} (run {id}) is left alone: {error}"
                self.unreadable.append(Unreadable(document.doc_id, id if isinstance(id, str) else None, why))
                self._notice(why)
                continue
            known = self._rows.get(run.id)
            rows[run.id] = Row(document.doc_id, run, None if known is None or run.is_over else known.history)
        self._rows = rows

    def _notice(self, *lines: str) -> None:
        self.notices += [line for line in lines if line not in self.notices]

    def _stamp(self) -> tuple[int, int, int] | None:
        """What tells whether results.json is still the file that was read."""
        try:
            status = (self.home / recovery.NAME).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
