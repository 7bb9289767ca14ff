"""A workbench for each test; its queue is closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tui.scripted import Workbench

MakeWorkbench = Callable[..., Workbench]


@pytest.fixture
def workbench(tmp_path: Path) -> Iterator[MakeWorkbench]:
    """Makes workbenches: `workbench(runs, data=..., writable=...)`."""
    made: list[Workbench] = []

    def make(*args: object, **options: object) -> Workbench:
        bench = Workbench(tmp_path, *args, **options)  # type: ignore[arg-type]
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.close()
