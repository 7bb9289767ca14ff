"""The one small place where the store changes files. Whatever is acknowledged went through here.

Every change is one call of `disk`, so that a test can put a disk in its place that fails, fills up or loses power at
the n-th call. Files are made 0600 and folders 0700, whatever the umask says: a home is nobody else's business.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from store.errors import DiskFull, StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class Disk:
    """The changes a disk knows. Each raises OSError."""

    def create(self, path: Path) -> int:
        """Open for writing from the start, made if it is not there. Returns the descriptor."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(fd, 0o600)
        return fd

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def write(self, fd: int, data: Buffer, offset: int) -> None:
        view = memoryview(data)
        while view:  # a signal or a nearly full disk may cut a write short
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written

    def sync(self, fd: int) -> None:
        """Wait until what was written through `fd` would outlive a power cut."""
        os.fsync(fd)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the names in this folder would outlive a power cut."""
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        old.replace(new)

    def link(self, old: Path, new: Path) -> None:
        """A second name for a file; FileExistsError when the name is taken."""
        new.hardlink_to(old)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o700)
        path.chmod(0o700)

    def remove_folder(self, path: Path) -> None:
        path.rmdir()


disk = Disk()


def write_new(path: Path, data: bytes) -> None:
    """Write a whole file that nothing reads yet, and wait until its content is safe. Its name is not safe yet."""
    fd = disk.create(path)
    try:
        disk.truncate(fd, 0)
        disk.write(fd, data, 0)
        disk.sync(fd)
    finally:
        os.close(fd)


def replace(path: Path, data: bytes) -> None:
    """Give a file new content in one step: at every moment, also after a power cut, it has the old or the new one."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, keep: Path | None = None) -> Iterator[io.BufferedWriter[Writer]]:
    """As `replace`, for content that is written piece by piece inside the block.

    The content before is kept under the name `keep`, if one is given: between the two renames only that one is there.
    """
    beside = path.with_name(path.name + ".tmp")
    try:
        fd = disk.create(beside)
        try:
            disk.truncate(fd, 0)
            with io.BufferedWriter(Writer(fd)) as file:
                yield file
            disk.sync(fd)
        finally:
            os.close(fd)
        if keep and path.exists():
            disk.rename(path, keep)
        disk.rename(beside, path)
    except BaseException:
        with suppress(OSError):
            disk.unlink(beside)
        raise
    disk.sync_folder(path.parent)


class Writer(io.RawIOBase):
    """A file that is being written, through `disk`."""

    def __init__(self, fd: int) -> None:
        self._fd, self._size = fd, 0

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        view = memoryview(data).cast("B")
        disk.write(self._fd, view, self._size)
        self._size += len(view)
        return len(view)


def second_name(path: Path, name: Path) -> None:
    """Keep the content of `path` under another free name, too; where there are no hard links, as a copy."""
    try:
        disk.link(path, name)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        if name.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(name)) from error
        replace(name, path.read_bytes())


def make_folder(path: Path) -> None:
    """Make a folder that outlives a power cut. One that is there is left as it is."""
    if path.is_dir():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        disk.make_folder(path)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    try:
        disk.sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            disk.remove_folder(path)  # else the next call would take its name for safe
        raise


def remove_tree(path: Path) -> None:
    """Remove a folder with everything in it; a symbolic link is removed and not followed."""
    if path.is_symlink() or not path.is_dir():
        disk.unlink(path)
        return
    for inside in sorted(path.iterdir()):
        remove_tree(inside)
    disk.remove_folder(path)


def explain(error: OSError, path: Path) -> StoreError:
    """What an OSError means, in one line that names the file or folder."""
    named = error.filename if isinstance(error.filename, str) else str(path)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return DiskFull(f"no space is left for {named}; what was saved before is whole")
        case errno.EROFS:
            return StoreError(f"{named} is on a read-only file system; name another folder with --home")
        case errno.EACCES | errno.EPERM:
            return StoreError(f"no permission to use {named}; name another folder with --home, or ask its owner")
        case errno.ENOTDIR | errno.EEXIST:
            return StoreError(f"{named} is a file, or lies below one; --home names a folder")
        case _:
            return StoreError(f"cannot use {named}: {error.strerror or error}")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say an OSError inside as a StoreError about `path`."""
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error
