"""Where the images come from: found, checked, imported. No torch here, so the app can ask at once."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from store.errors import Problem, UsageProblem
from store.records import DatasetName
from trainer.cifar10 import FILES, FOLDER, TOTAL_BYTES, Progress, damage, faults, reason

THREE_WAYS = (
    "`cifar-tui data download` fetches it, `cifar-tui data import PATH` takes a tar.gz or a folder, "
    "`--data synthetic` trains on a made-up stand-in"
)


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
            wrong = faults(self.folder / FOLDER)
        except OSError as error:
            return f"cannot read {self.folder / FOLDER}: {reason(error)}. Name another folder with --data"
        if len(wrong) == len(FILES):
            return f"CIFAR-10 is not in {self.folder}: {THREE_WAYS}"
        if wrong:
            return f"CIFAR-10 in {self.folder} is incomplete, {wrong[0]}: {THREE_WAYS}"
        return None


def locate(data: str | None, home: Path) -> Source:
    """`--data`, else `$CIFAR_TUI_DATA`, else `data` under the home. The path is absolute: a run remembers it.

    The folder named may hold cifar-10-batches-py or be it. UsageProblem for the home of a user who does not exist.
    """
    if data == "":
        raise UsageProblem("--data is empty: name a folder, or leave it away")
    data = data or os.environ.get("CIFAR_TUI_DATA")
    if data == "synthetic":
        return Source("synthetic")
    folder = absolute(data, "the data folder") if data else home.absolute() / "data"
    return Source("cifar10", folder.parent if folder.name == FOLDER else folder)


def absolute(named: str, what: str) -> Path:
    """The folder that a user named, in full. Raises UsageProblem for what cannot be one; `what` says what it is for."""
    try:
        named.encode()  # it may become part of a record, which is UTF-8
        if "\0" in named:
            raise ValueError
        return Path(named).expanduser().absolute()
    except RuntimeError:
        raise UsageProblem(f"there is no home folder for {named}: name {what} in full") from None
    except ValueError:
        raise UsageProblem(f"{what} cannot be called {named!r}") from None
    except OSError as error:  # the folder in which the program was started was deleted
        raise UsageProblem(f"cannot tell where {named} is: {reason(error)}. Name {what} in full") from error


def verify(source: Source, progress: Progress | None = None) -> str | None:
    """What is wrong with the files, in one line with the ways out; None if all seven md5 sums are the published ones.

    Reads 186 MB. Nothing is unpickled.
    """
    if (fault := source.missing()) or source.folder is None:
        return fault
    if fault := damage(source.folder / FOLDER, progress):
        return f"CIFAR-10 in {source.folder} is damaged, {fault}: {THREE_WAYS}"
    return None


def import_from(path: Path, source: Source, progress: Progress | None = None) -> bool:
    """Bring CIFAR-10 from a tar.gz, a tar, or a folder (cifar-10-batches-py or one that holds it) to where `source`
    expects it. False if it is there already and intact: then nothing is done.

    The files are unpacked beside their place and get their names only when all seven md5 sums are right.
    Problem, in one line, for whatever is wrong with `path` or the place.
    """
    if source.folder is None:
        raise UsageProblem("the synthetic images need no import: name a folder with --data, or leave --data away")
    from trainer.unpack import copy, unpack  # tarfile and gzip, which nothing else needs

    try:
        is_folder = path.is_dir()
        if not is_folder and not path.is_file():
            raise Problem(f"there is no file or folder {path}: name a cifar-10-python.tar.gz or a {FOLDER} folder")
    except OSError as error:
        raise Problem(f"cannot read {path}: {reason(error)}") from error
    if not verify(source):
        return False
    with writing(source.folder, TOTAL_BYTES), tempfile.TemporaryDirectory(prefix=".import-", dir=source.folder) as name:
        beside = Path(name) / FOLDER
        beside.mkdir(mode=0o700)
        if is_folder:
            copy(path / FOLDER if (path / FOLDER).is_dir() else path, beside, progress)
        else:
            unpack(path, beside, progress)
        if fault := damage(beside):
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
                f"the disk of {folder} has {free / 1e6:,.0f} MB free and {need / 1e6:,.0f} MB are needed: "
                "make room, or name another folder with --data"
            )
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Problem(f"the disk of {folder} is full: make room, or name another folder with --data") from error
        raise Problem(f"cannot write to {folder}: {reason(error)}. Name another folder with --data") from error


def _put_in_place(beside: Path, place: Path) -> None:
    """Give the checked files their names. What else lies in an existing folder is left alone."""
    if not place.exists():
        beside.rename(place)
        return
    for name in FILES:
        (beside / name).replace(place / name)
