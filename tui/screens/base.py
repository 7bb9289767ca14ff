"""What the three modes have in common: the top line, the footer, a table of records and its filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.screen import Screen

from store.errors import Problem
from trainer.queue import JobQueue
from tui.widgets.bar import TopBar
from tui.widgets.filter import FilterLine
from tui.widgets.keys import KeyLine, useful
from tui.widgets.table import AnyTable

if TYPE_CHECKING:
    from tui.app import CifarApp


class AppScreen(Screen[None]):
    """A screen of our app: it knows the app's runs, and is drawn anew when they change while it is seen."""

    @property
    def cifar(self) -> CifarApp:
        """The app, as what it is."""
        return cast("CifarApp", self.app)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        return useful(super().active_bindings)

    def compose(self) -> ComposeResult:
        yield TopBar(self.app.current_mode)
        yield from self.compose_body()
        yield KeyLine()

    def compose_body(self) -> ComposeResult:
        """What stands between the top line and the footer."""
        yield from ()

    def on_mount(self) -> None:
        self.watch(self.app, "runs", self.news, init=False)
        self.watch(self.app, "steps", self.news, init=False)
        self.cifar.check_keys(self)
        self.news()

    def on_screen_resume(self) -> None:
        self.news()

    def news(self) -> None:
        """Something has changed, or the screen is seen again."""
        if not self.is_current:
            return
        bar = self.query_one(TopBar)
        bar.busy = sum(not run.is_over for run in self.cifar.runs.values())
        bar.notes, bar.warning = self.cifar.session_in_words()
        self.update_body()

    def action_back(self) -> None:
        """Leave this page. A second escape may have come before the first was answered."""
        if self.is_current:
            self.app.pop_screen()

    def update_body(self) -> None:
        """Draw the app's runs as they are now."""

    def queue_or_say_why(self) -> JobQueue | None:
        """The queue, or a toast that says why there is none."""
        if self.cifar.queue is None:
            self.notify(self.cifar.why_read_only, title="Only for reading", severity="warning")
        return self.cifar.queue


class RunsScreen(AppScreen):
    """A screen on which runs are chosen, and keys decide what becomes of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause", id="pause", tooltip="Save the run and set it aside; r goes on"),
        Binding("x", "stop", "Stop", id="stop", tooltip="End the run; what it learned is kept"),
        Binding("r", "go_on", "Go on", id="go-on", tooltip="Go on from the last checkpoint"),
        Binding("R", "again", "Again", id="again", tooltip="Train again from the start, as a new run"),
    ]

    def chosen(self) -> list[str]:
        """The ids of the runs that a key is meant for."""
        return []

    def for_each(self, act: Callable[[JobQueue, str], object]) -> None:
        """Call a method of the queue with each chosen run."""

        def all_of_them(queue: JobQueue) -> None:
            for id in self.chosen():
                act(queue, id)

        self.with_queue(all_of_them)

    def with_queue(self, act: Callable[[JobQueue], object]) -> None:
        """Do something with the queue, or say why that cannot be done."""
        if (queue := self.queue_or_say_why()) is None:
            return
        try:
            act(queue)
        except (Problem, LookupError) as problem:
            self.notify(str(problem), severity="error")
        self.cifar.read_mail()

    def action_pause(self) -> None:
        self.for_each(JobQueue.pause)

    def action_stop(self) -> None:
        self.for_each(JobQueue.stop)

    def action_go_on(self) -> None:
        self.for_each(JobQueue.go_on)

    def action_again(self) -> None:
        self.for_each(JobQueue.again)


class TableScreen(AppScreen):
    """A screen around one table, with a filter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/", id="filter", tooltip="Find rows as you type"),
        Binding("escape", "reset", "Reset", show=False, id="reset", tooltip="Drop the filter, then the marks"),
    ]
    AUTO_FOCUS = "RecordTable"
    filter_hint = ""
    filter_line: ClassVar[type[FilterLine]] = FilterLine

    def compose_filter(self) -> ComposeResult:
        """The line of the filter; it is seen while it is used."""
        yield self.filter_line(self.filter_hint)

    @property
    def table(self) -> AnyTable:
        return self.query_one(AnyTable)

    @property
    def query_text(self) -> str:
        """What is looked for; empty for everything."""
        return self.query_one(FilterLine).value.strip()

    def action_filter(self) -> None:
        line = self.query_one(FilterLine)
        line.add_class("-used")
        line.focus()

    def action_reset(self) -> None:
        if self.query_text:
            self.query_one(FilterLine).action_drop()
        elif self.table.marked:
            self.table.mark(set(self.table.marked), False)

    @on(FilterLine.Changed, "#filter")
    def filter_changed(self) -> None:
        self.update_body()

    @on(FilterLine.Done)
    def filter_done(self) -> None:
        line = self.query_one(FilterLine)
        line.set_class(bool(line.value.strip()), "-used")
        self.table.focus()
