"""The results: what every run has reached, beside what was published, where the two may be compared."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from store.records import Run
from tui import words
from tui.columns import COLUMNS, USUAL, Row, columns_of
from tui.compare import has_begun, recipe_in_words, what_differs
from tui.filtering import Test, read_filter
from tui.groups import SeedGroups
from tui.screens.marked import MarkedScreen
from tui.screens.sorting import SortedScreen
from tui.widgets.filter import FilterLine
from tui.widgets.table import RecordTable, Sorting, in_order

PAGE = 100  # rows; the table of Textual takes seconds for ten thousand


class ResultsFilter(FilterLine):
    """Understands more than words."""

    HELP = """
        ### Filter
        A word is looked for in model, run, tags, note, status, device and recipe. `acc>0.9` compares, `family:resnet`
        looks in one field, `not` turns round what follows. Compared are `acc best last diff epochs seed params time`,
        looked in `family model status data device recipe tag note id`.

        **Enter** keeps the filter and goes to the rows, **escape** drops it.
    """


class ResultsScreen(MarkedScreen, SortedScreen):
    """Every run that has begun, the newest first."""

    filter_hint = "acc>0.9 family:resnet not status:failed tag:baseline …"
    usual_order = "Newest first"
    remembered_as = "results-sorting"
    HELP = """
        ### Results
        **Best** is the best test accuracy of any epoch, which is what the published table reports; **Last** is that of
        the last epoch, the honest one. **Difference** is in points, and plain only for a run that was made like the
        published one: the same recipe at full length on the whole CIFAR-10. Otherwise it is dimmed, and the line at
        the bottom says what differs. **Mean ± sd** is over the runs that differ only in their seed.
        `/` filters; `f1` while you type there tells how.
    """
    filter_line = ResultsFilter
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "columns", "Columns", id="columns", tooltip="Choose the columns that are shown"),
        Binding("A", "mark_all", "Mark all", show=False, id="mark-all", tooltip="Mark all of this page; again: none"),
        Binding("p", "pause", "Pause", show=False, id="pause", tooltip="Save the run and set it aside; r goes on"),
        Binding("x", "stop", "Stop", show=False, id="stop", tooltip="End the run; what it learned is kept"),
        Binding("r", "go_on", "Go on", show=False, id="go-on", tooltip="Go on from the last checkpoint"),
        Binding("R", "again", "Again", show=False, id="again", tooltip="Train again from the start, as a new run"),
        Binding("]", "turn(1)", "Next page", show=False, id="next-page", tooltip="Further down"),
        Binding("[", "turn(-1)", "Page before", show=False, id="previous-page", tooltip="Further up"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.page = 0
        self.groups = SeedGroups()
        self.rows: dict[str, Row] = {}  # of every run that has begun, the newest first
        self.found: dict[str, Row] = {}  # what the filter finds, in order
        self.drawn: tuple[dict[str, Run], str, Sorting | None] | None = None
        self.test: Test = read_filter("")[0]
        self.columns: tuple[str, ...] = USUAL

    def compose_body(self) -> ComposeResult:
        self.columns = self.cifar.remembered.get("results-columns", tuple[str, ...], USUAL)
        self.recall_order(COLUMNS)
        yield from self.compose_filter()
        yield Static(id="fault", markup=False)
        table = RecordTable[Row](columns_of(self.columns), id="results")
        table.sorting = self.sorting
        yield table
        yield Static("Nothing was trained yet. Go to the catalogue with 1, and queue a network with a.", id="empty")
        yield Static(id="count")

    def update_body(self) -> None:
        runs, query = self.cifar.runs, self.query_text
        seen, self.drawn = self.drawn, (runs, query, self.sorting)
        if seen is None or seen[1] != query:
            self.read_filter(query)
        if seen is None or seen[0] is not runs:
            self.rows = self.rows_of(runs)
        if seen is None or seen[0] is not runs or seen[1:] != self.drawn[1:]:
            found = {id: row for id, row in self.rows.items() if self.test(row.run)} if query else self.rows
            self.found = in_order(found, COLUMNS, self.sorting)
        self.page = max(0, min(self.page, (len(self.found) - 1) // PAGE))
        page = list(self.found)[self.page * PAGE : (self.page + 1) * PAGE]
        self.table.show({id: self.found[id] for id in page}, among=runs)
        self.query_one("#empty").display = self.cifar.knows_runs and not self.found and not query
        self.table.display = bool(self.found or query)
        self.say_what_differs()

    def rows_of(self, runs: dict[str, Run]) -> dict[str, Row]:
        """A row for each run that has begun; those that are as they were stay the same objects."""
        seeds = self.groups.among(runs.values())
        rows: dict[str, Row] = {}
        for run in reversed(runs.values()):
            if has_begun(run):
                old, group = self.rows.get(run.id), seeds.get(run.id)
                rows[run.id] = old if old and old.run is run and old.seeds == group else Row(run, group)
        return rows

    def read_filter(self, query: str) -> None:
        """Understand what was typed, and say what of it cannot be understood."""
        self.test, fault = read_filter(query)
        line = self.query_one("#fault", Static)
        line.update(fault)
        line.display = bool(fault)

    @on(RecordTable.Marked)
    @on(RecordTable.RowHighlighted)
    def say_what_differs(self) -> None:
        """The line under the table: how many rows there are, and what there is to say of the one under the cursor."""
        found = len(self.found)
        parts = [words.several(found, "run")]
        if found > PAGE:
            first = self.page * PAGE + 1
            parts = [f"{first:,}–{min(first + PAGE - 1, found):,} of {found:,} runs, [ ] turn pages"]
        if self.table.marked:
            parts.append(f"{len(self.table.marked)} marked")
        if (row := self.found.get(self.table.current or "")) is not None:
            parts += about(row)
        elif not found:
            parts = ["Nothing matches the filter."] if self.query_text else []
        self.query_one("#count", Static).update(" · ".join(parts).replace("[", "\\["))

    def sort_by(self, sorting: Sorting | None) -> None:
        self.page = 0
        super().sort_by(sorting)

    def action_turn(self, by: int) -> None:
        self.page += by
        self.update_body()
        self.table.move_cursor(row=0)

    def action_mark_all(self) -> None:
        self.table.mark_all()

    def action_columns(self) -> None:
        from tui.screens.choose_columns import ColumnsDialog

        def chosen(keys: tuple[str, ...] | None) -> None:
            if keys is not None:
                self.columns = keys or USUAL
                self.table.lay_out(columns_of(self.columns))
                self.cifar.remember("results-columns", self.columns)

        self.app.push_screen(ColumnsDialog(COLUMNS, self.columns, USUAL), chosen)

    def chosen(self) -> list[str]:
        return self.table.chosen

    @on(RecordTable.RowSelected)
    def open_row(self, event: RecordTable.RowSelected) -> None:
        from tui.screens.run import RunPage

        if event.row_key.value is not None:
            self.app.push_screen(RunPage(event.row_key.value))


def about(row: Row) -> list[str]:
    """What there is to say of the run under the cursor, the most important first."""
    run, parts = row.run, []
    if reasons := what_differs(run):
        parts.append("not as published: " + ", ".join(reasons))
    if row.seeds and row.seeds.runs > 1:
        spread = words.mean_and_spread(row.seeds.mean, row.seeds.spread, row.seeds.runs)
        parts.append(f"{spread} seeds of {recipe_in_words(run.recipe)}")
    return [*parts, *filter(None, [" ".join(f"#{tag}" for tag in run.tags), run.note])]
