"""Training without the app: `train` and `resume` run a queue here, and show its news as lines, bars or JSON."""

from __future__ import annotations

import logging
import queue
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import click
from msgspec.structs import replace

from store import inbox
from store.errors import Problem, UsageProblem
from store.records import Run, Step
from store.runs import Owner, RunStore, StoreInUse
from trainer.device import is_meant
from trainer.lifecycle import last_position
from trainer.queue import JobQueue
from trainer.source import Source
from tui import words
from tui.commands.report import JsonReport, LiveReport, PlainReport, Report
from tui.session import INTERRUPTED, Session
from tui.workplace import workplace

log = logging.getLogger("cifar-tui")

Begin = Callable[[RunStore, JobQueue], list[Run]]
News = queue.SimpleQueue[tuple[Run, Step | None]]
BETWEEN_LOOKS = 1.0  # seconds: how long a run that was handed over may wait to be taken in
SIGNALS = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has no SIGHUP


def carry_out(session: Session, begin: Begin, as_json: bool) -> int:
    """Open the store, let `begin` queue some runs, train them and show how. Returns the exit status: 1 when one of
    these was not done. Runs that other programs hand over meanwhile are trained too. Raises StoreInUse.

    Ctrl-C, SIGTERM and SIGHUP save what trains before they end it.
    """
    status = _own_and_train(session, begin, as_json)
    seen = set[Path]()
    while status != INTERRUPTED and (
        late := set(inbox.waiting(session.home)) - seen
    ):  # they came while we were leaving
        seen |= late
        with suppress(StoreInUse):
            status = max(status, _own_and_train(session, lambda store, jobs: [], as_json))
    return status


def hand_over(session: Session, owner: Owner | None, make: Iterable[Callable[[RunStore], Run]], as_json: bool) -> int:
    """Lay runs in the inbox of the program that owns the store, which will train them. Returns the exit status."""
    handed: list[Run] = []
    with RunStore.open(session.home, write=False) as store:
        last = last_position(store)
        for number, run_of in enumerate(make, 1):
            run = replace(run_of(store), position=last + number)
            inbox.put(session.home, run)
            handed.append(run)
            if as_json:
                JsonReport(store).run(run)
            else:
                click.echo(f"{run.model} {run.id}: handed over to {owner or 'the program that uses the store'}")
    with suppress(StoreInUse):  # unless it has left meanwhile: then they are ours to train
        return carry_out(session, lambda store, jobs: [store.run(run.id) for run in handed], as_json)
    return 0


def _own_and_train(session: Session, begin: Begin, as_json: bool) -> int:
    news: News = queue.SimpleQueue()
    with RunStore.open(session.home) as store, interruptible(), workplace(session) as place:
        jobs = place.queue(store, lambda *change: news.put(change))
        received = take_in(jobs)
        for notice in store.notices:
            click.echo(f"cifar-tui: {notice}", err=True)
        own = begin(store, jobs)
        runs = {run.id: run for run in (*received, *own)}
        report = _report(as_json, store, list(runs.values()))
        is_interrupted = False
        try:
            with report:
                jobs.start()
                follow(jobs, news, runs, report)
        except KeyboardInterrupt:
            is_interrupted = True
        except OSError as error:  # whoever read our output has gone, or it has no room
            is_interrupted = True
            log.warning("the output cannot be written: %s", error)
        if is_interrupted:
            leave_us_alone()
        in_flight = jobs.close()
        with suppress(OSError):
            for run in in_flight:
                report.show(run, None)
                click.echo(words.farewell(run, "with: cifar-tui resume"), err=True)
            for line in words_of_waiting(runs.values(), jobs):
                click.echo(f"cifar-tui: {line}", err=True)
    if is_interrupted:
        return INTERRUPTED
    return 0 if all(runs[run.id].status == "done" for run in own) else 1


def follow(jobs: JobQueue, news: News, runs: dict[str, Run], report: Report) -> None:
    """Show what happens until no run is under way, or none that is can be trained. `runs` keeps the newest snapshots;
    what other programs hand over meanwhile comes to them."""
    while True:
        runs |= {run.id: run for run in take_in(jobs)}
        if news.empty():  # the last word on each run was heard
            can_train = [run for run in runs.values() if run.status == "running" or not jobs.why_it_waits(run)]
            if not any(map(is_under_way, can_train)):
                return
        with suppress(queue.Empty):
            run, step = news.get(timeout=BETWEEN_LOOKS)
            runs[run.id] = run
            report.show(run, step)


def take_in(jobs: JobQueue) -> list[Run]:
    """The runs that other programs have handed over. What is wrong with the inbox must not end a training."""
    try:
        return jobs.receive()
    except Problem as problem:
        log.warning("nothing could be taken in: %s", problem)
        return []


def is_under_way(run: Run) -> bool:
    """Does this run train, or wait for its turn or for room on the disk? One that a user set aside does not."""
    return run.status in {"queued", "running"} or run.waits_for_room


def words_of_waiting(runs: Iterable[Run], jobs: JobQueue) -> list[str]:
    """A line for each reason why runs that are under way could not be trained here."""
    reasons = Counter(why for run in runs if is_under_way(run) and (why := jobs.why_it_waits(run)))
    return [
        f"{words.several(number, 'run')} not trained, {why}; cifar-tui resume trains what is queued"
        for why, number in reasons.items()
    ]


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in SIGNALS]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_us_alone() -> None:
    """What trains is being saved: from here on only a second Ctrl-C ends the process, at once."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name in SIGNALS:
        signal.signal(getattr(signal, name), signal.SIG_IGN)


def require_data(sources: Iterable[Source]) -> None:
    """Raises Problem, before anything trains, when the images of one of these are not there."""
    for source in dict.fromkeys(sources):
        if missing := source.missing():
            raise Problem(missing)


def require_name(pin: str | None) -> None:
    """Raises UsageProblem for what cannot be the name of a device in any session."""
    if pin is not None and not re.fullmatch(r"[\w./:-]{1,100}", pin, re.ASCII):
        raise UsageProblem(f"--pin cannot be {pin!r}: it names one device, such as cuda:1")


def require_device(pin: str | None, jobs: JobQueue) -> None:
    """Raises UsageProblem when this is none of the devices that train here."""
    if pin is not None and not any(is_meant(pin, device) for device in jobs.devices):
        names = ", ".join("the first GPU, else the CPU" if one == "auto" else one for one in jobs.devices)
        hint = f"cifar-tui --device {pin} …, or --device all, names it"
        raise UsageProblem(f"--pin {pin}: this session trains on {names}; {hint}")


def _report(as_json: bool, store: RunStore, runs: list[Run]) -> Report:
    if as_json:
        return JsonReport(store)
    if sys.stdout.isatty():
        return LiveReport(store, runs)
    return PlainReport(store)
