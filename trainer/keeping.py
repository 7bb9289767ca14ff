"""The newest snapshot of each run: to the store, which may refuse it, and to whoever listens."""

from __future__ import annotations

import logging
from threading import Lock

from store.errors import Problem
from store.records import Run, Step
from store.runs import RunStore
from trainer.training import Tell

log = logging.getLogger("cifar-tui")


class Keeper:
    """Keeps snapshots in a store and tells them. What a full disk refuses stays in memory until it lets us."""

    def __init__(self, store: RunStore, listener: Tell) -> None:
        self._store, self._listener = store, listener
        self._lock = Lock()
        self._unsaved: dict[str, Run] = {}

    def keep(self, run: Run, step: Step | None = None) -> Run:
        """A newer snapshot: to the store, then to whoever listens. Raises StoreError."""
        self.save(run)
        self.tell(run, step)
        return run

    def save(self, run: Run) -> None:
        """A newer snapshot: to the store, and to nobody yet. Raises StoreError."""
        self._store.save(run)
        with self._lock:
            self._unsaved.pop(run.id, None)

    def keep_if_possible(self, run: Run) -> Run:
        """As `keep`; where the disk refuses, the snapshot stays in memory."""
        try:
            return self.keep(run)
        except Problem as problem:
            log.warning("run %s is %s, which could not be saved: %s", run.id, run.status, problem)
            with self._lock:
                self._unsaved[run.id] = run
            self.tell(run, None)
            return run

    def tell(self, run: Run, step: Step | None) -> None:
        """A screen that went away must not end a training."""
        try:
            self._listener(run, step)
        except Exception:
            log.exception("news of run %s was not heard", run.id)

    def known(self, id: str) -> Run:
        """The newest snapshot of a run, also when the disk did not take it. Raises UnknownRun."""
        with self._lock:
            unsaved = self._unsaved.get(id)
        return unsaved or self._store.run(id)

    def unsaved(self) -> list[Run]:
        """What is in memory only."""
        with self._lock:
            return list(self._unsaved.values())
