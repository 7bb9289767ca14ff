"""How a headless training shows its news: JSON lines for programs, plain lines for a pipe, bars for a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from store.records import Epoch, Run, Step
from store.runs import RunStore
from tui import words
from tui.commands.output import run_in_json


class Report:
    """Hears every change, and finds out what is new in it: a finished epoch, another status."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._shown: dict[str, int] = {}  # how many epochs of a run were shown
        self._status: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        pass

    def show(self, run: Run, step: Step | None) -> None:
        """Show what changed. Epochs from before this session are not news."""
        shown = self._shown.setdefault(run.id, run.epochs_done)
        before = self._status.get(run.id)
        self._status[run.id] = run.status
        if run.status == "running" and before != "running":
            self.run(run)
        if run.epochs_done > shown:
            for epoch in self._store.epochs(run.id)[shown : run.epochs_done]:
                self.epoch(run, epoch)
        self._shown[run.id] = run.epochs_done
        if step:
            self.step(run, step)
        if run.status not in {"running", "queued"} or (
            run.status == "queued" and before == "running"
        ):  # it lost its device
            self.run(run)

    def run(self, run: Run) -> None:
        """A run has another status."""

    def epoch(self, run: Run, epoch: Epoch) -> None:
        """A run finished an epoch."""

    def step(self, run: Run, step: Step) -> None:
        """A run is in the middle of an epoch."""


class JsonReport(Report):
    """One JSON object a line: an "epoch" event for each epoch, a "run" event for each status."""

    def run(self, run: Run) -> None:
        self._print({"event": "run", "run": run.id, **run_in_json(run)})

    def epoch(self, run: Run, epoch: Epoch) -> None:
        self._print({"event": "epoch", "run": run.id, **msgspec.to_builtins(epoch)})

    def _print(self, event: dict[str, Any]) -> None:
        click.echo(msgspec.json.encode(event).decode())


class PlainReport(Report):
    """A line an epoch, for a log file."""

    def run(self, run: Run) -> None:
        click.echo(status_in_words(run))

    def epoch(self, run: Run, epoch: Epoch) -> None:
        click.echo(epoch_in_words(run, epoch))


class LiveReport(Report):
    """A bar a run, with the step it is in."""

    def __init__(self, store: RunStore, runs: list[Run]) -> None:
        super().__init__(store)
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[where]}", justify="left"),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            console=Console(),
        )
        self._tasks: dict[str, TaskID] = {}  # by the id of a run
        for run in runs:
            self._task(run)

    def _task(self, run: Run) -> TaskID:
        """The bar of a run; one that another program handed over gets it when it is first heard of."""
        if run.id not in self._tasks:
            self._tasks[run.id] = self._progress.add_task(
                escape(run.model), total=run.recipe.epochs, completed=run.epochs_done, where="waits", start=False
            )
        return self._tasks[run.id]

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def run(self, run: Run) -> None:
        if run.status == "running":
            self._progress.start_task(self._task(run))
            return
        self._progress.stop_task(self._task(run))
        self._progress.update(self._task(run), where=run.status)
        self._progress.console.print(status_in_words(run), highlight=False, markup=False)

    def epoch(self, run: Run, epoch: Epoch) -> None:
        self._progress.console.print(epoch_in_words(run, epoch), highlight=False, markup=False)

    def step(self, run: Run, step: Step) -> None:
        inside = step.step / step.steps if step.phase == "train" else step.phase == "test"
        where = {"prepare": "prepares", "train": f"epoch {step.epoch}/{run.recipe.epochs}", "test": "evaluates"}
        self._progress.update(self._task(run), completed=run.epochs_done + inside, where=where[step.phase])


def status_in_words(run: Run) -> str:
    """A line about a run that began or ended."""
    synthetic = " on synthetic data (not CIFAR-10)" if run.dataset == "synthetic" else ""
    match run.status:
        case "running":
            where = f" on {run.device_id}" if ":" in run.device_id else ""  # one of several, by number
            return f"{run.model} {run.id}: {words.count(run.params)} parameters, seed {run.seed}{where}{synthetic}"
        case "done":
            return (
                f"{run.model} {run.id}: done in {words.duration(run.seconds)}, best {words.percent(run.best_accuracy)}"
                f" (epoch {run.best_epoch}), last {words.percent(run.last_accuracy)}{synthetic}"
            )
    why = run.notice if run.status == "queued" else run.error
    return f"{run.model} {run.id}: {run.status}{': ' + why if why else ''}"


def epoch_in_words(run: Run, epoch: Epoch) -> str:
    """A line about a finished epoch."""
    return (
        f"{run.model} {run.id}  epoch {epoch.epoch}/{run.recipe.epochs}"
        f"  train loss {epoch.train_loss:.4f}, accuracy {words.percent(epoch.train_accuracy)}"
        f"  test loss {epoch.test_loss:.4f}, accuracy {words.percent(epoch.test_accuracy)}"
        f"  {epoch.seconds:.1f} s"
    )
