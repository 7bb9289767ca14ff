"""An image of CIFAR-10 in the terminal: two pixels a cell in half-blocks; by brightness where there are no colours."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

SIDE = 32  # pixels
ROWS = SIDE // 2  # cells
SHADES = " .:-=+*#%@"  # from dark to bright


class Picture(Widget):
    """32 × 16 cells, and lines of words below."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"picture--words"}

    def __init__(self, pixels: bytes, words: list[str]) -> None:
        """`pixels` are 3 × 32 × 32 bytes: red, green, blue, each row by row."""
        super().__init__()
        self.pixels, self.words = pixels, words

    def render_line(self, y: int) -> Strip:
        if y >= ROWS:
            text = self.words[y - ROWS] if y - ROWS < len(self.words) else ""
            style = self.get_component_rich_style("picture--words")
            return Strip([Segment(text[: self.size.width].ljust(self.size.width), style)])
        if self.app.no_color:
            return Strip([Segment("".join(self._shade(x, y) for x in range(SIDE)))])
        cells = (Style(color=self._colour(x, 2 * y), bgcolor=self._colour(x, 2 * y + 1)) for x in range(SIDE))
        return Strip([Segment("▀", style) for style in cells])

    def _rgb(self, x: int, y: int) -> tuple[int, int, int]:
        at = y * SIDE + x
        return self.pixels[at], self.pixels[SIDE * SIDE + at], self.pixels[2 * SIDE * SIDE + at]

    def _colour(self, x: int, y: int) -> str:
        red, green, blue = self._rgb(x, y)
        return f"#{red:02x}{green:02x}{blue:02x}"

    def _shade(self, x: int, y: int) -> str:
        """How bright the two pixels of a cell are (ITU-R BT.601), as a letter."""
        bright = sum(
            0.299 * red + 0.587 * green + 0.114 * blue
            for red, green, blue in (self._rgb(x, 2 * y), self._rgb(x, 2 * y + 1))
        )
        return SHADES[min(len(SHADES) - 1, int(bright / 511 * len(SHADES)))]
