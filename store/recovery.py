"""Reading results.json whatever befell it: what does not parse is made again from results.json.bak and run folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from store import files
from store.documents import read_run, run_folders, to_document
from store.errors import StoreError
from store.records import Run
from store.schema import bring_forward, is_present, new_tables, version_of
from store.storage import Damaged, Tables, backup_of, read_tables, replace_with_backup

NAME = "results.json"


@dataclass
class Loaded:
    """The tables of a store, and what has to be written so that its file says the same."""

    tables: Tables
    is_new: bool = False  # there is no store here yet
    is_older: bool = False  # the tables were brought forward from an older schema
    is_restored: bool = False  # the file was damaged or gone
    notices: list[str] = field(default_factory=list)


def load(home: Path) -> Loaded:
    """The store under `home`; changes nothing.

    Raises StoreError when results.json is valid JSON but not ours or of a newer version, OSError when it cannot be
    read.
    """
    path = home / NAME
    try:
        tables = read_tables(path)
    except FileNotFoundError:
        if not backup_of(path).exists() and not run_folders(home):
            return Loaded(new_tables(), is_new=True)
        return _restore(home, f"{path} is missing")
    except Damaged:
        return _restore(home, f"{path} is damaged")
    return Loaded(tables, is_older=bring_forward(tables, path))


def can_wait(home: Path) -> bool:
    """Whether nothing speaks against reading results.json in a moment: it is whole, and of the present schema."""
    try:
        return is_present((home / NAME).read_bytes())
    except OSError:
        return False


def write(home: Path, loaded: Loaded) -> None:
    """Make the file say what was loaded. A damaged file is kept under another name. Raises OSError."""
    path = home / NAME
    data = msgspec.json.encode(loaded.tables)
    if loaded.is_restored:
        if path.exists():
            loaded.notices.append(f"the damaged file is kept as {keep_aside(path).name}")
        files.replace(path, data)  # the backup stays: what it holds is good, and what it would be given is not
    elif loaded.is_new or loaded.is_older:
        replace_with_backup(path, data)


def keep_aside(path: Path) -> Path:
    """Give a damaged file a second name that nothing will overwrite. Raises OSError."""
    now = datetime.now()
    for number in range(100):
        name = f"{path.name}.damaged-{now:%Y%m%d-%H%M%S}" + (f"-{number}" if number else "")
        aside = path.with_name(name)
        try:
            files.second_name(path, aside)
        except FileExistsError:
            continue
        return aside
    raise FileExistsError(f"{path} has too many damaged copies")


def _restore(home: Path, reason: str) -> Loaded:
    """The store from the last good state and from the runs' own folders; each run.json is as new as its row was."""
    tables = _read_backup(home)
    from_backup = len(tables["runs"])
    rows = {document.get("id"): key for key, document in tables["runs"].items()}
    unreadable: list[str] = []
    missing: list[Run] = []
    for folder in run_folders(home):
        try:
            run = read_run(folder)
        except StoreError as error:
            if folder.name not in rows:
                unreadable.append(str(error))
            continue
        if run.id in rows:
            tables["runs"][rows[run.id]].update(to_document(run))
        else:
            missing.append(run)
    last = max((int(key) for key in tables["runs"]), default=0)
    for number, run in enumerate(sorted(missing, key=lambda run: run.created.timestamp()), last + 1):
        tables["runs"][str(number)] = to_document(run)
    found = f"{from_backup} from {NAME}.bak, {len(missing)} from their own folders"
    notices = [f"{reason}; runs rebuilt: {len(tables['runs'])} ({found})"]
    return Loaded(tables, is_restored=True, notices=notices + [f"not rebuilt: {what}" for what in unreadable])


def _read_backup(home: Path) -> Tables:
    """The tables of the backup; empty ones when it is no good either.

    Raises StoreError when it is of a newer cifar-tui: then so was the damaged file, and it is not ours to restore.
    """
    path = backup_of(home / NAME)
    try:
        tables: Tables = read_tables(path)
    except (FileNotFoundError, Damaged):
        return new_tables()
    if version_of(tables) is None:
        return new_tables()
    bring_forward(tables, path)
    return tables
