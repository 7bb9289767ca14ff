"""What is wrong under a home, and mending it. `check` changes nothing; `repair` is for the owner."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from store import documents, files, inbox, recovery
from store.errors import StoreError
from store.history import History
from store.ids import is_id
from store.owner import owner_of
from store.records import Run
from store.rows import Rows
from store.runs import RunStore


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, in one line, and what mends it (and says so), when something can."""

    what: str
    mend: Callable[[RunStore], str] | None = None


def check(home: Path) -> list[Finding]:
    """Everything that is wrong, as far as it can be seen beside a working owner. Changes nothing.

    Raises StoreError when the home cannot be read.
    """
    with files.explained(home):
        if not home.exists():
            return []
        is_owned = owner_of(home) is not None
        return [*_results(home, is_owned), *([] if is_owned else _left_behind(home)), *_open_to_others(home)]


def repair(home: Path) -> list[str]:
    """Mend what can be mended. Returns what was done and what was not, a line each.

    Raises StoreInUse beside an owner, and StoreError for a results.json that is not ours.
    """
    with RunStore.open(home) as store, files.explained(home):
        lines = list(store.notices)  # what opening has mended
        findings = [*_results(home, is_owned=False), *_left_behind(home), *_open_to_others(home)]
        lines += [finding.mend(store) if finding.mend else f"not mended: {finding.what}" for finding in findings]
        return list(dict.fromkeys(lines))


def _results(home: Path, is_owned: bool) -> Iterator[Finding]:
    """results.json, and whether it and the runs' folders say the same."""
    try:
        rows = Rows(home, writable=False)
    except StoreError as error:
        yield Finding(str(error))
        return
    for notice in rows.loaded.notices:
        yield Finding(notice, _by_opening)
    if rows.loaded.is_older:
        yield Finding(f"{home / recovery.NAME} is of an older schema", _by_opening)
    for broken in rows.unreadable:
        folder = home / "runs" / broken.id if broken.id and is_id(broken.id) and rows.get(broken.id) is None else None
        yield Finding(broken.why, partial(_adopt, folder=folder) if folder and _has_run(folder) else None)
    known = {row.run.id: row.run for row in rows.all()}
    for folder in documents.run_folders(home):
        if folder.name in known:
            yield from _own_folder(folder, known[folder.name], is_owned)
        elif not is_owned and all(broken.id != folder.name for broken in rows.unreadable):
            yield _orphan(folder)
    for run in known.values():
        if not documents.folder_of(home, run.id).is_dir():
            yield Finding(f"run {run.id} has no folder", partial(_write_again, run=run))


def _orphan(folder: Path) -> Finding:
    """A folder without a row: its owner was killed while adding or removing the run, or the row was lost."""
    what = f"{folder} belongs to no row of {recovery.NAME}"
    if _has_run(folder):
        return Finding(what, partial(_adopt, folder=folder))
    is_empty = all(path.name.endswith(".tmp") for path in folder.iterdir())
    return Finding(what, partial(_remove, path=folder) if is_empty else None)


def _own_folder(folder: Path, run: Run, is_owned: bool) -> Iterator[Finding]:
    """The folder of a run that has a row."""
    if not _has_run(folder):
        yield Finding(f"{folder / documents.NAME} is missing or damaged", partial(_write_again, run=run))
    if is_owned and not run.is_over:
        return  # its owner may be in the middle of a line
    history = History(folder)
    epochs, tail = history.read(), history.tail()
    if tail:
        what = f"{history.path} cannot be read after epoch {len(epochs)}"
        yield Finding(what, lambda store: history.mend() or what)
    if run.is_over and epochs and len(epochs) != run.epochs_done:
        mend = partial(_write_again, run=run) if len(epochs) > run.epochs_done else None
        yield Finding(f"{history.path} holds {len(epochs)} epochs, and its row tells of {run.epochs_done}", mend)


def _left_behind(home: Path) -> Iterator[Finding]:
    """Files that were being written beside the real ones when their writer was killed."""
    folders = [home, home / inbox.FOLDER, *documents.run_folders(home)]
    for path in sorted(path for folder in folders for path in folder.glob("*.tmp") if path.is_file()):
        yield Finding(f"{path} was left half-written", partial(_remove, path=path))


def _open_to_others(home: Path) -> Iterator[Finding]:
    """Files and folders of ours that other users of the machine may read or write. The images are no secret."""
    if home.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield Finding(f"{home} can be written by other users", partial(_close, home=home, paths=[home]))
    paths = []
    for folder, folders, names in os.walk(home):
        if Path(folder) == home and "data" in folders:
            folders.remove("data")
        inside = [Path(folder, name) for name in folders + names]
        paths += [path for path in inside if not path.is_symlink() and path.stat().st_mode & 0o077]
    if paths:
        what = f"{len(paths)} files or folders are open to other users, {paths[0]} among them"
        yield Finding(what, partial(_close, home=home, paths=paths))


def _has_run(folder: Path) -> bool:
    try:
        documents.read_run(folder)
    except StoreError:
        return False
    return True


def _by_opening(store: RunStore) -> str:
    return f"{store.home / recovery.NAME}: written anew"


def _adopt(store: RunStore, folder: Path) -> str:
    run = documents.read_run(folder)
    store.adopt(replace(run, status="interrupted") if run.status == "running" else run)
    return f"run {run.id}: its row is made again from {folder / documents.NAME}"


def _write_again(store: RunStore, run: Run) -> str:
    store.save(run)
    return f"run {run.id}: its row and {documents.NAME} are written again"


def _remove(store: RunStore, path: Path) -> str:
    files.remove_tree(path)
    return f"{path}: removed, nothing was finished in it"


def _close(store: RunStore, home: Path, paths: list[Path]) -> str:
    for path in paths:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o700)
    return f"{home}: closed {len(paths)} files or folders to other users"
