"""What all dialogs have in common: a box over the screen, closed by escape."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import ActiveBinding, Binding, BindingType
from textual.screen import ModalScreen

from tui.widgets.keys import useful

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer | None]):
    """Returns an answer, or None when the user thinks better of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="cancel", tooltip="Close without doing anything"),
        # The keys of the app mean nothing while a dialog is open.
        Binding("f1,question_mark", "app.help", "Help", key_display="f1", id="help", tooltip="Show or hide this help"),
        Binding("ctrl+down", "app.scroll_help(3)", "", show=False, id="scroll-help-down", tooltip="Down in this help"),
        Binding("ctrl+up", "app.scroll_help(-3)", "", show=False, id="scroll-help-up", tooltip="Up in this help"),
    ]

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        return useful(super().active_bindings)

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Close, and give the answer; once, though a second key may have come before the first was answered."""
        return super().dismiss(result) if self.is_current else AwaitComplete()

    def action_cancel(self) -> None:
        self.dismiss(None)
