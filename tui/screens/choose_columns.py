"""Which columns a table shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import SelectionList, Static
from textual.widgets.selection_list import Selection

from tui.screens.dialog import Dialog
from tui.widgets.table import Column


class ColumnsDialog(Dialog[tuple[str, ...]]):
    """Returns the keys of the chosen columns."""

    HELP = """
        **Space** shows or hides a column, **enter** keeps the choice, **escape** leaves it as it was. Where there is
        no room for all of them, columns give way; the fewer you choose, the more of them you see.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "keep", "Keep", priority=True, id="confirm", tooltip="Show these columns"),
        Binding("u", "usual", "Usual", id="usual", tooltip="The columns that are shown at first"),
        Binding("j", "move(1)", "Down", show=False, id="down", tooltip="The next column"),
        Binding("k", "move(-1)", "Up", show=False, id="up", tooltip="The column before"),
    ]

    def __init__(self, columns: Sequence[Column[Any]], chosen: Collection[str], usual: Collection[str]) -> None:
        super().__init__()
        self.columns, self.chosen, self.usual = columns, chosen, usual

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="-small") as box:
            box.border_title = "Columns"
            box.border_subtitle = "space show or hide · enter keep"
            yield SelectionList[str](
                *(Selection(column.label, column.key, column.key in self.chosen) for column in self.columns),
                compact=True,
            )
            yield Static("u the usual ones · esc cancel", classes="remark", markup=False)

    def action_keep(self) -> None:
        selected = set(self.query_one(SelectionList).selected)
        self.dismiss(tuple(column.key for column in self.columns if column.key in selected))

    def action_usual(self) -> None:
        choices = self.query_one(SelectionList)
        choices.deselect_all()
        for key in self.usual:
            choices.select(key)

    def action_move(self, by: int) -> None:
        choices = self.query_one(SelectionList)
        choices.action_cursor_down() if by > 0 else choices.action_cursor_up()
