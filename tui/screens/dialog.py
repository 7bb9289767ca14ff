"""What all dialogs have in common: a box over the screen, closed by escape."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer | None]):
    """Returns an answer, or None when the user thinks better of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="cancel", tooltip="Close without doing anything"),
    ]

    def action_cancel(self) -> None:
        self.dismiss(None)
