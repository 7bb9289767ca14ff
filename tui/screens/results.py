"""The results: what every run has reached, beside what was published, where the two may be compared."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from store.records import Run
from tui import words
from tui.compare import model_name, searched, what_differs
from tui.screens.base import RunsScreen, TableScreen
from tui.screens.queue import TONES
from tui.widgets.filter import matches
from tui.widgets.table import Cell, Column, RecordTable, Tone
from zoo import CARDS

PAGE = 100  # rows; the table of Textual takes seconds for ten thousand


def published_accuracy(run: Run) -> float | None:
    """What the published table says of this model; nothing stands beside a run on synthetic data."""
    card = CARDS.get(run.model)
    return card.published.accuracy if card and card.published and run.dataset == "cifar10" else None


def difference(run: Run, width: int) -> Cell:
    """In points; dimmed when the run was not made the way the published one was."""
    if run.dataset == "synthetic":
        return "synthetic data", "quiet"
    published = published_accuracy(run)
    if published is None or run.best_accuracy is None:
        return words.NOTHING, "quiet"
    points = words.difference(run.best_accuracy, published)
    tones: dict[str, Tone] = {"▲": "good", "▼": "bad", "=": "plain"}
    return points, "quiet" if what_differs(run) else tones[points[0]]


def status(run: Run, width: int) -> Cell:
    whole = words.status(run)
    return whole if len(whole) <= width else whole[0], TONES.get(run.status, "plain")


def parameters(run: Run, width: int) -> Cell:
    exact = words.count(run.params)
    return exact if len(exact) <= width else words.short_count(run.params)


COLUMNS: list[Column[Run]] = [
    Column("model", "Model", 19, lambda run, width: model_name(run.model, width), rank=1, roomy=30),
    Column("published", "Published", 6, lambda run, _: words.percent(published_accuracy(run)), 3, 9, "right", "Publ."),
    Column("difference", "Difference", 14, difference, rank=4, justify="right"),
    Column("best", "Best", 6, lambda run, _: words.percent(run.best_accuracy), rank=2, justify="right"),
    Column("last", "Last", 6, lambda run, _: words.percent(run.last_accuracy), rank=5, justify="right"),
    Column("status", "Status", 1, status, rank=0, roomy=13, short=" "),
    Column("time", "Time", 11, lambda run, _: words.duration(run.seconds), rank=6, justify="right"),
    Column("differs", "Differs in", 18, lambda run, _: (", ".join(what_differs(run)), "quiet"), rank=7, roomy=40),
    Column("seed", "Seed", 4, lambda run, _: str(run.seed), rank=8, roomy=6, justify="right"),
    Column("params", "Params", 6, parameters, rank=9, roomy=10, justify="right"),
    Column("size", "Size", 9, lambda run, _: words.weights_size(run.params), rank=10, justify="right"),
    Column("device", "Device", 12, lambda run, _: run.device, rank=11, roomy=22),
    Column("id", "Run", 5, lambda run, _: run.id, rank=12),
]


class ResultsScreen(RunsScreen, TableScreen):
    """Every run that has begun, the newest first."""

    filter_hint = "model, status, device, seed1 …"
    HELP = """
        ### Results
        **Best** is the best test accuracy of any epoch, which is what the published table reports; **Last** is that of
        the last epoch, the honest one. **Difference** is in points, and plain only for a run that was made like the
        published one: the same recipe at full length on the whole CIFAR-10. Otherwise it is dimmed, and the line at
        the bottom says what differs.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "export", "Export", tooltip="The marked runs, or this one: table, report, weights, log …"),
        Binding("right_square_bracket", "turn(1)", "Next page", show=False, key_display="]", tooltip="Older runs"),
        Binding("left_square_bracket", "turn(-1)", "Page before", show=False, key_display="[", tooltip="Newer runs"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.page = 0
        self.found = 0

    def compose_body(self) -> ComposeResult:
        yield from self.compose_filter()
        yield RecordTable[Run](COLUMNS, id="results")
        yield Static("Nothing was trained yet. Go to the catalogue with 1, and queue a network with a.", id="empty")
        yield Static(id="count")

    def update_body(self) -> None:
        query = self.query_text
        begun = [run for run in reversed(self.cifar.runs.values()) if has_begun(run)]
        runs = [run for run in begun if matches(query, searched(run))] if query else begun
        self.found = len(runs)
        self.page = max(0, min(self.page, (self.found - 1) // PAGE))
        page = runs[self.page * PAGE : (self.page + 1) * PAGE]
        self.table.show({run.id: run for run in page}, among=self.cifar.runs)
        self.query_one("#empty").display = not runs and not query
        self.table.display = bool(runs or query)
        self.say_what_differs()

    @on(RecordTable.Marked)
    @on(RecordTable.RowHighlighted)
    def say_what_differs(self) -> None:
        """The line under the table: how many rows there are, and why the one under the cursor is dimmed."""
        parts = [words.several(self.found, "run")]
        if self.found > PAGE:
            first = self.page * PAGE + 1
            parts = [f"{first:,}–{min(first + PAGE - 1, self.found):,} of {self.found:,} runs, \\[ ] turn pages"]
        if self.table.marked:
            parts.append(f"{len(self.table.marked)} marked")
        run = self.cifar.runs.get(self.table.current or "")
        if run is not None and (reasons := what_differs(run)):
            parts.append("not as published: " + ", ".join(reasons))
        elif not self.found:
            parts = ["Nothing matches the filter."] if self.query_text else []
        self.query_one("#count", Static).update(" · ".join(parts))

    def action_turn(self, by: int) -> None:
        self.page += by
        self.update_body()
        self.table.move_cursor(row=0)

    def action_export(self) -> None:
        from tui.screens.export import ExportDialog, offers_of_runs

        if ids := self.chosen():
            offers = offers_of_runs(self.cifar.session, self.cifar.store, ids)
            self.app.push_screen(ExportDialog(offers, self, words.several(len(ids), "run")))

    def chosen(self) -> list[str]:
        return self.table.chosen

    @on(RecordTable.RowSelected)
    def open_row(self, event: RecordTable.RowSelected) -> None:
        from tui.screens.run import RunPage

        if event.row_key.value is not None:
            self.app.push_screen(RunPage(event.row_key.value))


def has_begun(run: Run) -> bool:
    """Did it ever train?"""
    return run.status != "queued" or run.epochs_done > 0 or bool(run.device)
