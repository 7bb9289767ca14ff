"""Marked runs side by side: their curves in one picture, and what they differ in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from store.records import Epoch, Run
from trainer.recipes import FIELDS
from tui import words
from tui.columns import difference_of
from tui.compare import model_name, recipe_in_words
from tui.groups import SeedGroups
from tui.screens.base import AppScreen
from tui.series import METRICS, SMOOTHINGS, View, curve, unit_for
from tui.widgets.curves import LETTERS, MOST, Curves, Line
from tui.widgets.table import Cell, Column, RecordTable, Tone

WIDEST = 14  # cells of a setting


@dataclass(frozen=True, slots=True)
class Compared:
    """A run of the comparison."""

    run: Run
    letter: str  # of its curve; empty where it has none
    settings: dict[str, str]  # those in which the runs differ, by name


class ComparedTable(RecordTable[Compared]):
    """Has the colours of the curves."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"table--curve-{letter}" for letter in LETTERS}


class ComparisonPage(AppScreen):
    """Follows its runs while they train."""

    AUTO_FOCUS = "ComparedTable"
    HELP = """
        ### Comparison
        Each run has a letter, which stands on its curve and before its row. The table has what the runs reached and the
        settings in which they differ; what is the same in all of them is said below. `m` changes the quantity, `w` over
        how many epochs it is smoothed, `l` makes its axis logarithmic, `x` puts epochs or training time along the
        bottom. The curve of the row under the cursor lies in front.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "turn_metric(1)", "Metric", id="metric", tooltip="Accuracy, loss or learning rate: the next one"),
        Binding("M", "turn_metric(-1)", "Metric back", show=False, id="metric-back", tooltip="The quantity before"),
        Binding("w", "smooth", "Smooth", id="smooth", tooltip="Over how many epochs a curve is averaged"),
        Binding("l", "logarithmic", "Log", id="log-axis", tooltip="A logarithmic axis, or a linear one"),
        Binding("x", "turn_axis", "Time", id="axis", tooltip="By training time, or by epoch"),
        Binding("escape,c", "back", "Back", key_display="esc", id="back", tooltip="Back to the results"),
    ]

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__()
        self.ids = list(ids)
        self.view = View()  # as it was last time, once it is composed
        self.epochs: dict[str, tuple[Run, list[Epoch]]] = {}  # of each run, as they were when it was last changed
        self.drawn: tuple[View, int, list[Run]] | None = None

    def compose_body(self) -> ComposeResult:
        self.view = self.last_view()
        yield Curves(id="compared")
        yield ComparedTable([MODEL], id="runs")
        yield Static(id="same", markup=False)

    def last_view(self) -> View:
        """How curves were looked at last time."""
        label, smoothing, logarithmic, by_time = self.cifar.remembered.get(
            "comparison", tuple[str, int, bool, bool], ("", 1, False, False)
        )
        metric = next((metric for metric in METRICS if metric.label == label), METRICS[0])
        return View(metric, smoothing if smoothing in SMOOTHINGS else SMOOTHINGS[0], logarithmic, by_time)

    @property
    def runs(self) -> list[Run]:
        """Those that are still there."""
        return [self.cifar.runs[id] for id in self.ids if id in self.cifar.runs]

    def update_body(self) -> None:
        runs = self.runs
        if not runs:
            return
        settings = [settings_of(run) for run in runs]
        differing = [name for name in settings[0] if len({one[name] for one in settings}) > 1]
        table = self.query_one(ComparedTable)
        columns = columns_for(runs, settings, differing)
        if [column.key for column in columns] != [column.key for column in table.layout_columns]:
            table.lay_out(columns)
            table.styles.height = len(runs) + 1
        rows = {
            run.id: Compared(run, LETTERS[place] if place < MOST else "", {name: one[name] for name in differing})
            for place, (run, one) in enumerate(zip(runs, settings, strict=True))
        }
        table.show(rows)
        self.query_one("#same", Static).update(summary(runs, settings[0], differing))
        self.draw()

    @on(ComparedTable.RowHighlighted)
    def draw(self) -> None:
        """The curves, where something about them has changed."""
        runs = self.runs[:MOST]
        current = self.query_one(ComparedTable).current
        front = next((place for place, run in enumerate(runs) if run.id == current), MOST)
        now = (self.view, front, runs)
        if not runs or now == self.drawn:
            return
        self.drawn = now
        view, all_epochs = self.view, [self.epochs_of(run) for run in runs]
        unit = unit_for(max((sum(epoch.seconds for epoch in epochs) for epochs in all_epochs), default=0.0))
        lines = [Line(*curve(epochs, view, unit)) for epochs in all_epochs]
        curves = self.query_one(Curves)
        notes = [f"by time in {unit.name}" if view.by_time else "by epoch"]
        if view.smoothing > 1:
            notes.append(f"mean of {view.smoothing} epochs")
        if view.logarithmic:
            notes.append("logarithmic")
        curves.border_title = ", ".join([view.metric.label, *notes])
        hidden = len(self.runs) - MOST
        curves.border_subtitle = f"curves of the first {MOST} of {MOST + hidden} runs" if hidden > 0 else ""
        curves.show(lines, view.logarithmic, front)

    def epochs_of(self, run: Run) -> list[Epoch]:
        known = self.epochs.get(run.id)
        if known is None or known[0] != run:
            known = self.epochs[run.id] = (run, self.cifar.epochs(run.id))
        return known[1]

    def look(self, view: View) -> None:
        self.view = view
        self.cifar.remember("comparison", (view.metric.label, view.smoothing, view.logarithmic, view.by_time))
        self.draw()

    def action_turn_metric(self, by: int) -> None:
        self.look(replace(self.view, metric=METRICS[(METRICS.index(self.view.metric) + by) % len(METRICS)]))

    def action_smooth(self) -> None:
        place = SMOOTHINGS.index(self.view.smoothing)
        self.look(replace(self.view, smoothing=SMOOTHINGS[(place + 1) % len(SMOOTHINGS)]))

    def action_logarithmic(self) -> None:
        self.look(replace(self.view, logarithmic=not self.view.logarithmic))

    def action_turn_axis(self) -> None:
        self.look(replace(self.view, by_time=not self.view.by_time))

    @on(ComparedTable.RowSelected)
    def open_row(self, event: ComparedTable.RowSelected) -> None:
        from tui.screens.run import RunPage

        if event.row_key.value is not None:
            self.app.push_screen(RunPage(event.row_key.value))


def named(row: Compared, width: int) -> Cell:
    letter = cast("Tone", f"curve-{row.letter}" if row.letter else "quiet")
    return [(f"{row.letter or '·'} ", letter), (model_name(row.run.model, width - 2), "plain")]


MODEL: Column[Compared] = Column("model", "  Model", 21, named, rank=1, roomy=32)

OUTCOMES: list[Column[Compared]] = [
    Column("best", "Best", 6, lambda row, _: words.percent(row.run.best_accuracy), rank=1, justify="right"),
    Column("last", "Last", 6, lambda row, _: words.percent(row.run.last_accuracy), rank=2, justify="right"),
    Column("difference", "Difference", 14, lambda row, _: difference_of(row.run), rank=98, justify="right"),
    Column("time", "Time", 11, lambda row, _: words.duration(row.run.seconds), rank=99, justify="right"),
]


def columns_for(
    runs: Sequence[Run], settings: Sequence[dict[str, str]], differing: Sequence[str]
) -> list[Column[Compared]]:
    """What they reached, then what they differ in, each as wide as its longest value."""

    def column(place: int, name: str) -> Column[Compared]:
        longest = max(len(name), *(len(one[name]) for one in settings))
        return Column(
            name, name, min(longest, WIDEST), lambda row, _: row.settings.get(name, ""), rank=3 + place, roomy=longest
        )

    return [MODEL, *OUTCOMES, *(column(place, name) for place, name in enumerate(differing))]


def settings_of(run: Run) -> dict[str, str]:
    """Everything about a run that was chosen or given, by name."""
    recipe = {field.replace("_", " "): _written(getattr(run.recipe, field)) for field in FIELDS}
    data = "CIFAR-10" if run.dataset == "cifar10" else run.dataset
    return {
        "seed": str(run.seed),
        **recipe,
        "recipe": run.recipe.name,
        "data": data,
        "device": run.device,
        "plan": run.plan,
    }


def _written(value: object) -> str:
    return "no" if value is None or value is False else "yes" if value is True else str(value)


def summary(runs: Sequence[Run], settings: dict[str, str], differing: Sequence[str]) -> str:
    """The line below the table: how far seeds alone spread, and what is the same in all."""
    groups = SeedGroups().among(sorted(runs, key=lambda run: run.created))
    spreads = {
        f"{model_name(run.model)}, {recipe_in_words(run.recipe)}: "
        f"{words.mean_and_spread(group.mean, group.spread, group.runs)} seeds"
        for run in runs
        if (group := groups.get(run.id)) and group.runs > 1
    }
    same = [settings[name] for name in ("data", "device") if name not in differing and settings[name]]
    if not set(differing) & {field.replace("_", " ") for field in FIELDS}:
        same.insert(0, recipe_in_words(runs[0].recipe))
    return " · ".join([*sorted(spreads), *(["the same in all: " + ", ".join(same)] if same else [])])
