"""The catalogue: every network in the order of the published table, and what it has reached here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from store.records import Recipe, Run
from trainer.estimate import Paces
from trainer.lifecycle import new_run
from trainer.source import Source
from tui import words
from tui.background import in_background
from tui.networks import COLUMNS, Row, grouped, rows_of
from tui.screens.sorting import SortedScreen
from tui.widgets.filter import matches
from tui.widgets.preview import Preview
from tui.widgets.table import RecordTable, Sorting, in_order
from zoo import CARDS

if TYPE_CHECKING:
    from tui.screens.recipe import Choice


class CatalogueScreen(SortedScreen):
    """Find networks, mark them, queue them."""

    filter_hint = "name, family, configuration or year: vgg 16, rn50, dense k=12 …"
    HELP = """
        ### Catalogue
        Every network, in the order of the published table. **Published** is the accuracy of that table,
        **Own best** what your own runs of the same recipe reached (mean ± standard deviation × seeds).
        **Time here** is what a run takes on this device, known from your own runs; with `~` it is a guess from other
        networks, by MACs and activations. Mark networks with space, queue them with `a`, take them away as notebooks
        or a table with `e`.
    """
    usual_order = "Published order"
    remembered_as = "catalogue-sorting"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "a", "queue", "Queue", id="add", tooltip="Train the marked networks, or this one, with the published recipe"
        ),
        Binding("t", "train", "Recipe…", id="train", tooltip="Choose how to train the marked networks, or this one"),
        Binding("p", "plot", "Plot", id="plot", tooltip="Accuracy against parameters, MACs or time, as a scatter plot"),
        Binding(
            "e",
            "export",
            "Export",
            show=False,  # the footer is full at 80 columns
            id="export",
            tooltip="The marked networks, or this one, as notebooks or a table",
        ),
        Binding(
            "A",
            "mark_all",
            "Mark all",
            show=False,
            id="mark-all",
            tooltip="Mark all that the filter shows; again: none",
        ),
    ]

    def compose_body(self) -> ComposeResult:
        self.recall_order(COLUMNS)
        yield from self.compose_filter()
        with Horizontal():
            table = RecordTable[Row](COLUMNS, id="catalogue")
            table.sorting = self.sorting
            yield table
            yield Preview()
        yield Static(id="count")

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, Row] = {}  # of every network, in the order of the table
        self.drawn: tuple[dict[str, Run], str, str, Sorting | None] | None = None

    def update_body(self) -> None:
        runs, query, device = self.cifar.runs, self.query_text, self.cifar.device
        last = self.drawn
        self.drawn = (runs, device, query, self.sorting)
        if last is None or last[0] is not runs or last[1] != device:
            self.rows = rows_of(runs.values(), device)
        elif last == self.drawn:
            return  # a step of some training, of which nothing is seen here
        rows = in_order(self.rows, COLUMNS, self.sorting)
        found = {id: row for id, row in rows.items() if matches(query, row.searched)}
        if self.sorting is None:
            found = grouped(found)
        self.table.show(found, among=rows)
        self.count_rows()

    @on(RecordTable.RowHighlighted)
    def preview(self) -> None:
        """Tell about the row under the cursor."""
        self.query_one(Preview).card = CARDS.get(self.table.current or "")

    @on(RecordTable.Marked)
    def count_rows(self) -> None:
        """The line under the table."""
        shown, marked = self.table.shown, len(self.table.marked)
        parts = [f"{shown} of {len(CARDS)} networks" if shown < len(CARDS) else words.several(shown, "network")]
        if marked:
            parts.append(f"{marked} marked")
        self.query_one("#count", Static).update(" · ".join(parts) if shown else "Nothing matches the filter.")

    def action_mark_all(self) -> None:
        self.table.mark_all()

    def action_queue(self) -> None:
        self.queue_up(Recipe(), seeds=range(1))

    def action_plot(self) -> None:
        from tui.screens.scatter import ScatterScreen

        shown = self.table.keys
        if shown and (current := self.table.current):
            self.app.push_screen(ScatterScreen(shown, current, self.table.put_cursor))

    def action_train(self) -> None:
        from tui.screens.recipe import RecipeDialog

        if self.queue_or_say_why() and (models := self.table.chosen):
            paces = Paces(self.cifar.runs.values(), self.cifar.device)
            self.app.push_screen(RecipeDialog(models, paces, self.cifar.device_names), self.recipe_chosen)

    def action_export(self) -> None:
        from tui.screens.export import ExportDialog, offers_of_models

        if models := self.table.chosen:
            offers = offers_of_models(self.cifar.session, self.cifar.store, models)
            self.app.push_screen(ExportDialog(offers, self, words.several(len(models), "network")))

    def recipe_chosen(self, choice: Choice | None) -> None:
        if choice is not None:
            self.queue_up(choice.recipe, choice.seeds, choice.pinned_to)

    def queue_up(self, recipe: Recipe, seeds: range, pinned_to: str | None = None) -> None:
        """Queue what is chosen, once there are images."""
        if (queue := self.queue_or_say_why()) is None or not (models := self.table.chosen):
            return

        def add_all() -> int:
            source = self.cifar.source
            folder = str(source.folder.absolute()) if source.folder else None
            made = partial(new_run, self.cifar.store, recipe=recipe, dataset=source.name, data_folder=folder)
            runs = [made(model, seed=seed, pinned_to=pinned_to) for model in models for seed in seeds]
            return len(queue.add_runs(runs))

        def added(number: int) -> None:
            self.table.mark(set(models), False)
            self.notify(f"{words.several(number, 'run')} queued. Watch with 2.")

        def begin(source: Source | None) -> None:
            if source is not None:
                self.cifar.source = source
                self.cifar.unfinished.append(in_background(self, "queueing", add_all, added))
                self.news()

        if self.cifar.source.missing():
            from tui.screens.data import DataDialog

            self.app.push_screen(DataDialog(self.cifar.source), begin)
        else:
            begin(self.cifar.source)

    @on(RecordTable.RowSelected)
    def open_row(self, event: RecordTable.RowSelected) -> None:
        from tui.screens.model import ModelPage

        if event.row_key.value is not None:
            self.app.push_screen(ModelPage(CARDS[event.row_key.value]))
