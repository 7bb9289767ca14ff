"""Training without the app: `train` and `resume` run a queue here, and show its news as lines, bars or JSON."""

from __future__ import annotations

import queue
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from store.errors import Problem
from store.records import Run, Step
from store.runs import RunStore
from trainer.queue import JobQueue, opener
from trainer.source import Source
from tui.commands.report import JsonReport, LiveReport, PlainReport, Report
from tui.session import INTERRUPTED, Session


def carry_out(session: Session, begin: Callable[[RunStore, JobQueue], list[Run]], as_json: bool) -> int:
    """Open the store, let `begin` queue some runs, train them and show how. Returns the exit status.

    Ctrl-C, SIGTERM and SIGHUP save what trains before they end it.
    """
    news: queue.SimpleQueue[tuple[Run, Step | None]] = queue.SimpleQueue()
    with RunStore.open(session.home) as store, interruptible():
        for notice in store.notices:
            click.echo(f"cifar-tui: {notice}", err=True)
        jobs = JobQueue(store, opener(session.source_of), session.devices, lambda *change: news.put(change))
        runs = {run.id: run for run in begin(store, jobs)}
        report = _report(as_json, store, runs)
        interrupted = False
        try:
            with report:
                jobs.start()
                while any(is_under_way(run) for run in runs.values()):
                    run, step = news.get()
                    runs[run.id] = run
                    report.show(run, step)
        except KeyboardInterrupt:
            interrupted = True
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C does not wait
        for run in jobs.close():
            report.show(run, None)
            click.echo(words_of_interruption(run), err=True)
    if interrupted:
        return INTERRUPTED
    return 0 if all(run.status == "done" for run in runs.values()) else 1


def is_under_way(run: Run) -> bool:
    """Does this run still train, or wait for its turn? One that was set aside does not."""
    return run.status in {"queued", "running"}


def words_of_interruption(run: Run) -> str:
    """What the shell shows for a run that was left in the middle."""
    return f"{run.model}: saved in epoch {run.epochs_done + 1} of {run.recipe.epochs}, goes on with: cifar-tui resume"


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    names = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, interrupt) for number in names}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def require_data(sources: Iterable[Source]) -> None:
    """Raises Problem, before anything trains, when the images of one of these are not there."""
    for source in dict.fromkeys(sources):
        if missing := source.missing():
            raise Problem(missing)


def _report(as_json: bool, store: RunStore, runs: dict[str, Run]) -> Report:
    if as_json:
        return JsonReport(store)
    if sys.stdout.isatty():
        return LiveReport(store, list(runs.values()))
    return PlainReport(store)
