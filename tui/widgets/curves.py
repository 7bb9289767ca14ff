"""The curves of several runs in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tui.widgets.plot import Plot

if TYPE_CHECKING:
    from textual_plot import PlotWidget

MOST = 8  # curves; more could not be told apart
LETTERS = "abcdefgh"


@dataclass(frozen=True, slots=True)
class Line:
    """One curve; its place in the list gives it its letter and colour."""

    xs: list[float]
    ys: list[float]


class Curves(Plot):
    """Each curve carries its letter, so that colour is never needed. One of them may stand out."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"curves--{letter}" for letter in LETTERS}

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: Sequence[Line] = ()
        self.logarithmic = False
        self.front = 0  # the curve that is drawn over the others

    def show(self, lines: Sequence[Line], logarithmic: bool, front: int) -> None:
        """Draw these."""
        self.lines, self.logarithmic, self.front = lines, logarithmic, front
        self.draw_soon()

    def draw(self, plot: PlotWidget) -> None:
        from textual_plot import HiResMode, NumericAxisFormatter

        from tui.widgets.log_axis import LogAxis

        plot.clear()
        plot.set_y_formatter(LogAxis(lambda value: f"{value:.3g}") if self.logarithmic else NumericAxisFormatter())
        order = [place for place, line in enumerate(self.lines) if line.xs and place != self.front]
        if self.front < len(self.lines) and self.lines[self.front].xs:
            order.append(self.front)
        xs = [x for line in self.lines for x in line.xs]
        if xs:  # a little room, so that no curve ends on the frame
            plot.set_xlimits(min(xs), max(xs) + 0.015 * (max(xs) - min(xs)) or None)
        for place in order:
            line, colour = self.lines[place], self.get_component_styles(f"curves--{LETTERS[place]}").color.hex
            plot.plot(line.xs, line.ys, line_style=colour, hires_mode=HiResMode.BRAILLE)
        for place in order:
            line, colour = self.lines[place], self.get_component_styles(f"curves--{LETTERS[place]}").color.hex
            at = self.place_of_letter(place, len(line.xs))
            style = f"bold {colour}" + (" reverse" if place == self.front else "")
            plot.scatter([line.xs[at]], [line.ys[at]], marker=LETTERS[place], marker_style=style)

    def place_of_letter(self, place: int, points: int) -> int:
        """Where along its curve a letter stands: each further to the right than the one before."""
        return round((points - 1) * (0.3 + 0.65 * (place + 0.5) / len(self.lines)))
