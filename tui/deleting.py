"""Deleting runs, and bringing them back as long as the app is open."""

from __future__ import annotations

import logging
from pathlib import Path

from store.errors import Problem
from store.records import Run
from store.runs import RunStore
from trainer.queue import JobQueue
from tui import words
from tui.background import in_background
from tui.configured import ConfiguredApp


class DeletingApp(ConfiguredApp):
    """What was deleted lies in the store's trash until the app ends; the last deletion is undone first."""

    queue: JobQueue | None

    def __init__(self, store: RunStore, home: Path) -> None:
        super().__init__(store, home)
        self.deleted: list[list[str]] = []  # the ids of each deletion, the last one last

    def empty_trash(self) -> None:
        """Delete for good: when the app ends, and when it begins, for what a killed app left there was deleted, too."""
        self.deleted = []
        if self.store.writable:
            try:
                self.store.empty_trash()
            except Problem as problem:
                logging.getLogger("cifar-tui").warning("the trash is not empty: %s", problem)

    def delete(self, ids: list[str]) -> None:
        """Set runs aside, in the background: many of them take a moment."""
        queue = self.queue
        if queue is None:
            return

        def gone(_: None) -> None:
            self.deleted.append(ids)
            self.forget(ids)
            self.notify(f"{words.several(len(ids), 'run')} deleted. u brings back what was deleted last.")

        self.unfinished.append(in_background(self, "deleting", lambda: queue.set_aside(ids), gone))

    def undo_delete(self) -> None:
        """Bring back what was deleted last."""
        if not self.deleted:
            self.notify("Nothing was deleted since you started the app.")
            return
        ids = self.deleted.pop()

        def back(runs: list[Run]) -> None:
            self.welcome(runs)
            self.notify(f"{words.several(len(runs), 'run')} brought back.")

        self.unfinished.append(in_background(self, "bringing back", lambda: self.store.bring_back(ids), back))
