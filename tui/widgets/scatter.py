"""Points in a plane whose x axis is logarithmic. The plotting library brings numpy, so it is loaded when it draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from textual.containers import Container

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


class Scatter(Container):
    """Draws points; those of later kinds over those of earlier ones."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"scatter--{kind}" for kind in MARKERS}

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.points: Sequence[Point] = ()
        self.written: Callable[[float], str] = str
        self.plot: PlotWidget | None = None

    def show(self, points: Sequence[Point], written: Callable[[float], str]) -> None:
        """Draw these. `written` says how a value of the x axis is written."""
        self.points, self.written = points, written
        if self.plot is None:
            from textual_plot import PlotWidget

            self.plot = PlotWidget(allow_pan_and_zoom=False)
            self.plot.can_focus = False
            self.plot.set_reactive(PlotWidget.margin_top, 1)
            self.plot.set_reactive(PlotWidget.margin_bottom, 2)
            self.mount(self.plot)
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        if self.plot is None or not self.points:
            return
        from tui.widgets.log_axis import LogAxis

        self.plot.clear()
        self.plot.set_x_formatter(LogAxis(self.written))
        xs = [math.log10(point.x) for point in self.points]
        ys = [point.y for point in self.points]
        # A little room around the points, so that none sits on the frame.
        room_x, room_y = 0.04 * (max(xs) - min(xs)) or 0.5, 0.05 * (max(ys) - min(ys)) or 1.0
        self.plot.set_xlimits(min(xs) - room_x, max(xs) + room_x)
        self.plot.set_ylimits(min(ys) - room_y, max(ys) + room_y)
        for kind, marker in MARKERS.items():
            chosen = [(x, y) for x, y, point in zip(xs, ys, self.points, strict=True) if point.kind == kind]
            if chosen:
                colour = self.get_component_styles(f"scatter--{kind}").color.hex
                self.plot.scatter([x for x, _ in chosen], [y for _, y in chosen], marker=marker, marker_style=colour)
