"""A workbench for each test; its queue is closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.tui.scripted import Workbench
from tui.readings import Reading, Readings

NOON = datetime(2026, 1, 1, 12, 0)

READING = Reading(cpu_busy=0.87, memory_used=6_100_000_000, memory_total=15_600_000_000)

MakeWorkbench = Callable[..., Workbench]


class FixedReadings(Readings):
    """A machine that is always equally busy."""

    def read(self) -> Reading:
        return READING


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is always noon, and the machine is always equally busy: what a screen shows does not depend on either."""
    monkeypatch.setattr("tui.progress.now", lambda: NOON)
    monkeypatch.setattr("tui.screens.queue.Readings", FixedReadings)


@pytest.fixture
def workbench(tmp_path: Path) -> Iterator[MakeWorkbench]:
    """Makes workbenches: `workbench(runs, data=..., writable=...)`."""
    made: list[Workbench] = []

    def make(*args: object, **options: object) -> Workbench:
        for earlier in made:
            earlier.finish()
        bench = Workbench(tmp_path, *args, **options)  # type: ignore[arg-type]
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.close()
