"""A disk that loses power, or refuses, at its n-th change; and that knows what a real one would still hold then.

A power cut is simulated pessimistically. What was written and not synced is gone; a name that was made, moved or
removed without a sync of its folder may be as it was before. `SURVIVALS` lists what a file system may leave. After a
sync that failed, the system forgets that it has something to write (as Linux does): it must be written again.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from store.files import Disk

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

SURVIVALS = {
    # what is found afterwards         names synced only, content synced only
    "the process was killed": (False, False),
    "the power was cut": (True, True),
    "the power was cut after the names were written": (False, True),
    "the power was cut after the contents were written": (True, False),
}


class PowerCutError(BaseException):
    """Everything ends here. Not an Exception, so nothing tidies up after it."""


@dataclass(eq=False)
class File:
    """What a file holds, and what of that a power cut would leave."""

    content: bytes = b""
    synced: bytes = b""
    forgotten: int | None = None  # from this byte on, a later sync writes nothing


@dataclass(eq=False)
class Folder:
    """The names in a folder, and those that a power cut would leave."""

    names: dict[str, File | Folder] = field(default_factory=dict)
    synced: dict[str, File | Folder] = field(default_factory=dict)


class QuickDisk(Disk):
    """Waits for nothing: for tests that do not cut the power."""

    def sync(self, fd: int) -> None:
        pass

    def sync_folder(self, folder: Path) -> None:
        pass


class FaultyDisk(QuickDisk):
    """Does what it is told under `home`, until change number `at` (from 1).

    `fault` "kill" ends everything there, with half of a write done. An errno refuses that change, and when `lasting`
    all later ones that need room, too.
    """

    def __init__(self, home: Path, *, at: int = 0, fault: str | int = "kill", lasting: bool = False) -> None:
        self.home, self.at, self.fault, self.lasting = home, at, fault, lasting
        self.changes = 0
        self.is_dead = False
        self._top = Folder()  # holds the home, so that its own name can be lost, too
        self._open: dict[int, File] = {}
        if home.exists():
            self._top.names[home.name] = self._top.synced[home.name] = _picture(home)

    @property
    def was_hit(self) -> bool:
        return self.changes >= self.at > 0

    def create(self, path: Path) -> int:
        self._change(path)
        fd = super().create(path)
        node = self._folder(path.parent).names.setdefault(path.name, File())
        assert isinstance(node, File)
        self._open[fd] = node
        return fd

    def truncate(self, fd: int, size: int) -> None:
        self._change(None, needs_room=False)
        super().truncate(fd, size)
        file = self._open[fd]
        file.content = file.content[:size].ljust(size, b"\0")
        self._remember(file, size)

    def write(self, fd: int, data: Buffer, offset: int) -> None:
        whole = bytes(data)
        self._change(None, partly=lambda: self._write(fd, whole[: len(whole) // 2], offset))
        self._write(fd, whole, offset)

    def sync(self, fd: int) -> None:
        file = self._open[fd]
        try:
            self._change(None)
        except OSError:
            file.forgotten = len(file.synced) if file.forgotten is None else file.forgotten
            raise
        file.synced = file.content if file.forgotten is None else file.content[: file.forgotten]

    def sync_folder(self, folder: Path) -> None:
        self._change(folder)
        node = self._folder(folder)
        node.synced = dict(node.names)

    def rename(self, old: Path, new: Path) -> None:
        self._change(old)
        super().rename(old, new)
        self._folder(new.parent).names[new.name] = self._folder(old.parent).names.pop(old.name)

    def link(self, old: Path, new: Path) -> None:
        self._change(new)
        super().link(old, new)
        self._folder(new.parent).names[new.name] = self._folder(old.parent).names[old.name]

    def unlink(self, path: Path) -> None:
        self._change(path, needs_room=False)
        super().unlink(path)
        self._folder(path.parent).names.pop(path.name, None)

    def make_folder(self, path: Path) -> None:
        self._change(path)
        super().make_folder(path)
        self._folder(path.parent).names[path.name] = Folder()

    def remove_folder(self, path: Path) -> None:
        self._change(path, needs_room=False)
        super().remove_folder(path)
        self._folder(path.parent).names.pop(path.name)

    def survivor(self, survival: str, place: Path) -> Path:
        """Lay what is left under `place`. Returns the home there."""
        names_synced, contents_synced = SURVIVALS[survival]
        _develop(self._top, place, names_synced, contents_synced)
        return place / self.home.name

    def _write(self, fd: int, data: bytes, offset: int) -> None:
        super().write(fd, data, offset)
        file = self._open[fd]
        file.content = file.content[:offset].ljust(offset, b"\0") + data + file.content[offset + len(data) :]
        self._remember(file, offset)

    def _remember(self, file: File, offset: int) -> None:
        """What is written, or cut off, from `offset` on makes good what was forgotten behind it."""
        if file.forgotten is not None and offset <= file.forgotten:
            file.forgotten = None

    def _change(self, path: Path | None, *, needs_room: bool = True, partly: Callable[[], None] = lambda: None) -> None:
        if self.is_dead:
            raise PowerCutError
        self.changes += 1
        is_struck = self.changes == self.at or (self.lasting and needs_room and self.was_hit)
        if not is_struck:
            return
        partly()
        if isinstance(self.fault, int):
            raise OSError(self.fault, os.strerror(self.fault), str(path) if path else None)
        self.is_dead = True
        raise PowerCutError

    def _folder(self, path: Path) -> Folder:
        node = self._top
        for name in path.relative_to(self.home.parent).parts:
            inside = node.names[name]
            assert isinstance(inside, Folder)
            node = inside
        return node


NO_ROOM, BROKEN = errno.ENOSPC, errno.EIO


def _picture(path: Path) -> File | Folder:
    """What lies on the real disk, all of it synced."""
    if path.is_dir():
        names = {inside.name: _picture(inside) for inside in path.iterdir()}
        return Folder(names, dict(names))
    content = path.read_bytes()
    return File(content, content)


def _develop(folder: Folder, place: Path, names_synced: bool, contents_synced: bool) -> None:
    """The reverse of `_picture`."""
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(stat.S_IRWXU)
    for name, node in (folder.synced if names_synced else folder.names).items():
        if isinstance(node, Folder):
            _develop(node, place / name, names_synced, contents_synced)
        else:
            (place / name).write_bytes(node.synced if contents_synced else node.content)
            (place / name).chmod(stat.S_IRUSR | stat.S_IWUSR)
