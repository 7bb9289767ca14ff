"""What all dialogs have in common: a box over the screen, closed by escape."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer | None]):
    """Returns an answer, or None when the user thinks better of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="cancel", tooltip="Close without doing anything"),
    ]

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Close, and give the answer; once, though a second key may have come before the first was answered."""
        return super().dismiss(result) if self.is_current else AwaitComplete()

    def action_cancel(self) -> None:
        self.dismiss(None)
