"""Lines in which one types."""

from __future__ import annotations

from textual.containers import VerticalScroll
from textual.widgets import Input


class Line(Input):
    """Never scrolls up or down: these keys are for the screen around it, and the help says so."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not action.startswith(("scroll_", "page_"))


class Lines(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Lines one below the other. They scroll to the one that has the focus, and leave every key to the screen."""
