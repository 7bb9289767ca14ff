"""SIGTERM, and SIGHUP from a terminal that has gone, end the app as its user does: what trains is saved first."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType

from textual.app import App

from trainer.queue import JobQueue
from tui.session import INTERRUPTED

PATIENCE = 5.0  # seconds that the screen has to go away; then what trains is saved without it
LAST_WORDS = 2.0  # seconds for the lines that the shell shows afterwards


@contextmanager
def ended_by_signals(app: App[None], queue: JobQueue | None) -> Iterator[Event]:
    """Inside, a signal makes the app leave. The event tells whether one came.

    A terminal that takes no more (an ssh connection that froze) would hold up the app for ever, for it waits until all
    is drawn. Then the process ends without it.
    """
    came, gone = Event(), Event()

    def end_without_the_screen() -> None:
        gone.wait(PATIENCE)
        if queue is not None:
            queue.close()
        gone.wait(PATIENCE)
        Event().wait(LAST_WORDS)
        os._exit(INTERRUPTED)

    def leave(number: int, frame: FrameType | None) -> None:
        if not came.is_set():
            came.set()
            Thread(target=end_without_the_screen, name="ends the process", daemon=True).start()
            app.call_later(app.exit)

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), leave)
    try:
        yield came
    finally:
        gone.set()
