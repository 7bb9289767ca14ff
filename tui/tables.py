"""Results as tables to take away: the columns of the published table first, named as it names them, then ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from store.records import Run
from trainer.export.table import Cell, Column, Table
from tui import words
from tui.compare import comparable, mean, own_best, recipe_in_words, what_differs
from zoo import CARDS, Card

PUBLISHED = (
    Column("Model", "model", published=True),
    Column("Test Accuracy", "test_accuracy", right=True, published=True),
    Column("Other Config", "other_config", published=True),
    Column("GPU", "gpu", published=True),
    Column("Time Expended", "time_expended", right=True, published=True),
    Column("Parameter", "parameter", right=True, published=True),
)
OF_MODELS = (
    Column("Own Best", "own_best", right=True),
    Column("Spread", "spread", right=True),
    Column("Difference", "difference", right=True),
    Column("Own Last", "own_last", right=True),
    Column("Seeds", "seeds"),
    Column("Epochs", "epochs", right=True),
    Column("Device", "device"),
    Column("Own Time", "own_time", right=True),
    Column("Status", "status"),
    Column("Data Set", "data_set"),
    Column("Runs", "runs"),
    Column("Parameters Counted", "params", right=True),
    Column("MACs", "macs", right=True),
    Column("ID", "id"),
)
OF_RUNS = (
    Column("Own Best", "own_best", right=True),
    Column("Best Epoch", "best_epoch", right=True),
    Column("Difference", "difference", right=True),
    Column("Differs In", "differs_in"),
    Column("Own Last", "own_last", right=True),
    Column("Seed", "seed", right=True),
    Column("Epochs", "epochs", right=True),
    Column("Recipe", "recipe"),
    Column("Device", "device"),
    Column("Own Time", "own_time", right=True),
    Column("Status", "status"),
    Column("Data Set", "data_set"),
    Column("Run", "run"),
    Column("Parameters Counted", "params", right=True),
    Column("Images/s", "images_per_second", right=True),
    Column("ID", "id"),
)
NOTES_OF_MODELS = (
    "Test Accuracy is the best of 200 epochs, as published. Own Best is the same of your own runs of the same recipe "
    "at full length on the whole CIFAR-10: the mean over seeds. Spread is their standard deviation, Difference is in "
    "points.",
    "Own Last is the accuracy after the last epoch, which was not chosen by looking at the test images.",
)
NOTES_OF_RUNS = (
    "Difference is Own Best less the published accuracy, in points. It compares like with like only where Differs In "
    "is empty; a run on synthetic data has no published figures beside it.",
)
DATA_SETS = {"cifar10": "CIFAR-10", "synthetic": "synthetic"}
NOTHING = Cell("")


def models_table(runs: Iterable[Run], models: Sequence[str] = ()) -> Table:
    """A row for each published model in the published order, and for each addition that has own runs like the published
    ones. With `models`, a row for each of these."""
    own = comparable(runs)
    chosen = [card for card in CARDS.values() if (card.id in models if models else card.published or card.id in own)]
    rows = [[*published_cells(card), *_own_cells(card, own.get(card.id, []))] for card in chosen]
    return Table("CIFAR-10: published and own results", (*PUBLISHED, *OF_MODELS), rows, NOTES_OF_MODELS)


def runs_table(runs: Iterable[Run]) -> Table:
    """A row for each run."""
    rows = [_run_cells(run) for run in runs]
    return Table("Runs", (*PUBLISHED, *OF_RUNS), rows, NOTES_OF_RUNS)


def published_cells(card: Card) -> list[Cell]:
    """The row of the published table; of an addition, only its name and what tells it from its family."""
    name, config, published = Cell(card.name, card.name), Cell(card.config, card.config or None), card.published
    if published is None:
        return [name, NOTHING, config, NOTHING, NOTHING, NOTHING]
    return [
        name,
        Cell(words.percent(published.accuracy), published.accuracy),
        config,
        Cell(published.gpu, published.gpu),
        Cell(words.duration(published.seconds), published.seconds),
        _number(published.params),
    ]


def _own_cells(card: Card, runs: Sequence[Run]) -> list[Cell]:
    counted = [_number(card.params), _number(card.macs), Cell(card.id, card.id)]
    if not runs:
        return [*[NOTHING] * (len(OF_MODELS) - len(counted)), *counted]
    best, last = own_best(runs), mean([run.last_accuracy or 0.0 for run in runs])
    seconds, epochs = mean([run.seconds for run in runs]), runs[0].epochs_done
    devices, ids = sorted({run.device for run in runs}), [run.id for run in runs]
    return [
        Cell(words.percent(best.mean), best.mean),
        NOTHING if best.spread is None else Cell(words.percent(best.spread), best.spread),
        _difference(best.mean, card),
        Cell(words.percent(last), last),
        Cell(" ".join(str(run.seed) for run in runs), [run.seed for run in runs]),
        _number(epochs),
        Cell(", ".join(devices), devices),
        Cell(words.duration(seconds), seconds),
        Cell("done", "done"),
        Cell(DATA_SETS["cifar10"], "cifar10"),
        Cell(" ".join(ids), ids),
        *counted,
    ]


def _run_cells(run: Run) -> list[Cell]:
    card = CARDS.get(run.model)
    if card is None:  # a model that the catalogue does not have any more
        published = [Cell(run.model, run.model), *[NOTHING] * (len(PUBLISHED) - 1)]
    else:
        published = published_cells(card)
        if run.dataset == "synthetic":
            published = [published[0], NOTHING, published[2], NOTHING, NOTHING, NOTHING]
    differs = what_differs(run)
    beside = card if run.dataset == "cifar10" else None
    return [
        *published,
        _percent(run.best_accuracy),
        _number(run.best_epoch),
        NOTHING if beside is None or run.best_accuracy is None else _difference(run.best_accuracy, beside),
        Cell(", ".join(differs), differs),
        _percent(run.last_accuracy),
        NOTHING if run.imported else Cell(str(run.seed), run.seed),
        NOTHING if run.imported else Cell(f"{run.epochs_done}/{run.recipe.epochs}", run.epochs_done),
        NOTHING if run.imported else Cell(words_of_recipe := recipe_in_words(run.recipe), words_of_recipe),
        Cell(run.device, run.device or None),
        NOTHING if run.imported else Cell(words.duration(run.seconds), run.seconds),
        Cell("imported" if run.imported else run.status, run.status),
        Cell(DATA_SETS[run.dataset], run.dataset),
        Cell(run.id, run.id),
        _number(run.params),
        NOTHING if run.images_per_second is None else Cell(f"{run.images_per_second:,.0f}", run.images_per_second),
        Cell(run.model, run.model),
    ]


def _difference(own: float, card: Card) -> Cell:
    """In points for people, as a fraction for programs."""
    if card.published is None:
        return NOTHING
    return Cell(words.points(own, card.published.accuracy), round(own - card.published.accuracy, 6))


def _percent(fraction: float | None) -> Cell:
    return NOTHING if fraction is None else Cell(words.percent(fraction), fraction)


def _number(number: int | None) -> Cell:
    return NOTHING if number is None else Cell(words.count(number), number)
