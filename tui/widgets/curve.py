"""Curves over the epochs of a run. The plotting library brings numpy, so it is loaded when the first curve is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Container

if TYPE_CHECKING:
    from textual_plot import PlotWidget

STYLES = ("curve--first", "curve--second")


class Curve(Container):
    """One or two series over the epochs, from 1; the first is drawn over the second."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(STYLES)

    def __init__(self, label: str, *, rises: bool, id: str | None = None) -> None:
        """`rises`: the interesting part is at the top, so the legend goes to the bottom."""
        super().__init__(id=id)
        self.border_title = label
        self.rises = rises
        self.series: dict[str, list[float]] = {}
        self.plot: PlotWidget | None = None

    def show(self, series: Mapping[str, Sequence[float]]) -> None:
        """Draw these, when they are new."""
        fresh = {name: list(values) for name, values in series.items()}
        if fresh == self.series or not any(fresh.values()):
            return
        self.series = fresh
        if self.plot is None:
            from textual_plot import PlotWidget

            self.plot = PlotWidget(allow_pan_and_zoom=False)
            self.plot.can_focus = False
            self.plot.set_reactive(PlotWidget.margin_top, 0)
            self.plot.set_reactive(PlotWidget.margin_bottom, 1)
            self.mount(self.plot)
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        if self.plot is None:
            return
        from textual_plot import HiResMode, LegendLocation

        self.plot.clear()
        for (name, values), style in reversed(list(zip(self.series.items(), STYLES, strict=False))):
            colour = self.get_component_styles(style).color.hex
            epochs = list(range(1, len(values) + 1))
            self.plot.plot(epochs, values, line_style=colour, hires_mode=HiResMode.BRAILLE, label=name)
        corner = LegendLocation.BOTTOMRIGHT if self.rises else LegendLocation.TOPRIGHT
        self.plot.show_legend(corner, is_visible=len(self.series) > 1)
