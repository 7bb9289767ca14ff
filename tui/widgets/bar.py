"""The line at the top: where one is, what trains, on which data."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget

MODES = (("catalogue", "Catalogue"), ("queue", "Queue"), ("results", "Results"))


class TopBar(Widget):
    """Three modes with their keys, and at the right what holds for the whole session."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "bar--title",
        "bar--key",
        "bar--mode",
        "bar--here",
        "bar--note",
        "bar--warning",
    }

    busy: reactive[int] = reactive(0)  # runs that are not over
    notes: reactive[list[str]] = reactive[list[str]](list)  # data and devices, the most important first
    warning: reactive[str] = reactive("")  # what must not be overlooked

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def render(self) -> Content:
        def styled(text: str, part: str) -> Content:
            return Content.styled(text, self.get_visual_style(f"bar--{part}"))

        left = styled(" cifar-tui ", "title")
        for number, (mode, label) in enumerate(MODES, start=1):
            waiting = f" ({self.busy})" if mode == "queue" and self.busy else ""
            tab = styled(f" {number} ", "key") + styled(label + waiting, "here" if mode == self.mode else "mode")
            left += Content(" ") + (tab + " ").stylize(Style.from_meta({"@click": f"app.mode('{mode}')"}))
        room = self.size.width - left.cell_length
        for shown in range(len(self.notes), -1, -1):  # as many notes as fit
            note = styled(" · ".join(self.notes[:shown]) + " ", "note")
            right = styled(f"{self.warning}  " if self.warning else "", "warning") + note
            if right.cell_length <= room:
                break
        return left + Content(" " * max(room - right.cell_length, 0)) + right
