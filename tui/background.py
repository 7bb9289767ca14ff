"""Work that would hold up the screen, in a daemon thread of its own.

Textual's own thread workers keep the app from quitting until they end; these do not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread
from typing import TypeVar
from weakref import WeakSet

from textual.app import App
from textual.widget import Widget

from store.errors import Problem
from zoo import UnfitModel

Result = TypeVar("Result")

_begun: WeakSet[Thread] = WeakSet()

log = logging.getLogger("cifar-tui")


def in_background(
    widget: Widget | App[None], name: str, work: Callable[[], Result], then: Callable[[Result], object] | None = None
) -> Thread:
    """Do `work` in a thread, then `then` with its result on the app's thread, if the widget still lives.

    What goes wrong becomes a toast; what should not go wrong stands in the log, too.
    """

    def target() -> None:
        try:
            result = work()
        except (Problem, LookupError, UnfitModel) as problem:
            widget.call_later(widget.notify, str(problem), severity="error")
        except Exception as error:
            log.exception("%s went wrong", name)
            widget.call_later(widget.notify, f"{name}: {type(error).__name__}: {error}", severity="error")
        else:
            if then is not None:
                widget.call_later(then, result)

    thread = Thread(target=target, name=name, daemon=True)
    _begun.add(thread)
    thread.start()
    return thread


def is_working() -> bool:
    """Whether something is still under way. Python must then be left by `os._exit`, or it may abort inside torch."""
    return any(thread.is_alive() for thread in _begun)
