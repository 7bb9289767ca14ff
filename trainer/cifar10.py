"""What the seven files of CIFAR-10 must be, and whether they are. Nothing here unpickles them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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

Progress = Callable[[int, int], None]
"""Hears how many bytes are done, of how many. What it raises ends the work cleanly."""


def faults(folder: Path) -> list[str]:
    """A line for each file that is not there or has another size than the published one. OSError passes."""
    found = []
    for name, published in FILES.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif (size := path.stat().st_size) != published.bytes:
            found.append(f"{name} has {size:,} bytes instead of {published.bytes:,}")
    return found


def damage(folder: Path, progress: Progress | None = None) -> str | None:
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


def reason(error: OSError) -> str:
    """What the system says, without the number and the quotes of Python."""
    return f"{error.strerror or error}"
