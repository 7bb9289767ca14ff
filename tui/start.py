"""`cifar-tui` without a command: the app, from the store it opens to the lines that the shell shows afterwards."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import nullcontext, suppress

import click

from store.errors import UsageProblem
from store.runs import RunStore, StoreInUse
from trainer.queue import JobQueue, Tell
from tui import words
from tui.session import INTERRUPTED, Session
from tui.workplace import workplace


def start_app(session: Session) -> int:
    """Show the app until the user leaves it. Returns the exit status.

    Where another program owns the store, the app opens for reading and follows it.
    """
    in_browser = "TEXTUAL_DRIVER" in os.environ  # of `cifar-tui web`, which speaks to it through pipes
    if not in_browser and not (sys.stdin.isatty() and sys.stderr.isatty()):  # Textual reads the one, draws to the other
        raise UsageProblem("the app needs a terminal; cifar-tui --help lists the commands that do without")
    gc.disable()  # all that is made before the first frame stays; the app collects again from then on
    try:
        store = RunStore.open(session.home, read_later=True)  # once the first frame is drawn
    except StoreInUse:
        store = RunStore.open(session.home, write=False, read_later=True)
    with store, workplace(session) if store.writable else nullcontext() as place:
        from tui.app import run  # Textual, whose import the store's errors need not wait for

        def make_queue(tell: Tell) -> JobQueue:
            assert place is not None  # the store can be written to
            return place.queue(store, tell)

        in_flight, is_interrupted = run(session, store, make_queue)
        with suppress(OSError):  # the terminal may have gone
            for left in () if in_browser else in_flight:
                click.echo(words.farewell(left, "at the next start"))
    return INTERRUPTED if is_interrupted else 0
