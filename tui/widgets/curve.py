"""Curves over the epochs of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from tui.widgets.plot import Plot

if TYPE_CHECKING:
    from textual_plot import PlotWidget

STYLES = ("curve--first", "curve--second")


class Curve(Plot):
    """One or two series over the epochs, from 1; the first is drawn over the second."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(STYLES)

    def __init__(self, label: str, *, rises: bool, id: str | None = None) -> None:
        """`rises`: the interesting part is at the top, so the legend goes to the bottom."""
        super().__init__(id=id)
        self.border_title = label
        self.rises = rises
        self.series: dict[str, list[float]] = {}

    def show(self, series: Mapping[str, Sequence[float]]) -> None:
        """Draw these, when they are new."""
        fresh = {name: list(values) for name, values in series.items()}
        if fresh == self.series or not any(fresh.values()):
            return
        self.series = fresh
        self.draw_soon()

    def draw(self, plot: PlotWidget) -> None:
        from textual_plot import HiResMode, LegendLocation

        plot.clear()
        for (name, values), style in reversed(list(zip(self.series.items(), STYLES, strict=False))):
            colour = self.get_component_styles(style).color.hex
            epochs = list(range(1, len(values) + 1))
            plot.plot(epochs, values, line_style=colour, hires_mode=HiResMode.BRAILLE, label=name)
        corner = LegendLocation.BOTTOMRIGHT if self.rises else LegendLocation.TOPRIGHT
        plot.show_legend(corner, is_visible=len(self.series) > 1)
