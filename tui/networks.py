"""The networks as rows: what the catalogue shows of each, its cards beside what own runs tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from store.records import Run
from trainer.estimate import Estimate, Paces
from trainer.recipes import PRESETS
from tui import words
from tui.compare import OwnBest, model_name, own_bests
from tui.widgets.table import Cell, Column
from zoo import CARDS, Card


@dataclass(frozen=True)
class Row:
    """A network as the catalogue shows it."""

    card: Card
    begins_family: bool  # its family is named: in the published order only in the first of its rows
    own: OwnBest | None
    time: Estimate | None  # a run of the published recipe on this device

    @property
    def searched(self) -> str:
        """The text in which a filter looks for it."""
        return f"{self.card.name} {self.card.id} {self.card.family} {self.card.config} {self.card.year or ''}"


def rows_of(runs: Collection[Run], device: str) -> dict[str, Row]:
    """Every network in the published order, with what own runs tell of it."""
    bests, paces = own_bests(runs), Paces(runs, device)
    recipe = PRESETS["published"]
    return {id: Row(card, True, bests.get(id), paces.run(id, recipe)) for id, card in CARDS.items()}


def grouped(rows: Mapping[str, Row]) -> dict[str, Row]:
    """A family is named once, in its first row."""
    families = [row.card.family for row in rows.values()]
    begins = [place == 0 or families[place - 1] != family for place, family in enumerate(families)]
    return {id: replace(row, begins_family=first) for (id, row), first in zip(rows.items(), begins, strict=True)}


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
    return words.percent(accuracy(row.card))


def accuracy(card: Card) -> float | None:
    """What the published table says."""
    return card.published.accuracy if card.published else None


def own(row: Row, width: int) -> str:
    if row.own is None:
        return words.NOTHING
    spread = words.mean_and_spread(row.own.mean, row.own.spread, row.own.runs)
    fits = len(spread) <= width
    return spread if fits else words.mean_and_spread(row.own.mean, row.own.spread, row.own.runs, digits=1)


def time(row: Row, width: int) -> Cell:
    return words.estimate(row.time), "plain" if row.time and row.time.measured else "quiet"


COLUMNS: list[Column[Row]] = [
    Column("name", "Model", 26, name, rank=0, roomy=38, order=lambda row: f"{row.card.name} {row.card.config}".lower()),
    Column("family", "Family", 13, family, rank=7, order=lambda row: row.card.family),
    Column("params", "Params", 6, parameters, 3, 10, "right", order=lambda row: row.card.params),
    Column(
        "macs", "MACs", 6, lambda row, _: words.short_count(row.card.macs), 4, 0, "right", "", lambda r: r.card.macs
    ),
    Column("published", "Published", 6, published, 1, 9, "right", "Publ.", lambda row: accuracy(row.card), falls=True),
    Column("own", "Own best", 12, own, 2, 15, "right", order=lambda row: row.own and row.own.mean, falls=True),
    Column("time", "Time here", 8, time, 5, 9, "right", "Time", lambda row: row.time and row.time.seconds),
    Column(
        "year",
        "Year",
        4,
        lambda row, _: str(row.card.year or words.NOTHING),
        6,
        0,
        "right",
        "Yr",
        lambda r: r.card.year,
    ),
]
