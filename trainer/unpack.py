"""CIFAR-10 out of an archive or a folder that somebody brings: the seven files and nothing else.

What is written here is not yet trusted: whoever calls compares the md5 sums before the files get their names.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from store.errors import Problem
from trainer.cifar10 import FILES, FOLDER, TOTAL_BYTES, Progress, faults, reason


def copy(folder: Path, beside: Path, progress: Progress | None) -> None:
    """Copy the seven files out of a folder."""
    try:
        if wrong := faults(folder):
            raise Problem(f"{folder} is not the python version of CIFAR-10, {wrong[0]}. Nothing was imported")
    except OSError as error:
        raise Problem(f"cannot read {folder}: {reason(error)}") from error
    done = 0
    for name in FILES:
        try:
            file = (folder / name).open("rb")
        except OSError as error:
            raise Problem(f"cannot read {folder / name}: {reason(error)}") from error
        with file:
            done = _write(file, beside / name, done, progress)


def _write(file: IO[bytes], path: Path, done: int, progress: Progress | None) -> int:
    """Write a new file that only its owner may read. Returns `done`, grown by what was written."""
    path.touch(mode=0o600, exist_ok=False)
    with path.open("wb") as copy:
        while piece := file.read(2**20):
            copy.write(piece)
            done += len(piece)
            if progress:
                progress(done, TOTAL_BYTES)
    return done


class _Bounded:
    """Reads a file up to a number of bytes: an archive that unpacks to far more than CIFAR-10 is not followed."""

    def __init__(self, file: BinaryIO | gzip.GzipFile, limit: int) -> None:
        self.file = file
        self.left = limit

    def read(self, size: int) -> bytes:
        piece = self.file.read(size)
        self.left -= len(piece)
        if self.left < 0:
            raise tarfile.ReadError("it unpacks to far more than CIFAR-10")
        return piece


def unpack(path: Path, beside: Path, progress: Progress | None) -> None:
    """Unpack the seven files out of a tar or tar.gz, and nothing else."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise Problem(f"cannot read {path}: {reason(error)}") from error
    with raw:
        packed = raw.peek(2)[:2] == b"\x1f\x8b"
        unpacked = cast("IO[bytes]", _Bounded(gzip.GzipFile(fileobj=raw) if packed else raw, 2 * TOTAL_BYTES))
        try:
            with tarfile.open(fileobj=unpacked, mode="r|") as archive:
                _unpack_members(archive, beside, progress)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
            raise Problem(f"{path} is not CIFAR-10 as a whole tar.gz: {error}. Nothing was imported") from error


def _unpack_members(archive: tarfile.TarFile, beside: Path, progress: Progress | None) -> None:
    """Write the seven files, each once. ReadError for what the archive lacks, and for what it should not hold."""
    passes = getattr(tarfile, "data_filter", None)  # Python 3.11.0 to 3.11.3 lack it
    done, found = 0, set()
    for member in archive:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
            raise tarfile.ReadError(f"it holds {member.name!r}, a link or a path that leads out of the archive")
        if passes:
            passes(member, str(beside))
        if path.name not in FILES or path.parent.name not in ("", FOLDER):
            continue  # such as readme.html
        published = FILES[path.name]
        if not member.isreg() or member.size != published.bytes or path.name in found:
            raise tarfile.ReadError(f"{member.name!r} is not one file of {published.bytes:,} bytes")
        file = archive.extractfile(member)
        assert file is not None  # a regular file has content
        with file:
            done = _write(file, beside / path.name, done, progress)
        found.add(path.name)
    if lacking := FILES.keys() - found:
        raise tarfile.ReadError(f"{min(lacking)} is missing")
