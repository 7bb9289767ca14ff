"""The line in which one types to find rows."""

from __future__ import annotations

import re
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from tui.widgets.line import Line


def matches(query: str, text: str) -> bool:
    """Does every word of the query occur in the text, in one piece or as letters in order that begin at a word?

    `rn50` finds ResNet-50, `vgg 1` every VGG-1…; case does not matter.
    """
    text = text.lower()
    return all(occurs(word, text) for word in query.lower().split())


def occurs(word: str, text: str) -> bool:
    """The same for one word, where both are in small letters."""
    return word in text or re.search(r"(?<![a-z0-9])" + "[^ ]*?".join(map(re.escape, word)), text) is not None


class FilterLine(Line):
    """Filters as one types. Enter goes to what was found, escape takes the filter away."""

    HELP = "Type parts of what you look for. **Enter** keeps the filter and goes to the rows, **escape** drops it."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "drop", "Drop filter", id="reset", tooltip="Show all rows again"),
        Binding("enter", "done", "To the rows", id="to-rows", tooltip="Keep the filter and go to the rows"),
        Binding("down", "done", "To the rows", show=False, id="to-rows", tooltip="Keep the filter and go to the rows"),
    ]

    class Done(Message):
        """The rows should have the focus."""

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, id="filter", compact=True, select_on_focus=False)

    def action_drop(self) -> None:
        self.value = ""
        self.post_message(self.Done())

    def action_done(self) -> None:
        self.post_message(self.Done())
