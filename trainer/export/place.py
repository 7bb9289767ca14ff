"""Where a product goes: never over something else unless told to, and never half of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from store import files
from store.errors import Problem, UsageProblem
from trainer.cifar10 import reason


class Taken(UsageProblem):
    """Something else is where a product should go."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there already: --force replaces it")
        self.path = path


def check_free(path: Path, *, force: bool) -> None:
    """Raises UsageProblem when something is there already (unless `force`), or nothing could be put there."""
    with _explained(path):
        if path.is_dir():
            raise UsageProblem(f"{path} is a folder: name a file")
        if not path.parent.is_dir():
            raise UsageProblem(f"there is no folder {path.parent}")
        if path.exists() and not force:
            raise Taken(path)


def place(path: Path, data: bytes | str, *, force: bool = False) -> Path:
    """Write a whole file beside its place and swap it in. Returns its path. Raises Problem."""
    check_free(path, force=force)
    with _explained(path):
        files.replace(path, data.encode() if isinstance(data, str) else data)
        path.chmod(0o666 & ~_umask())  # a product is for others, too, as far as its owner's umask says so
    return path


def place_folder(path: Path, fill: Callable[[Path], object], *, force: bool = False) -> Path:
    """Fill a folder beside its place, and swap it in whole. Returns its path. Raises Problem."""
    with _explained(path):
        if path.exists() and not path.is_dir():
            raise UsageProblem(f"{path} is a file: name a folder")
        if path.exists() and any(path.iterdir()) and not force:
            raise Taken(path)
        make_folder(path.parent)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            fill(beside)
            beside.chmod(0o777 & ~_umask())
            if path.exists():
                shutil.rmtree(path)
            beside.rename(path)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    return path


def make_folder(path: Path) -> Path:
    """A folder for products, made if it is not there. Raises Problem."""
    with _explained(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def required(module: str, extra: str) -> ModuleType:
    """A module that only this product needs. Raises Problem that names the extra which brings it."""
    try:
        return import_module(module)
    except ImportError:
        raise Problem(f"this needs {module}, which is not installed: pip install 'cifar-tui[{extra}]'") from None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Problem(f"cannot write {path}: {reason(error)}") from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
