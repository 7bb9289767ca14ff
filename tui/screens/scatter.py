"""Accuracy against what it costs: the networks of the catalogue as points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from tui import words
from tui.compare import model_name
from tui.networks import Row, accuracy, rows_of
from tui.screens.base import AppScreen
from tui.widgets.scatter import Kind, Point, Scatter

BEST_FROM = 88.0  # percent; most networks are better, and too close together to tell apart beside the others


@dataclass(frozen=True)
class Axis:
    """What stands along the bottom: for the published point of a network, and for the own one."""

    label: str
    published: Callable[[Row], float | None]
    own: Callable[[Row], float | None]
    written: Callable[[float], str]


def rounded(value: float) -> str:
    """A tick: 1.0M is `1M`."""
    return words.short_count(round(value)).replace(".0", "")


AXES = (
    Axis("parameters", lambda row: row.card.params, lambda row: row.card.params, rounded),
    Axis("MACs", lambda row: row.card.macs, lambda row: row.card.macs, rounded),
    Axis(
        "time",
        lambda row: row.card.published.seconds if row.card.published else None,
        lambda row: row.time.seconds if row.time and row.time.measured else None,
        words.time_left,
    ),
)


class ScatterScreen(AppScreen):
    """One network is looked at, and stands out; the arrows go to the others in the order of the table."""

    AUTO_FOCUS = ""
    HELP = """
        ### Plot
        Accuracy in percent against parameters, MACs or time; the lower axis is logarithmic. **•** is published,
        **◆** your own mean, **◉** the network named below. The arrows go through the networks in the order of the
        table; `x` changes the axis, `z` shows the best networks only.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "turn_axis", "Axis", id="axis", tooltip="Parameters, MACs or time along the bottom"),
        Binding("z", "zoom", "Zoom", id="zoom", tooltip="Only the best networks, or all"),
        Binding("down,right,j", "move(1)", "Next", show=False, id="down", tooltip="The next network of the table"),
        Binding("up,left,k", "move(-1)", "Before", show=False, id="up", tooltip="The network before in the table"),
        Binding("enter", "open", "Open", id="open", tooltip="Open the page of this network"),
        Binding("escape,p", "back", "Back", key_display="esc", id="back", tooltip="Back to the table, at this network"),
    ]

    def __init__(self, models: list[str], current: str, left: Callable[[str], object]) -> None:
        """The networks to show, the one to begin with, and who wants to hear which it was in the end."""
        super().__init__()
        self.models, self.current, self.left = models, current, left
        self.axis, self.zoomed = AXES[0], False  # as it was last time, once it is composed
        self.rows: dict[str, Row] = {}

    def compose_body(self) -> ComposeResult:
        label, self.zoomed = self.cifar.remembered.get("plot", tuple[str, bool], ("", False))
        self.axis = next((axis for axis in AXES if axis.label == label), AXES[0])
        yield Scatter(id="scatter")
        yield Static(id="looked-at")

    def update_body(self) -> None:
        rows = rows_of(self.cifar.runs.values(), self.cifar.device)
        fresh = {model: rows[model] for model in self.models}
        if fresh != self.rows:
            self.rows = fresh
            self.draw()

    def draw(self) -> None:
        """The points, and what the one that is looked at stands for."""
        scatter = self.query_one(Scatter)
        scatter.border_title = f"accuracy in percent by {self.axis.label}"
        scatter.border_subtitle = "• published  ◆ own  ◉ this one" + (
            "   published times are those of the table's GPUs" if self.axis.label == "time" else ""
        )
        points = [point for row in self.rows.values() for point in self.points_of(row)]
        if self.zoomed:
            points = [point for point in points if point.y >= BEST_FROM] or points
        scatter.show(points, self.axis.written)
        self.query_one("#looked-at", Static).update(self.in_words(self.rows[self.current]))

    def points_of(self, row: Row) -> list[Point]:
        """What is known of a network: published, own, both or neither."""
        here = row.card.id == self.current
        pairs: list[tuple[float | None, float | None, Kind]] = [
            (self.axis.published(row), accuracy(row.card), "published"),
            (self.axis.own(row), row.own.mean if row.own else None, "own"),
        ]
        return [Point(x, 100 * y, "here" if here else kind) for x, y, kind in pairs if x and y is not None]

    def in_words(self, row: Row) -> Content:
        """The line below: the network that is looked at."""
        card, own = row.card, row.own
        facts = [
            f"{words.short_count(card.params)} params",
            f"{words.short_count(card.macs)} MACs",
            f"published {words.percent(accuracy(card))}",
            f"own {words.mean_and_spread(own.mean, own.spread, own.runs) if own else words.NOTHING}",
        ]
        if self.axis.label == "time":
            there = words.time_left(card.published.seconds) if card.published else words.NOTHING
            facts[:2] = [f"{there} on {card.published.gpu}" if card.published else there]
            facts.append(f"here {words.estimate(row.time)}")
        place = f"{self.models.index(card.id) + 1}/{len(self.models)}"
        name = Content.styled(f"◉ {model_name(card.id, 38)}", "bold")
        return name + Content(f"   {' · '.join(facts)}   {place}")

    def action_turn_axis(self) -> None:
        self.look(AXES[(AXES.index(self.axis) + 1) % len(AXES)], self.zoomed)

    def action_zoom(self) -> None:
        self.look(self.axis, not self.zoomed)

    def look(self, axis: Axis, zoomed: bool) -> None:
        """Draw it so, now and the next time."""
        self.axis, self.zoomed = axis, zoomed
        self.cifar.remember("plot", (axis.label, zoomed))
        self.draw()

    def action_move(self, by: int) -> None:
        place = self.models.index(self.current) + by
        self.current = self.models[max(0, min(place, len(self.models) - 1))]
        self.draw()

    def action_open(self) -> None:
        from tui.screens.model import ModelPage

        self.app.push_screen(ModelPage(self.rows[self.current].card))

    def action_back(self) -> None:
        if self.is_current:
            super().action_back()
            self.left(self.current)
