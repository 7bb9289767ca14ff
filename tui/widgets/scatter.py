"""Points in a plane whose x axis is logarithmic."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tui.widgets.plot import Plot

if TYPE_CHECKING:
    from textual_plot import PlotWidget

Kind = Literal["published", "own", "here"]
"""What a point stands for; `here` are those of the network that is looked at."""

MARKERS: dict[Kind, str] = {"published": "•", "own": "◆", "here": "◉"}


@dataclass(frozen=True, slots=True)
class Point:
    """One mark."""

    x: float  # above 0
    y: float
    kind: Kind


class Scatter(Plot):
    """Draws points; those of later kinds over those of earlier ones."""

    MARGINS = (1, 2)
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"scatter--{kind}" for kind in MARKERS}

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.points: Sequence[Point] = ()
        self.written: Callable[[float], str] = str

    def show(self, points: Sequence[Point], written: Callable[[float], str]) -> None:
        """Draw these. `written` says how a value of the x axis is written."""
        self.points, self.written = points, written
        self.draw_soon()

    def draw(self, plot: PlotWidget) -> None:
        if not self.points:
            return
        from tui.widgets.log_axis import LogAxis

        plot.clear()
        plot.set_x_formatter(LogAxis(self.written))
        xs = [math.log10(point.x) for point in self.points]
        ys = [point.y for point in self.points]
        # A little room around the points, so that none sits on the frame.
        room_x, room_y = 0.04 * (max(xs) - min(xs)) or 0.5, 0.05 * (max(ys) - min(ys)) or 1.0
        plot.set_xlimits(min(xs) - room_x, max(xs) + room_x)
        plot.set_ylimits(min(ys) - room_y, max(ys) + room_y)
        for kind, marker in MARKERS.items():
            chosen = [(x, y) for x, y, point in zip(xs, ys, self.points, strict=True) if point.kind == kind]
            if chosen:
                colour = self.get_component_styles(f"scatter--{kind}").color.hex
                plot.scatter([x for x, _ in chosen], [y for _, y in chosen], marker=marker, marker_style=colour)
