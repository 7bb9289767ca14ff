"""The help at the right: what the focus stands on, and every key that works there."""

from __future__ import annotations

from textual.widget import Widget
from textual.widgets import HelpPanel


class Help(HelpPanel):
    """Where nothing has the focus, the screen itself is explained. Words and keys scroll together."""

    def update_help(self, focused_widget: Widget | None) -> None:
        super().update_help(focused_widget or self.screen)
