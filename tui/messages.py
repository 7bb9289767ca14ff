"""The one way news comes into the app: a mailbox that any thread fills, and an empty message that says so."""

from __future__ import annotations

from threading import Lock

from textual.message import Message

from store.records import Run, Step


class News(Message, bubble=False):
    """There is something in the mailbox. One is as good as many."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, News)


class Mailbox:
    """The newest snapshot of each run that changed since it was last emptied."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._newest: dict[str, tuple[Run, Step | None]] = {}

    def put(self, run: Run, step: Step | None) -> None:
        with self._lock:
            self._newest[run.id] = (run, step)

    def empty(self) -> dict[str, tuple[Run, Step | None]]:
        """Take everything out."""
        with self._lock:
            newest, self._newest = self._newest, {}
        return newest
