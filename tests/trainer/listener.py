"""Hears what a queue tells, so that a test can wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from store.records import Run, Step


class Listener:
    """Hears what a queue tells, and waits for what a test expects."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.heard: list[tuple[Run, Step | None]] = []
        self._changed = threading.Condition()

    def __call__(self, run: Run, step: Step | None) -> None:
        with self._changed:
            self.heard.append((run, step))
            self.runs[run.id] = run
            self._changed.notify_all()

    def wait_until(self, true: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(true, timeout=20), "waited in vain"

    def wait_for(self, id: str, status: str) -> Run:
        self.wait_until(lambda: id in self.runs and self.runs[id].status == status)
        return self.runs[id]

    def wait_for_step(self, id: str) -> None:
        self.wait_until(lambda: any(run.id == id and step and step.phase == "train" for run, step in self.heard))
