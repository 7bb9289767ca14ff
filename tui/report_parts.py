"""What stands in the report: the store's runs in words, and pictures of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from store.records import DatasetName, Epoch, Run
from trainer.export import environment
from trainer.export.charts import Line, Point
from trainer.export.report import ClassRow, ClassTable, Curves, Report, Scatter
from tui import words
from tui.compare import comparable, model_name, own_best, what_differs
from tui.tables import DATA_SETS, models_table, runs_table
from zoo import CARDS, Card

if TYPE_CHECKING:
    from trainer.evaluate import Evaluation

IN_ONE_PICTURE = 8  # lines, one for each colour
CURVES = 60  # runs with a picture of their own at most: more would make the file slow to open on a phone
SHORT = 20  # letters of a name in a picture
COUNTS = {10.0**power: words.short_count(10**power).replace(".0", "") for power in range(3, 12)}
TIMES: dict[float, str] = {
    **{60.0 * n: f"{n} min" for n in (1, 3, 10, 30)},
    **{3600.0 * n: f"{n} h" for n in (1, 3, 10, 30, 100, 300)},
}
ROWS = 500  # runs in the table at most


def report_of(
    runs: Sequence[Run],
    epochs: Mapping[str, Sequence[Epoch]],
    evaluations: Mapping[str, Evaluation],
    why_no_classes: str,
) -> Report:
    """The report of runs, oldest first. `epochs` and `evaluations` are by run."""
    newest = list(reversed(runs))
    drawn = [run for run in newest if epochs.get(run.id)]
    remarks = {} if evaluations else {"Class by class": why_no_classes}
    if not drawn:
        remarks["Curves"] = "No run has finished an epoch yet."
    elif len(drawn) > CURVES:
        remarks["Curves"] = f"The newest {CURVES} of {len(drawn):,} runs."
    remarks["Accuracy against cost"] = (
        "Published results, and the means of own runs that were made like them. Named: what no cheaper network excels."
    )
    tables = [models_table(runs)]
    if newest:
        tables.append(runs_table(newest[:ROWS]))
    return Report(
        title="CIFAR-10 results",
        summary=[_summary(runs)],
        tables=tables,
        overview=_overview(drawn, epochs),
        curves=[_curves(run, epochs[run.id]) for run in drawn[:CURVES]],
        scatters=_scatters(runs),
        classes=_classes(runs, evaluations),
        environment=_environment(),
        remarks=remarks,
    )


def best_of_each(runs: Sequence[Run]) -> list[Run]:
    """Of each model on each data set the run with the best accuracy, in the order of the catalogue."""
    found: dict[tuple[str, str], Run] = {}
    for run in runs:
        key = (run.dataset, run.model)
        if run.best_accuracy is not None and run.best_accuracy > (
            found[key].best_accuracy or 0.0 if key in found else -1
        ):
            found[key] = run
    order = list(CARDS)
    place = {id: number for number, id in enumerate(order)}
    return sorted(found.values(), key=lambda run: (run.dataset, place.get(run.model, len(order))))


def _summary(runs: Sequence[Run]) -> str:
    done = sum(run.status == "done" for run in runs)
    alike = sum(map(len, comparable(runs).values()))
    synthetic = sum(run.dataset == "synthetic" for run in runs)
    parts = [
        f"{words.several(len(runs), 'run')}, {done} of them done, in {words.duration(sum(r.seconds for r in runs))}"
    ]
    parts.append(f"{alike} made like the published ones: the same recipe at full length on the whole CIFAR-10")
    if synthetic:
        parts.append(f"{synthetic} on synthetic images, which are not CIFAR-10")
    return "; ".join(parts) + f". Written on {datetime.now(UTC):%d %B %Y}."


def _overview(drawn: Sequence[Run], epochs: Mapping[str, Sequence[Epoch]]) -> Curves | None:
    """The best runs on CIFAR-10, or, where there are none, on synthetic images: never both in one picture."""
    real = [run for run in drawn if run.dataset == "cifar10"]
    dataset: DatasetName = "cifar10" if real else "synthetic"
    best = sorted(real or drawn, key=lambda run: -(run.best_accuracy or 0.0))[:IN_ONE_PICTURE]
    if len(best) < 2:
        return None
    lines = [
        Line(f"{model_name(run.model)} ({run.id})", _percents(epochs[run.id], "test_accuracy"), colour)
        for colour, run in enumerate(best)
    ]
    what = f"Test accuracy on {_images(dataset)}, %"
    # The beginnings are alike and steep; what tells good networks from each other happens above them.
    low = min(line.values[len(line.values) // 10] for line in lines)
    return Curves(f"{what}: the best {len(lines)} runs", "", lines, low)


def _curves(run: Run, epochs: Sequence[Epoch]) -> Curves:
    title = f"{model_name(run.model)} ({run.id})"
    reasons = what_differs(run)
    caption = (
        f"Accuracy on {_images(run.dataset)}, %: test (line), train (dashes). Best {words.percent(run.best_accuracy)} "
        f"in epoch {run.best_epoch}, last {words.percent(run.last_accuracy)}; seed {run.seed}, {run.device}"
    )
    lines = [
        Line("train", _percents(epochs, "train_accuracy"), 1, thin=True),
        Line("test", _percents(epochs, "test_accuracy"), 0),
    ]
    return Curves(title, f"{caption}. {'Not as published: ' + ', '.join(reasons) + '.' if reasons else ''}", lines)


def _scatters(runs: Sequence[Run]) -> list[Scatter]:
    own = comparable(runs)
    costs: list[
        tuple[str, str, Mapping[float, str], Callable[[Card], float | None], Callable[[Card], float | None]]
    ] = [
        # title, axis, ticks, cost of the published row, cost of the own runs
        ("Accuracy against parameters", "parameters", COUNTS, lambda card: card.params, lambda card: card.params),
        ("Accuracy against multiply-accumulates", "MACs", COUNTS, lambda card: card.macs, lambda card: card.macs),
        (
            "Accuracy against training time, each on its own device",
            "training time",
            TIMES,
            lambda card: card.published.seconds if card.published else None,
            lambda card: sum(run.seconds for run in own[card.id]) / len(own[card.id]),
        ),
    ]
    scatters = []
    for title, axis, ticks, of_published, of_own in costs:
        points = []
        for card in CARDS.values():
            if card.published and (cost := of_published(card)):
                points.append(Point(model_name(card.id, SHORT), cost, 100 * card.published.accuracy, own=False))
            if card.id in own and (cost := of_own(card)):
                points.append(Point(model_name(card.id, SHORT), cost, 100 * own_best(own[card.id]).mean, own=True))
        scatters.append(Scatter(title, axis, points, ticks))
    return scatters


def _classes(runs: Sequence[Run], evaluations: Mapping[str, Evaluation]) -> list[ClassTable]:
    tables: dict[str, list[ClassRow]] = {}
    names: dict[str, Sequence[str]] = {}
    for run in runs:
        if (found := evaluations.get(run.id)) is not None:
            names[run.dataset] = found.classes
            row = ClassRow(f"{model_name(run.model)} ({run.id})", found.accuracy, found.class_accuracies)
            tables.setdefault(run.dataset, []).append(row)
    return [
        ClassTable(f"Test accuracy of the best weights on {_images(dataset)}, %", names[dataset], rows)
        for dataset, rows in tables.items()
    ]


def _environment() -> list[tuple[str, str]]:
    return [*((name, value) for name, value in environment.versions().items() if value), *environment.machine().items()]


def _percents(epochs: Sequence[Epoch], field: str) -> list[float]:
    return [100 * getattr(epoch, field) for epoch in epochs]


def _images(dataset: str) -> str:
    return DATA_SETS[dataset] if dataset == "cifar10" else "synthetic images (not CIFAR-10)"
