"""Runs handed to the owner of a store: another program lays them in the inbox under the home, the owner takes them in.

put(home, run)                       the other program
for letter in take(home, notices):   the owner
    ...                              keep letter.run
    done(letter)                     only then it leaves the inbox, so a kill in between loses nothing
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from store import files
from store.documents import from_document, to_document
from store.errors import StoreError
from store.records import Run
from store.storage import Damaged, read_tables

FOLDER = "inbox"


@dataclass(frozen=True, slots=True)
class Letter:
    """A run that waits in the inbox, and the file it lies in."""

    run: Run
    path: Path


def put(home: Path, run: Run) -> Path:
    """Hand a queued run over; once this returns, it is on disk. Raises StoreError, also when its id waits already."""
    if run.status != "queued":
        raise StoreError(f"run {run.id} is {run.status}; only a queued run can be handed over")
    path = path_of(home, run.id)
    folder = path.parent
    data = msgspec.json.encode(to_document(run))
    with files.explained(path):
        files.make_folder(home)
        files.make_folder(folder)
        beside = path.with_name(path.name + ".tmp")
        try:
            files.write_new(beside, data)
            files.second_name(beside, path)  # unlike a rename, it never takes the place of another run
        except FileExistsError:
            raise StoreError(f"a run with the id {run.id} waits in the inbox already") from None
        finally:
            files.disk.unlink(beside)
        files.disk.sync_folder(folder)
    return path


def take(home: Path, notices: list[str]) -> Iterator[Letter]:
    """The runs in the inbox, oldest first. A file that is not a queued run is set aside, which `notices` is told."""
    letters = []
    for path in waiting(home):
        try:
            run = from_document(read_tables(path))
            if run.status != "queued" or path.stem != run.id:
                raise StoreError("it is not a queued run under its own id")
        except FileNotFoundError:
            continue
        except (OSError, StoreError, Damaged) as error:
            refuse(path, error, notices)
        else:
            letters.append(Letter(run, path))
    yield from sorted(letters, key=lambda letter: (letter.run.created.timestamp(), letter.run.position))


def peek(home: Path) -> list[Run]:
    """The runs in the inbox, oldest first, for showing: nothing is changed, and what is no run is passed over."""
    runs = []
    for path in waiting(home):
        with suppress(OSError, StoreError, Damaged):
            runs.append(from_document(read_tables(path)))
    return sorted(runs, key=lambda run: (run.created.timestamp(), run.position))


def refuse(path: Path, reason: Exception, notices: list[str]) -> None:
    """Set a file of the inbox aside, under a name that is not looked at again."""
    aside = path.with_suffix(".refused")
    with files.explained(path):
        files.disk.rename(path, aside)
    notices.append(f"{path} is not taken in: {reason}; it is kept as {aside.name}")


def done(letter: Letter) -> None:
    """The run is in the store: its file goes."""
    with files.explained(letter.path):
        files.disk.unlink(letter.path)
        files.disk.sync_folder(letter.path.parent)


def path_of(home: Path, id: str) -> Path:
    """Where a run of this id waits."""
    return home / FOLDER / f"{id}.json"


def waiting(home: Path) -> list[Path]:
    """The files in the inbox, by name."""
    return sorted((home / FOLDER).glob("*.json"))
