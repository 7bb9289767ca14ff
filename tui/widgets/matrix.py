"""What a network takes for what: a confusion matrix as a heat map that can be read without colours, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.color import Color
from textual.content import Content
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget

NAMES = 12  # cells of the true class at the left
NARROWEST, WIDEST = 5, 8  # cells of a column
BESIDE = 18  # cells that the accuracy of the class takes at the right
BAR = "▏▎▍▌▋▊▉█"


class ConfusionMatrix(Widget):
    """A row for each true class, a column for each predicted one, and at the right how many were right."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"matrix--right", "matrix--wrong", "matrix--name", "matrix--quiet"}

    confusion: reactive[Sequence[Sequence[int]]] = reactive[Sequence[Sequence[int]]](())  # [true][predicted] images
    labels: reactive[Sequence[str]] = reactive[Sequence[str]](())

    def render(self) -> Content:
        if not self.confusion:
            return Content("")
        number = len(self.labels)
        cell = max(NARROWEST, min(WIDEST, (self.size.width - NAMES - BESIDE) // number))
        tall = 3 if self.size.height >= 3 * number + 2 else 1
        name = self.get_visual_style("matrix--name")
        quiet = self.get_visual_style("matrix--quiet")
        headings = "".join(label[: cell - 1].rjust(cell) for label in self.labels)
        lines = [
            Content.styled("true ↓ as →".ljust(NAMES), quiet)
            + Content.styled(headings, name)
            + Content.styled("   right", quiet)
        ]
        for label, row in enumerate(self.confusion):
            for part in range(tall):
                lines.append(self._line(label, row, cell, is_middle=part == tall // 2))
        return Content("\n").join(lines)

    def _line(self, label: int, row: Sequence[int], cell: int, is_middle: bool) -> Content:
        images = sum(row)
        name = self.labels[label][: NAMES - 1] if is_middle else ""
        line = Content.styled(name.ljust(NAMES), self.get_visual_style("matrix--name"))
        for predicted, count in enumerate(row):
            text = (str(count) if count else "·") if is_middle else ""
            share = count / images if images else 0.0
            line += Content.styled(text.rjust(cell - 1) + " ", self._heat(share, is_right=predicted == label))
        if not is_middle:
            return line
        right = row[label] / images if images else 0.0
        room = max(0, min(20, self.size.width - NAMES - cell * len(row) - 9))
        accuracy = f"{100 * right:6.1f}% " if images else "     – "
        return line + Content(accuracy) + Content.styled(bar(right, room), self.get_visual_style("matrix--right"))

    def _heat(self, share: float, is_right: bool) -> Style:
        """The more of a class, the warmer. A few percent of mistakes must be seen, so their scale is stretched."""
        colour = self.get_component_styles("matrix--right" if is_right else "matrix--wrong").color
        amount = 0.75 * share if is_right else min(0.75, 3 * share)
        ground = self.background_colors[1]
        quiet = self.get_visual_style("matrix--quiet")
        if share == 0:
            return quiet
        behind = ground.blend(Color(colour.r, colour.g, colour.b), amount)
        return Style(background=behind, foreground=behind.get_contrast_text(1.0), bold=is_right)


def bar(share: float, width: int) -> str:
    """A bar of eighths of a cell: 0 … 1 of `width` cells."""
    eighths = round(8 * share * width)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (BAR[rest - 1] if rest else "")
