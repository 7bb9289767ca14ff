"""The columns of the results: what can be known of a run at a glance, and by what runs are sorted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from store.records import Run
from tui import words
from tui.compare import OwnBest, model_name, published_accuracy, recipe_in_words, what_differs
from tui.filtering import gained
from tui.queued import TONES
from tui.widgets.table import Cell, Column, Tone
from zoo import CARDS


@dataclass(frozen=True, slots=True)
class Row:
    """A run as the results show it."""

    run: Run
    seeds: OwnBest | None  # what the runs that differ only in their seed have reached, this one among them


def difference_of(run: Run) -> Cell:
    """In points; dimmed when the run was not made the way the published one was."""
    if run.dataset == "synthetic":
        return "synthetic data", "quiet"
    published = published_accuracy(run)
    if published is None or run.best_accuracy is None:
        return words.NOTHING, "quiet"
    points = words.difference(run.best_accuracy, published)
    tones: dict[str, Tone] = {"▲": "good", "▼": "bad", "=": "plain"}
    return points, "quiet" if what_differs(run) else tones[points[0]]


def status(row: Row, width: int) -> Cell:
    whole = words.status(row.run)
    return whole if len(whole) <= width else whole[0], TONES.get(row.run.status, "plain")


def parameters(row: Row, width: int) -> Cell:
    exact = words.count(row.run.params)
    return exact if len(exact) <= width else words.short_count(row.run.params)


def seeds(row: Row, width: int) -> Cell:
    """Mean and spread, where there is more than one seed."""
    if row.seeds is None or row.seeds.runs < 2:
        return ""
    return words.mean_and_spread(row.seeds.mean, row.seeds.spread, row.seeds.runs)


def name(row: Row) -> str:
    return model_name(row.run.model).lower()


def when(moment: Callable[[Run], datetime | None]) -> Callable[[Row, int], Cell]:
    """A moment in the time of this computer."""

    def cell(row: Row, width: int) -> Cell:
        known = moment(row.run)
        return f"{known.astimezone():%Y-%m-%d %H:%M}" if known else words.NOTHING

    return cell


def percent(value: Callable[[Run], float | None]) -> Callable[[Row, int], Cell]:
    return lambda row, _: words.percent(value(row.run))


def text(value: Callable[[Run], str], tone: Tone = "plain") -> Callable[[Row, int], Cell]:
    return lambda row, _: (value(row.run), tone)


def of_run(value: Callable[[Run], object]) -> Callable[[Row], object]:
    """A key to sort by."""
    return lambda row: value(row.run)


def family(run: Run) -> str:
    return CARDS[run.model].family if run.model in CARDS else ""


def differs(run: Run) -> str:
    return ", ".join(what_differs(run))


def tags(run: Run) -> str:
    return " ".join(run.tags)


def best(run: Run) -> float | None:
    return run.best_accuracy


def last(run: Run) -> float | None:
    return run.last_accuracy


COLUMNS: list[Column[Row]] = [
    Column("model", "Model", 19, lambda row, width: model_name(row.run.model, width), 1, roomy=30, order=name),
    Column(
        "published",
        "Published",
        6,
        percent(published_accuracy),
        3,
        9,
        "right",
        "Publ.",
        of_run(published_accuracy),
        True,
    ),
    Column(
        "difference",
        "Difference",
        14,
        lambda row, _: difference_of(row.run),
        4,
        justify="right",
        order=of_run(gained),
        falls=True,
    ),
    Column("best", "Best", 6, percent(best), 2, justify="right", order=of_run(best), falls=True),
    Column("last", "Last", 6, percent(last), 5, justify="right", order=of_run(last), falls=True),
    Column("status", "Status", 1, status, 0, 13, short=" ", order=of_run(lambda run: run.status)),
    Column(
        "time",
        "Time",
        11,
        lambda row, _: words.duration(row.run.seconds),
        6,
        justify="right",
        order=of_run(lambda run: run.seconds),
        falls=True,
    ),
    Column(
        "seeds", "Mean ± sd", 14, seeds, 7, justify="right", order=lambda row: row.seeds and row.seeds.mean, falls=True
    ),
    Column("differs", "Differs in", 18, text(differs, "quiet"), 8, 40, order=of_run(differs)),
    Column("tags", "Tags", 10, text(tags), 9, 20, order=of_run(lambda run: tags(run) or None)),
    Column("seed", "Seed", 4, lambda row, _: str(row.run.seed), 10, 6, "right", order=of_run(lambda run: run.seed)),
    Column("params", "Params", 6, parameters, 11, 10, "right", order=of_run(lambda run: run.params)),
    Column(
        "size",
        "Size",
        8,
        lambda row, _: words.weights_size(row.run.params),
        12,
        justify="right",
        order=of_run(lambda run: run.params),
    ),
    Column("device", "Device", 12, text(lambda run: run.device), 13, 22, order=of_run(lambda run: run.device)),
    Column("id", "Run", 5, text(lambda run: run.id), 14, order=of_run(lambda run: run.id)),
    Column("family", "Family", 13, text(family), 15, order=of_run(family)),
    Column(
        "recipe",
        "Recipe",
        11,
        text(lambda run: recipe_in_words(run.recipe)),
        16,
        30,
        order=of_run(lambda run: run.recipe.name),
    ),
    Column(
        "epochs",
        "Epochs",
        7,
        text(lambda run: f"{run.epochs_done}/{run.recipe.epochs}"),
        17,
        9,
        "right",
        order=of_run(lambda run: run.epochs_done),
        falls=True,
    ),
    Column(
        "speed",
        "Images/s",
        8,
        text(lambda run: words.NOTHING if run.images_per_second is None else f"{run.images_per_second:,.0f}"),
        18,
        justify="right",
        order=of_run(lambda run: run.images_per_second),
        falls=True,
    ),
    Column(
        "finished",
        "Finished",
        16,
        when(lambda run: run.finished),
        19,
        order=of_run(lambda run: run.finished),
        falls=True,
    ),
    Column("note", "Note", 20, text(lambda run: run.note), 20, 60, order=of_run(lambda run: run.note or None)),
]

USUAL = tuple(column.key for column in COLUMNS[:15])
"""The columns that are shown until the user chooses others."""


def columns_of(keys: Collection[str]) -> list[Column[Row]]:
    """The columns that were chosen. One that is not usual was wanted, so it is the last to give way."""
    chosen = [column for column in COLUMNS if column.key in keys] or COLUMNS[:1]
    return [column if column.key in USUAL else replace(column, rank=1) for column in chosen]
