"""Where the images come from: found, downloaded, imported, checked. No torch here, so the app can ask at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from store.records import DatasetName

FOLDER = "cifar-10-batches-py"


@dataclass(frozen=True, slots=True)
class Source:
    """A data set and where it lies."""

    name: DatasetName
    folder: Path | None = None  # the folder that holds (or will hold) cifar-10-batches-py; None for synthetic


def locate(data: str | None, home: Path) -> Source:
    """`--data`, else `$CIFAR_TUI_DATA`, else `data` under the home."""
    data = data or os.environ.get("CIFAR_TUI_DATA")
    if data == "synthetic":
        return Source("synthetic")
    folder = Path(data) if data else home / "data"
    return Source("cifar10", folder.parent if folder.name == FOLDER else folder)
