"""Facts as pairs of a name and a value, in as many columns as fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

GAP = 3


class Facts(Widget):
    """Pairs (name, value), read down the columns; two columns where there is room."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"facts--name", "facts--value"}
    TWO_COLUMNS = 100  # cells

    facts: reactive[Sequence[tuple[str, str]]] = reactive[Sequence[tuple[str, str]]]((), layout=True)

    def __init__(self, facts: Sequence[tuple[str, str]] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.set_reactive(Facts.facts, facts)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.size.width))

    def _lines(self, width: int) -> list[Content]:
        if width < self.TWO_COLUMNS:
            return self._column(self.facts, width)
        half = (len(self.facts) + 1) // 2
        left = self._column(self.facts[:half], (width - GAP) // 2)
        right = self._column(self.facts[half:], (width - GAP) // 2) + [Content("")] * half
        pairs = zip(left, right, strict=False)
        return [one.pad_right((width - GAP) // 2 + GAP - one.cell_length) + other for one, other in pairs]

    def _column(self, facts: Sequence[tuple[str, str]], width: int) -> list[Content]:
        room = max((len(name) for name, _ in facts), default=0) + 2
        name_style, value_style = self.get_visual_style("facts--name"), self.get_visual_style("facts--value")
        lines = (
            Content.styled(name.ljust(room), name_style) + Content.styled(value, value_style) for name, value in facts
        )
        return [line.truncate(width, ellipsis=True) for line in lines]
