"""A question before something is done that is hard to undo."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from tui.screens.dialog import Dialog


class ConfirmDialog(Dialog[bool]):
    """Returns whether it is to be done."""

    HELP = "**Enter** or `y` does it, **escape** or `n` leaves everything as it is."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "confirm", "Yes", id="confirm", tooltip="Do it"),
        Binding("n", "cancel", "No", id="cancel", tooltip="Leave everything as it is"),
        Binding("right,down", "app.focus_next", "Next", show=False, id="next", tooltip="To the next button"),
        Binding("left,up", "app.focus_previous", "Previous", show=False, id="previous", tooltip="To the button before"),
    ]

    def __init__(self, question: str, why: str, verb: str) -> None:
        super().__init__()
        self.question, self.why, self.verb = question, why, verb

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = self.question.replace("[", "\\[")
            box.border_subtitle = "y yes · n no · f1 help"
            yield Static(self.why, id="why", markup=False)
            with Horizontal(id="buttons"):
                yield Button(self.verb, variant="error", compact=True, id="confirm")
                yield Button("Cancel", compact=True, id="cancel")

    @on(Button.Pressed, "#confirm")
    def action_confirm(self) -> None:
        self.dismiss(True)

    @on(Button.Pressed, "#cancel")
    def cancel_pressed(self) -> None:
        self.dismiss(None)
