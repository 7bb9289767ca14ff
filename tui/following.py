"""An app that knows every run: what the trainings of this process tell, or what another process writes.

News crosses threads through one mailbox (see tui/messages.py). Screens watch `runs` and `steps`, which are set anew
whenever something has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from threading import Thread
from time import monotonic

from textual.reactive import var
from textual.timer import Timer

from store.errors import Problem
from store.records import Run, Step
from store.runs import RunStore
from tui import words
from tui.background import in_background
from tui.compare import model_name
from tui.messages import Mailbox, News
from tui.styled import StyledApp

BETWEEN_NEWS = 0.25  # seconds: how often the mailbox is emptied at most
BETWEEN_LOOKS = 1.0  # seconds: how often the store of another process is read


class FollowingApp(StyledApp):
    """Keeps `runs` and `steps` as new as they can be, and says when a run ends."""

    runs: var[dict[str, Run]] = var(dict)  # every run by its id, oldest first
    steps: var[dict[str, Step]] = var(dict)  # where the runs that train are inside their epochs

    def __init__(self, store: RunStore) -> None:
        super().__init__()
        self.store = store
        self.ended = set[str]()  # runs that have ended since the app began
        self.unfinished: list[Thread] = []  # what must be done before leaving
        self.problem: Problem | None = None  # why the app cannot go on
        self._mailbox = Mailbox()
        self._last_mail = 0.0
        self._timer: Timer | None = None
        self.knows_runs = store.is_read  # else `runs` tells nothing yet
        if store.is_read:
            self.set_reactive(FollowingApp.runs, {run.id: run for run in store.runs()})

    def read_runs(self) -> None:
        """Read what is stored, in the background if that was not done yet, and `begin`."""
        if self.knows_runs:
            self.begin()
        else:
            self.unfinished.append(in_background(self, "reading the runs", self._stored_runs, self._runs_read))

    def _stored_runs(self) -> list[Run] | Problem:
        """What is stored, or why that cannot be read."""
        try:
            return self.store.runs()
        except Problem as problem:
            return problem

    def _runs_read(self, runs: list[Run] | Problem) -> None:
        if isinstance(runs, Problem):
            self.problem = runs
            self.exit(return_code=1)
        else:
            self.knows_runs = True
            self.runs = {run.id: run for run in runs} | self.runs  # those that are known already are newer
            self.begin()

    def begin(self) -> None:
        """What is stored is known now."""

    def warn(self, *lines: str) -> None:
        """Say what a user should know, one toast a line."""
        for line in lines:
            self.notify(line, severity="warning", timeout=20, markup=False)

    def tell(self, run: Run, step: Step | None) -> None:
        """Hear of a change, on any thread."""
        self._mailbox.put(run, step)
        self.post_message(News())

    def on_news(self) -> None:
        if self._timer is None:
            wait = self._last_mail + BETWEEN_NEWS - monotonic()
            if wait > 0:
                self._timer = self.set_timer(wait, self.read_mail)
            else:
                self.read_mail()

    def read_mail(self) -> None:
        """Empty the mailbox at once."""
        if self._timer is not None:
            self._timer.stop()
        self._timer, self._last_mail = None, monotonic()
        mail = self._mailbox.empty()
        if not mail:
            return
        before = self.runs
        steps = {id: step for id, step in self.steps.items() if id not in mail}
        self.ended |= {id for id, (run, _) in mail.items() if run.is_over}
        self.steps = steps | {id: step for id, (_, step) in mail.items() if step is not None}
        self.runs = before | {id: run for id, (run, _) in mail.items()}
        for id, (run, _) in mail.items():
            if run.is_over and id in before and not before[id].is_over:
                self.announce(run)
            elif id in before and len(run.lost_devices) > len(before[id].lost_devices):
                title = f"{model_name(run.model)}: back in the queue"
                self.notify(run.notice or "", title=title, severity="warning", timeout=20, markup=False)

    def announce(self, run: Run) -> None:
        """A run has ended by itself: say so, and ring the bell."""
        if run.status == "stopped":
            return  # by the user, who knows
        self.bell()
        title = f"{model_name(run.model)}: {run.status}"
        if run.status == "failed":
            self.notify(run.error or "", title=title, severity="error", timeout=20, markup=False)
        else:
            best = f"Best {words.percent(run.best_accuracy)} in epoch {run.best_epoch}"
            self.notify(f"{best}, last {words.percent(run.last_accuracy)}", title=title, timeout=10, markup=False)

    def forget(self, ids: Iterable[str]) -> None:
        """These runs are there no more."""
        gone = set(ids)
        self.steps = {id: step for id, step in self.steps.items() if id not in gone}
        self.runs = {id: run for id, run in self.runs.items() if id not in gone}

    def welcome(self, runs: Iterable[Run]) -> None:
        """These runs are there again, at their place by age."""
        together = self.runs | {run.id: run for run in runs}
        self.runs = {run.id: run for run in sorted(together.values(), key=lambda run: run.created)}

    def follow_owner(self) -> None:
        """Read again what another process has written."""
        try:
            self.store.refresh()
            self.runs = {run.id: run for run in self.store.runs()}
        except Problem as problem:
            logging.getLogger("cifar-tui").warning("%s", problem)
