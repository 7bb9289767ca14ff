"""Which columns a table shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui.screens.dialog import Dialog
from tui.widgets.table import MARK, Column


class ColumnsDialog(Dialog[tuple[str, ...]]):
    """Returns the keys of the chosen columns, in their order."""

    HELP = """
        **Space** shows or hides a column, **enter** keeps the choice, **escape** leaves it as it was. Where there is
        no room for all of them, columns give way; the fewer you choose, the more of them you see.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "keep", "Keep", priority=True, id="confirm", tooltip="Show these columns"),
        Binding("space", "turn", "Show or hide", id="mark", tooltip="Show this column, or hide it"),
        Binding("u", "usual", "Usual", id="usual", tooltip="The columns that are shown at first"),
        Binding("j", "move(1)", "Down", show=False, id="down", tooltip="The next column"),
        Binding("k", "move(-1)", "Up", show=False, id="up", tooltip="The column before"),
    ]

    def __init__(self, columns: Sequence[Column[Any]], chosen: Collection[str], usual: Collection[str]) -> None:
        super().__init__()
        self.columns, self.usual = columns, usual
        self.chosen = set(chosen)

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="-small") as box:
            box.border_title = "Columns"
            box.border_subtitle = "space show or hide · enter keep"
            options = [Option(self.label(column), id=column.key) for column in self.columns]
            yield OptionList(*options, compact=True, markup=False)
            yield Static("u the usual ones · esc cancel · f1 help", classes="remark", markup=False)

    def label(self, column: Column[Any]) -> str:
        return (MARK if column.key in self.chosen else " " * len(MARK)) + column.label

    def action_turn(self) -> None:
        choices = self.query_one(OptionList)
        if choices.highlighted is not None:
            self.chosen ^= {self.columns[choices.highlighted].key}
            self.relabel()

    @on(OptionList.OptionSelected)
    def clicked(self) -> None:
        self.action_turn()

    def action_usual(self) -> None:
        self.chosen = set(self.usual)
        self.relabel()

    def relabel(self) -> None:
        choices = self.query_one(OptionList)
        for column in self.columns:
            choices.replace_option_prompt(column.key, self.label(column))

    def action_keep(self) -> None:
        self.dismiss(tuple(column.key for column in self.columns if column.key in self.chosen))

    def action_move(self, by: int) -> None:
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if by > 0 else choices.action_cursor_up()
