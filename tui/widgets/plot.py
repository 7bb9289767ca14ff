"""The one place where the plotting library is met. It brings numpy, so it is loaded when the first picture is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Container

if TYPE_CHECKING:
    from textual_plot import PlotWidget


class Plot(Container):
    """A picture that is drawn once its widget is there, however quickly pages come and go."""

    MARGINS: ClassVar[tuple[int, int]] = (0, 1)  # cells above and below the picture

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._widget: PlotWidget | None = None

    @property
    def has_picture(self) -> bool:
        """Whether the picture's own widget is there."""
        return self._widget is not None

    def draw_soon(self) -> None:
        """Draw what there is to show, when the screen is quiet."""
        if self._widget is None:
            from textual_plot import PlotWidget

            self._widget = PlotWidget(allow_pan_and_zoom=False)
            self._widget.can_focus = False
            above, below = self.MARGINS
            self._widget.set_reactive(PlotWidget.margin_top, above)
            self._widget.set_reactive(PlotWidget.margin_bottom, below)
            self.mount(self._widget)
        self.call_after_refresh(self._draw_when_there, self._widget)

    def _draw_when_there(self, widget: PlotWidget) -> None:
        if not self.is_attached:
            return  # the page was left
        if widget.query("#legend"):
            self.draw(widget)
        else:
            self.call_after_refresh(self._draw_when_there, widget)

    def draw(self, plot: PlotWidget) -> None:
        """Draw on `plot`, from nothing."""
