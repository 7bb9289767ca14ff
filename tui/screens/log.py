"""The log of a run: what became of it, epoch by epoch, and what its log file says. It follows a run that trains."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Log

from store.records import Epoch, Run
from tui import words
from tui.background import in_background
from tui.compare import model_name, recipe_in_words
from tui.screens.base import AppScreen

TAIL = 64_000  # bytes of the log file that are shown; a traceback has a few thousand


def lines_of(run: Run, epochs: list[Epoch]) -> list[str]:
    """What the records tell, a line each."""
    head = [
        f"{at(run.created)}  queued: {model_name(run.model)}, {recipe_in_words(run.recipe)}, seed {run.seed}",
        f"{' ' * 19}  on {words.device(run)}" + (f", {run.plan}" if run.plan else "") if run.device else "",
        f"{' ' * 19}  notice: {run.notice}" if run.notice else "",
    ]
    width = len(str(run.recipe.epochs))
    middle = [
        f"epoch {epoch.epoch:>{width}}  test {words.percent(epoch.test_accuracy):>7} {words.loss(epoch.test_loss)}  "
        f"train {words.percent(epoch.train_accuracy):>7} {words.loss(epoch.train_loss)}  "
        f"lr {words.rate(epoch.learning_rate):<8} {words.seconds(epoch.seconds)}"
        for epoch in epochs
    ]
    end = f"{at(run.finished)}  {words.status(run)}" if run.finished else words.status(run)
    return [line for line in [*head, *middle, end + (f": {run.error}" if run.error else "")] if line]


def at(moment: datetime) -> str:
    """Local time to the second."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def tail_of(file: Path) -> list[str]:
    """The last lines of a log file; none where there is no file."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - TAIL))
            lines = log.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    return ["", f"{file.name}:", *(lines[1:] if len(lines) > 1 and file.stat().st_size > TAIL else lines)]


class LogPage(AppScreen):
    """The newest lines are in view, until one scrolls up."""

    AUTO_FOCUS = "Log"
    HELP = """
        ### Log of a run
        When it was queued, every epoch, how it ended, and the end of its log file, where a failure leaves its whole
        traceback. It follows a run that trains.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,l", "back", "Back", key_display="esc", id="back", tooltip="Back to where you came from"),
        Binding("j", "scroll(1)", "Down", show=False, id="down", tooltip="One line down"),
        Binding("k", "scroll(-1)", "Up", show=False, id="up", tooltip="One line up"),
        Binding("G", "to_end", "End", show=False, id="last", tooltip="The newest line, and follow again"),
    ]

    def __init__(self, id: str) -> None:
        super().__init__()
        self.run_id = id
        self.shown: list[str] = []
        self.last: Run | None = None

    def compose_body(self) -> ComposeResult:
        log = Log(id="log")
        log.border_title = f"log of run {self.run_id}"
        yield log

    def update_body(self) -> None:
        run = self.cifar.runs.get(self.run_id)
        if run is None or run is self.last:
            return
        self.last = run
        lines = lines_of(run, self.cifar.epochs(run.id))
        file = self.cifar.store.folder(run.id) / "log.txt"
        in_background(self, "reading the log", lambda: [*lines, *tail_of(file)], self.show)

    def show(self, lines: list[str]) -> None:
        log = self.query_one(Log)
        if lines == self.shown:
            return
        at_end = log.scroll_y >= log.max_scroll_y - 1
        log.auto_scroll = at_end
        kept = 0
        while kept < min(len(lines), len(self.shown)) and lines[kept] == self.shown[kept]:
            kept += 1
        if kept < len(self.shown):
            log.clear()
            kept = 0
        log.write_lines(lines[kept:], scroll_end=at_end)
        self.shown = lines

    def action_scroll(self, by: int) -> None:
        self.query_one(Log).scroll_relative(y=by, animate=False)

    def action_to_end(self) -> None:
        self.query_one(Log).scroll_end(animate=False)
