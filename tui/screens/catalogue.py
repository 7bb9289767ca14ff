"""The catalogue: every network in the order of the published table, and what it has reached here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Static

from store.records import Recipe
from trainer.source import Source
from tui import words
from tui.background import in_background
from tui.compare import OwnBest, model_name, own_bests
from tui.screens.base import TableScreen
from tui.widgets.filter import matches
from tui.widgets.preview import Preview
from tui.widgets.table import Cell, Column, RecordTable
from zoo import CARDS, Card

if TYPE_CHECKING:
    from tui.screens.recipe import Choice


@dataclass(frozen=True)
class Row:
    """A network as the catalogue shows it."""

    card: Card
    begins_family: bool  # the first row of its family among those that are shown
    own: OwnBest | None


def name(row: Row, width: int) -> Cell:
    """The name, and the configuration where it tells two networks apart."""
    whole = model_name(row.card.id, width)
    config = whole.removeprefix(row.card.name)
    return [(row.card.name, "plain"), (config, "quiet")] if config != whole else whole


def family(row: Row, width: int) -> Cell:
    return (row.card.family, "quiet") if row.begins_family else ""


def parameters(row: Row, width: int) -> str:
    exact = words.count(row.card.params)
    return exact if len(exact) <= width else words.short_count(row.card.params)


def published(row: Row, width: int) -> str:
    return words.percent(row.card.published.accuracy if row.card.published else None)


def own(row: Row, width: int) -> str:
    if row.own is None:
        return words.NOTHING
    spread = words.mean_and_spread(row.own.mean, row.own.spread, row.own.runs)
    fits = len(spread) <= width
    return spread if fits else words.mean_and_spread(row.own.mean, row.own.spread, row.own.runs, digits=1)


COLUMNS: list[Column[Row]] = [
    Column("name", "Model", 26, name, rank=0, roomy=38),
    Column("family", "Family", 13, family, rank=6),
    Column("params", "Params", 6, parameters, rank=3, roomy=10, justify="right"),
    Column("macs", "MACs", 6, lambda row, _: words.short_count(row.card.macs), rank=4, justify="right"),
    Column("published", "Published", 6, published, rank=1, roomy=9, justify="right", short="Publ."),
    Column("own", "Own best", 12, own, rank=2, roomy=15, justify="right"),
    Column("year", "Year", 4, lambda row, _: str(row.card.year or words.NOTHING), rank=5, justify="right"),
]


class CatalogueScreen(TableScreen):
    """Find networks, mark them, queue them."""

    filter_hint = "name, family, configuration or year: vgg 16, rn50, dense k=12 …"
    HELP = """
        ### Catalogue
        Every network, in the order of the published table. **Published** is the accuracy of that table,
        **Own best** what your own runs of the same recipe reached (mean ± standard deviation × seeds).
        Mark networks with space, queue them with `a`, take them away as notebooks or a table with `e`.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "queue", "Queue", tooltip="Train the marked networks, or this one, with the published recipe"),
        Binding("t", "train", "Recipe…", tooltip="Choose how to train the marked networks, or this one"),
        Binding("e", "export", "Take away…", tooltip="The marked networks, or this one, as notebooks or a table"),
        Binding("A", "mark_all", "Mark all", show=False, tooltip="Mark all that the filter shows; again: none"),
    ]

    def compose_body(self) -> ComposeResult:
        yield from self.compose_filter()
        with Horizontal():
            yield RecordTable[Row](COLUMNS, id="catalogue")
            yield Preview()
        yield Static(id="count")

    def update_body(self) -> None:
        bests = own_bests(self.cifar.runs.values())
        query, rows, last = self.query_text, dict[str, Row](), ""
        for card in CARDS.values():
            if matches(query, f"{card.name} {card.id} {card.family} {card.config} {card.year or ''}"):
                rows[card.id] = Row(card, card.family != last, bests.get(card.id))
                last = card.family
        self.table.show(rows, among=CARDS)
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
        self.queue_up(Recipe(), seeds=1)

    def action_train(self) -> None:
        from tui.screens.recipe import RecipeDialog

        if self.queue_or_say_why() and (models := self.table.chosen):
            self.app.push_screen(RecipeDialog(models), self.recipe_chosen)

    def action_export(self) -> None:
        from tui.screens.export import ExportDialog, offers_of_models

        if models := self.table.chosen:
            offers = offers_of_models(self.cifar.session, self.cifar.store, models)
            self.app.push_screen(ExportDialog(offers, self, words.several(len(models), "network")))

    def recipe_chosen(self, choice: Choice | None) -> None:
        if choice is not None:
            self.queue_up(choice.recipe, choice.seeds)

    def queue_up(self, recipe: Recipe, seeds: int) -> None:
        """Queue what is chosen, once there are images."""
        if (queue := self.queue_or_say_why()) is None or not (models := self.table.chosen):
            return

        def add_all() -> int:
            source = self.cifar.source
            folder = str(source.folder.absolute()) if source.folder else None
            for model in models:
                for seed in range(seeds):
                    queue.add(model, recipe, seed=seed, dataset=source.name, data_folder=folder)
            return len(models) * seeds

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
