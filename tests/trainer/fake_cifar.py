"""Seven small files that the program takes for CIFAR-10, so that tests need neither the real ones nor their size."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer.cifar10 import FILES, FOLDER, Published

IMAGES = 20  # in each of the five batches and in the test batch
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def contents() -> dict[str, bytes]:
    """The seven files by name, pickled as the official ones are."""
    random = np.random.default_rng(0)
    files = {}
    for name in FILES:
        batch: dict[str, Any] = {"label_names": list(CLASSES)}
        if name != "batches.meta":
            batch = {"data": random.integers(0, 256, (IMAGES, 3072), dtype=np.uint8)}
            batch["labels"] = random.integers(0, 10, IMAGES).tolist()
        files[name] = pickle.dumps(batch, protocol=2)
    return files


def publish(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make these the files that the program expects."""
    for name, content in files.items():
        monkeypatch.setitem(FILES, name, Published(len(content), md5(content)))


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def write(files: dict[str, bytes], folder: Path) -> Path:
    """Lay the files down as a data folder holds them. Returns that folder."""
    (folder / FOLDER).mkdir(parents=True)
    for name, content in files.items():
        (folder / FOLDER / name).write_bytes(content)
    return folder


def packed(files: dict[str, bytes], *extra: tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    """An archive of the files in their folder, after whatever members come first."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=mode) as tar:  # type: ignore[call-overload] # any mode
        for member in extra:
            tar.addfile(member, io.BytesIO(b"x" * member.size) if member.isreg() else None)
        for name, content in files.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()
