"""Sorting a table: the dialog in which one chooses a column, and the keys that open it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.screens.base import TableScreen
from tui.screens.dialog import Dialog
from tui.widgets.table import Column, RecordTable, Sorting

AS_IT_IS = "-"  # the option that takes the sorting away


class SortDialog(Dialog[Sorting | str]):
    """Returns the order that was chosen, or AS_IT_IS."""

    HELP = "Choose the column by which the rows are sorted. The same column once more turns the order round."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Sort", id="confirm", tooltip="Sort by this column"),
        Binding("j", "move(1)", "Down", show=False, id="down", tooltip="The next column"),
        Binding("k", "move(-1)", "Up", show=False, id="up", tooltip="The column before"),
        Binding("s", "cancel", "Cancel", show=False, id="cancel", tooltip="Close without doing anything"),
    ]

    def __init__(self, columns: list[Column[Any]], usual: str, now: Sorting | None) -> None:
        """`usual` is the order without sorting, in words."""
        super().__init__()
        self.columns = [column for column in columns if column.order]
        self.usual, self.now = usual, now

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="-small") as box:
            box.border_title, box.border_subtitle = "Sort by", "enter sort · esc cancel · f1 help"
            options = [Option(self.label(column), id=column.key) for column in self.columns]
            yield OptionList(Option(self.usual, id=AS_IT_IS), *options, compact=True, markup=False)

    def label(self, column: Column[Any]) -> str:
        """The column, with an arrow where it decides the order now."""
        is_now = self.now is not None and self.now.key == column.key
        return f"{column.label} {'▼' if self.now and self.now.falling else '▲'}" if is_now else column.label

    def on_mount(self) -> None:
        keys = [AS_IT_IS, *(column.key for column in self.columns)]
        self.query_one(OptionList).highlighted = keys.index(self.now.key) if self.now and self.now.key in keys else 0

    def action_move(self, by: int) -> None:
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if by > 0 else choices.action_cursor_up()

    def action_choose(self) -> None:
        self.query_one(OptionList).action_select()

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        key = event.option.id or AS_IT_IS
        column = next((column for column in self.columns if column.key == key), None)
        if column is None:
            self.dismiss(AS_IT_IS)
        elif self.now and self.now.key == key:
            self.dismiss(Sorting(key, not self.now.falling))
        else:
            self.dismiss(Sorting(key, column.falls))


class SortedScreen(TableScreen):
    """A table that can be sorted by any of its columns; in which order it stood last time is remembered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort", id="sort", tooltip="Choose the column by which the rows are sorted"),
        Binding(
            "S", "turn_round", "Turn round", show=False, id="turn-round", tooltip="Turn the order of the rows round"
        ),
    ]
    usual_order = "as they are"
    remembered_as = ""  # the name of the order among what the app remembers
    sorting: Sorting | None = None

    def recall_order(self, columns: Iterable[Column[Any]]) -> None:
        """Sort by the column by which the rows were sorted last."""
        key, falling = self.cifar.remembered.get(self.remembered_as, tuple[str, bool], ("", False))
        is_known = any(column.key == key and column.order for column in columns)
        self.sorting = Sorting(key, falling) if is_known else None

    def action_sort(self) -> None:
        dialog = SortDialog(self.table.layout_columns, self.usual_order, self.sorting)
        self.app.push_screen(dialog, self.order_chosen)

    def order_chosen(self, choice: Sorting | str | None) -> None:
        if choice is not None:
            self.sort_by(choice if isinstance(choice, Sorting) else None)

    def action_turn_round(self) -> None:
        if self.sorting:
            self.sort_by(Sorting(self.sorting.key, not self.sorting.falling))
        else:
            self.action_sort()

    def sort_by(self, sorting: Sorting | None) -> None:
        """Sort the rows, or give them back their usual order."""
        self.sorting = sorting
        self.update_body()
        self.table.show_sorting(sorting)
        self.cifar.remember(self.remembered_as, (sorting.key, sorting.falling) if sorting else ("", False))

    @on(RecordTable.HeaderSelected)
    def heading_clicked(self, event: RecordTable.HeaderSelected) -> None:
        column = next(one for one in self.table.layout_columns if one.key == event.column_key.value)
        if column.order:
            is_now = self.sorting is not None and self.sorting.key == column.key
            falling = not self.sorting.falling if self.sorting and is_now else column.falls
            self.sort_by(Sorting(column.key, falling))
