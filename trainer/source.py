"""Where the images come from: found, checked, imported. No torch here, so the app can ask at once."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, NamedTuple, cast

from store.errors import Problem, UsageProblem
from store.records import DatasetName

FOLDER = "cifar-10-batches-py"


class Published(NamedTuple):
    """What a file of the official CIFAR-10 must be."""

    bytes: int
    md5: str


# The python version of CIFAR-10. The md5 sums are those of torchvision/datasets/cifar.py; the sizes were read off files
# that have these sums.
FILES = {
    "batches.meta": Published(158, "5ff9c542aee3614f3951f8cda6e48888"),
    "data_batch_1": Published(31_035_704, "c99cafc152244af753f735de768cd75f"),
    "data_batch_2": Published(31_035_320, "d4bba439e000b95fd0a9bffe97cbabec"),
    "data_batch_3": Published(31_035_999, "54ebc095f3ab1f0389bbae665268c751"),
    "data_batch_4": Published(31_035_696, "634d18415352ddfa80567beed471001a"),
    "data_batch_5": Published(31_035_623, "482c414d41f54cd18b22e5b47cb7c3cb"),
    "test_batch": Published(31_035_526, "40351d587109b95175f43aff81a1287e"),
}
TOTAL_BYTES = sum(file.bytes for file in FILES.values())

THREE_WAYS = (
    "`cifar-tui data download` fetches it, `cifar-tui data import PATH` takes a tar.gz or a folder, "
    "`--data synthetic` trains on a made-up stand-in"
)

Progress = Callable[[int, int], None]
"""Hears how many bytes are done, of how many. What it raises ends the work cleanly."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data set and where it lies."""

    name: DatasetName
    folder: Path | None = None  # the folder that holds (or will hold) cifar-10-batches-py; None for synthetic

    def missing(self) -> str | None:
        """What stands in the way of training, in one line with the ways out; None if nothing does.

        A quick look at names and sizes; `verify` reads the files.
        """
        if self.folder is None:
            return None
        try:
            faults = _faults(self.folder / FOLDER)
        except OSError as error:
            return f"Cannot read {self.folder / FOLDER}: {reason(error)}. Name another folder with --data"
        if len(faults) == len(FILES):
            return f"CIFAR-10 is not in {self.folder}: {THREE_WAYS}"
        if faults:
            return f"CIFAR-10 in {self.folder} is incomplete, {faults[0]}: {THREE_WAYS}"
        return None


def locate(data: str | None, home: Path) -> Source:
    """`--data`, else `$CIFAR_TUI_DATA`, else `data` under the home.

    The folder named may hold cifar-10-batches-py or be it. UsageProblem for the home of a user who does not exist.
    """
    data = data or os.environ.get("CIFAR_TUI_DATA")
    if data == "synthetic":
        return Source("synthetic")
    try:
        folder = Path(data).expanduser() if data else home / "data"
    except RuntimeError:
        raise UsageProblem(f"There is no home folder for {data}: name the data folder in full") from None
    return Source("cifar10", folder.parent if folder.name == FOLDER else folder)


def verify(source: Source, progress: Progress | None = None) -> str | None:
    """What is wrong with the files, in one line with the ways out; None if all seven md5 sums are the published ones.

    Reads 186 MB. Nothing is unpickled.
    """
    if (fault := source.missing()) or source.folder is None:
        return fault
    if fault := _damage(source.folder / FOLDER, progress):
        return f"CIFAR-10 in {source.folder} is damaged, {fault}: {THREE_WAYS}"
    return None


def import_from(path: Path, source: Source, progress: Progress | None = None) -> bool:
    """Bring CIFAR-10 from a tar.gz, a tar, or a folder (cifar-10-batches-py or one that holds it) to where `source`
    expects it. False if it is there already and intact: then nothing is done.

    The files are unpacked beside their place and get their names only when all seven md5 sums are right.
    Problem, in one line, for whatever is wrong with `path` or the place.
    """
    if source.folder is None:
        raise UsageProblem("The synthetic images need no import: name a folder with --data, or leave --data away")
    try:
        is_folder = path.is_dir()
        if not is_folder and not path.is_file():
            raise Problem(f"There is no file or folder {path}: name a cifar-10-python.tar.gz or a {FOLDER} folder")
    except OSError as error:
        raise Problem(f"Cannot read {path}: {reason(error)}") from error
    if not verify(source):
        return False
    with writing(source.folder, TOTAL_BYTES), tempfile.TemporaryDirectory(prefix=".import-", dir=source.folder) as name:
        beside = Path(name) / FOLDER
        beside.mkdir(mode=0o700)
        if is_folder:
            _copy(path / FOLDER if (path / FOLDER).is_dir() else path, beside, progress)
        else:
            _unpack(path, beside, progress)
        if fault := _damage(beside):
            raise Problem(f"{path} is not the published CIFAR-10, {fault}. Nothing was imported")
        _put_in_place(beside, source.folder / FOLDER)
    return True


@contextmanager
def writing(folder: Path, need: int) -> Iterator[None]:
    """Make `folder` (0700) with room for `need` bytes; what the system refuses meanwhile becomes a Problem."""
    try:
        for new in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            new.mkdir(mode=0o700, exist_ok=True)
        if (free := shutil.disk_usage(folder).free) < need:
            raise Problem(
                f"The disk of {folder} has {free / 1e6:,.0f} MB free and {need / 1e6:,.0f} MB are needed: "
                "make room, or name another folder with --data"
            )
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Problem(f"The disk of {folder} is full: make room, or name another folder with --data") from error
        raise Problem(f"Cannot write to {folder}: {reason(error)}. Name another folder with --data") from error


def reason(error: OSError) -> str:
    """What the system says, without the number and the quotes of Python."""
    return f"{error.strerror or error}"


def _faults(folder: Path) -> list[str]:
    """A line for each file that is not there or has another size than the published one. OSError passes."""
    faults = []
    for name, published in FILES.items():
        path = folder / name
        if not path.is_file():
            faults.append(f"{name} is missing")
        elif (size := path.stat().st_size) != published.bytes:
            faults.append(f"{name} has {size:,} bytes instead of {published.bytes:,}")
    return faults


def _damage(folder: Path, progress: Progress | None = None) -> str | None:
    """The first of the seven files that is not the published one, and why; None if all are."""
    done = 0
    for name, published in FILES.items():
        try:
            with (folder / name).open("rb") as file:
                md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError as error:
            return f"{name} cannot be read ({reason(error)})"
        if md5 != published.md5:
            return f"{name} has md5 {md5} instead of {published.md5}"
        done += published.bytes
        if progress:
            progress(done, TOTAL_BYTES)
    return None


def _copy(folder: Path, beside: Path, progress: Progress | None) -> None:
    """Copy the seven files out of a folder."""
    try:
        if faults := _faults(folder):
            raise Problem(f"{folder} is not the python version of CIFAR-10, {faults[0]}. Nothing was imported")
    except OSError as error:
        raise Problem(f"Cannot read {folder}: {reason(error)}") from error
    done = 0
    for name in FILES:
        try:
            file = (folder / name).open("rb")
        except OSError as error:
            raise Problem(f"Cannot read {folder / name}: {reason(error)}") from error
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


def _unpack(path: Path, beside: Path, progress: Progress | None) -> None:
    """Unpack the seven files out of a tar or tar.gz, and nothing else."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise Problem(f"Cannot read {path}: {reason(error)}") from error
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


def _put_in_place(beside: Path, place: Path) -> None:
    """Give the checked files their names. What else lies in an existing folder is left alone."""
    if not place.exists():
        beside.rename(place)
        return
    for name in FILES:
        (beside / name).replace(place / name)
