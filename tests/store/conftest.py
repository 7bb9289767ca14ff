"""What the tests of the store share."""

from __future__ import annotations

from pathlib import Path

import pytest

from store import files
from tests.store.faulty_disk import QuickDisk


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for the real disk; the tests of power cuts have a disk of their own."""
    monkeypatch.setattr(files, "disk", QuickDisk())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that is not there yet."""
    return tmp_path / "home"
