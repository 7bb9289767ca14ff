"""Where TinyDB keeps its tables: results.json, swapped in whole, with the state before it in results.json.bak."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from tinydb.storages import Storage

from store import files

Tables = dict[str, dict[str, Any]]


class Damaged(ValueError):
    """A file that should hold JSON does not parse."""


def read_tables(path: Path) -> Any:
    """What a JSON file says. Raises Damaged when it does not parse, and OSError when it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(str(error)) from error


def backup_of(path: Path) -> Path:
    return path.with_name(path.name + ".bak")


class AtomicStorage(Storage):
    """A TinyDB storage that a kill or a power cut finds whole.

    TinyDB rewrites everything at each change, so the parsed tables stay in memory and only writing touches the disk.
    `tables` are what the file holds now; None stands for a file that is not there yet.
    """

    def __init__(self, path: Path, tables: Tables | None = None) -> None:
        self.path = path
        self._tables = tables

    def read(self) -> Tables | None:
        if self._tables is None:
            with suppress(FileNotFoundError):
                self._tables = read_tables(self.path)
        return None if self._tables is None else dict(self._tables)

    def write(self, data: Tables) -> None:
        """Swap in the new state. When that fails, the old one stands, on the disk and in memory."""
        self._tables = None  # TinyDB has changed its documents in place: should we fail, the file says how it was
        replace_with_backup(self.path, msgspec.json.encode(data))
        self._tables = data


def replace_with_backup(path: Path, data: bytes) -> None:
    """Like `files.replace`, and the state before stays as `.bak`. Both names lead to a good file at every moment."""
    beside, backup = path.with_name(path.name + ".tmp"), backup_of(path)
    new_backup = backup.with_name(backup.name + ".tmp")
    try:
        files.write_new(beside, data)
        if path.exists():
            files.disk.unlink(new_backup)
            files.second_name(path, new_backup)
            files.disk.rename(new_backup, backup)
        files.disk.rename(beside, path)
    except OSError:
        for left in (beside, new_backup):
            with suppress(OSError):
                files.disk.unlink(left)
        raise
    files.disk.sync_folder(path.parent)
