"""A table of records: columns that give way when it is narrow, marks, and as little drawing as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, ClassVar, Generic, Literal, TypeVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widgets import DataTable
from textual.widgets.data_table import ColumnKey

Record = TypeVar("Record")

Tone = Literal["plain", "quiet", "good", "bad", "warn"]
"""What a piece of a cell says besides its words; app.tcss gives it its colour."""

Cell = str | tuple[str, Tone] | list[tuple[str, Tone]]

BETWEEN_DRAWS = 0.5  # seconds; a changed cell makes Textual repaint every visible row
MARK = "● "
SECONDARY = 9  # from this rank on, a column comes only when those of rank 0 have all the room they can use


@dataclass(frozen=True)
class Column(Generic[Record]):
    """One column. It is shown when its `width` fits, and grows up to `roomy` where there is room."""

    key: str
    label: str
    width: int  # cells that it needs to make sense
    cell: Callable[[Record, int], Cell]  # what to write, given the width there is
    rank: int  # the highest goes first when it gets narrow
    roomy: int = 0  # cells that it can use; 0: no more than `width`
    justify: Literal["left", "right"] = "left"
    short: str = ""  # the label where the whole one does not fit
    order: Callable[[Record], Any] | None = None  # what it is sorted by (None comes last); without it, it is not
    falls: bool = False  # sorted by it, one wants to see the largest first


@dataclass(frozen=True)
class Sorting:
    """Rows sorted by a column."""

    key: str
    falling: bool  # the largest first


def in_order(records: Mapping[str, Record], columns: Iterable[Column[Record]], by: Sorting | None) -> dict[str, Record]:
    """The records sorted by a column; equal ones, and those that have nothing there, stay in the order they had."""
    order = next((column.order for column in columns if by and column.key == by.key), None)
    if by is None or order is None:
        return dict(records)
    values = {key: order(record) for key, record in records.items()}
    known = sorted((key for key in records if values[key] is not None), key=values.__getitem__, reverse=by.falling)
    return {key: records[key] for key in [*known, *(key for key in records if values[key] is None)]}


class RecordTable(DataTable[Text], Generic[Record]):
    """Rows are records under a key, in the order in which they are given."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--plain", "table--quiet", "table--good", "table--bad", "table--warn"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Open", id="open", tooltip="Open the row under the cursor"),
        Binding("space", "mark", "Mark", id="mark", tooltip="Mark the row or take its mark away, and move on"),
        Binding("up,k", "cursor_up", "Up", show=False, id="up", tooltip="One row up"),
        Binding("down,j", "cursor_down", "Down", show=False, id="down", tooltip="One row down"),
        Binding("pageup", "page_up", "Page up", show=False, id="page-up", tooltip="One screen up"),
        Binding("pagedown", "page_down", "Page down", show=False, id="page-down", tooltip="One screen down"),
        Binding("home,g", "scroll_top", "First", show=False, id="first", tooltip="The first row"),
        Binding("end,G", "scroll_bottom", "Last", show=False, id="last", tooltip="The last row"),
        Binding("left,right,ctrl+pageup,ctrl+pagedown", "nothing", "", show=False, system=True),  # all columns are seen
    ]

    class Marked(Message):
        """The set of marked rows has changed."""

    class OverTheTop(Message):
        """The cursor wants to go up from the first row."""

    def __init__(self, columns: list[Column[Record]], *, passive: bool = False, id: str | None = None) -> None:
        """A `passive` table is only read: its rows can be neither marked nor opened."""
        super().__init__(id=id, cursor_type="row", zebra_stripes=False)
        self.layout_columns = columns
        self.passive = passive
        self._mark_room = 0 if passive else len(MARK)  # cells before the first column
        self.marked: set[str] = set()
        self.sorting: Sorting | None = None  # shown as an arrow in the heading
        self._records: dict[str, Record] = {}
        self._known: list[str] = []  # keys of all records, the hidden ones too
        self._drawn: dict[str, Record] = {}  # what the cells show
        self._widths: dict[str, int] = {}  # of the columns that are shown
        self._last_draw = 0.0
        self._timer: Timer | None = None

    @property
    def current(self) -> str | None:
        """The key of the row under the cursor."""
        keys = list(self._drawn)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    @property
    def keys(self) -> list[str]:
        """The keys of the rows that are shown, in their order."""
        return list(self._records)

    @property
    def chosen(self) -> list[str]:
        """The keys of the marked rows in their order, hidden ones too, or else the row under the cursor."""
        if self.marked:
            return [key for key in self._known if key in self.marked]
        return [self.current] if self.current is not None else []

    @property
    def shown(self) -> int:
        """How many records there are to see."""
        return len(self._records)

    def show(self, records: Mapping[str, Record], among: Iterable[str] | None = None) -> None:
        """Show these records. Changed cells are drawn at most twice a second, changed rows at once.

        `among` are the keys of all records when a filter hides some: those that are hidden keep their marks.
        """
        self._records = dict(records)
        self._known = list(records if among is None else among)
        self.marked &= set(self._known)
        if not self._widths:
            return  # not laid out yet
        if list(self._records) != list(self._drawn):
            self._rebuild()
        elif self._timer is None:
            wait = self._last_draw + BETWEEN_DRAWS - monotonic()
            self._timer = self.set_timer(max(wait, 0.001), self._draw_changes)

    def show_sorting(self, sorting: Sorting | None) -> None:
        """Show in the headings by what the rows are sorted, and go to the first row."""
        self.sorting = sorting
        for column in self._shown_columns():
            self.columns[ColumnKey(column.key)].label = self._label(column)
        self._clear_caches()
        self.move_cursor(row=0)
        self.refresh()

    def lay_out(self, columns: list[Column[Record]]) -> None:
        """Show other columns of the same records."""
        self.layout_columns = columns
        if self._widths:
            self._widths = self._fit(self.outer_size.width - self.styles.scrollbar_size_vertical)
            self._rebuild(columns=True)

    def redraw(self) -> None:
        """Draw every row again, because something outside the records has changed."""
        self._drawn = {}
        if self._widths:
            self._rebuild()

    def put_cursor(self, key: str) -> None:
        """Move the cursor to a row, when it is shown."""
        if key in self._drawn:
            self.move_cursor(row=list(self._drawn).index(key), animate=False)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.redraw())

    def on_resize(self, event: events.Resize) -> None:
        widths = self._fit(self.outer_size.width - self.styles.scrollbar_size_vertical)
        if widths != self._widths:
            self._widths = widths
            self._rebuild(columns=True)

    def _fit(self, room: int) -> dict[str, int]:
        """Which columns are shown, and how wide: the most important first, then what room is left."""
        room -= self._mark_room
        ranked = sorted(self.layout_columns, key=lambda column: column.rank)
        widths: dict[str, int] = {}

        def grow(columns: Iterable[Column[Record]]) -> None:
            nonlocal room
            for column in columns:
                if column.key in widths:
                    more = max(0, min(room, column.roomy - widths[column.key]))
                    widths[column.key] += more
                    room -= more

        for column in ranked:
            if column.rank >= SECONDARY:
                grow(one for one in ranked if one.rank == 0)
            if widths and room < column.width + 2 * self.cell_padding:
                break
            widths[column.key] = column.width
            room -= column.width + 2 * self.cell_padding
        grow(ranked)
        return widths

    def _shown_columns(self) -> list[Column[Record]]:
        return [column for column in self.layout_columns if column.key in self._widths]

    def _rebuild(self, columns: bool = False) -> None:
        current, row, top = self.current, self.cursor_row, self.scroll_y
        self.clear(columns=columns)
        if columns:
            for position, column in enumerate(self._shown_columns()):
                width = self._widths[column.key] + (self._mark_room if position == 0 else 0)
                self.add_column(self._label(column), width=width, key=column.key)
        for key, record in self._records.items():
            self.add_row(*(self._cell(column, key, record) for column in self._shown_columns()), key=key)
        self._drawn = dict(self._records)
        self._last_draw = monotonic()
        if not self._drawn:
            return
        keys = list(self._drawn)
        row = keys.index(current) if current in self._drawn else min(row, len(keys) - 1)
        self.move_cursor(row=row, animate=False)
        self.scroll_to(y=top, animate=False)

    def _label(self, column: Column[Record]) -> Text:
        """The heading: the short one where the whole one does not fit, with an arrow where it decides the order."""
        width = self._widths[column.key]
        by = self.sorting if self.sorting and self.sorting.key == column.key else None
        arrow = ("▼" if by.falling else "▲") if by else ""
        whole = f"{column.label} {arrow}".rstrip()
        label = whole if len(whole) <= width or not column.short else f"{column.short}{arrow}"
        if len(label) > width:
            label = label[: width - len(arrow)].rstrip() + arrow
        if column is self._shown_columns()[0]:
            label = " " * self._mark_room + label
        return Text(label, justify=column.justify)

    def _draw_changes(self) -> None:
        self._timer = None
        self._last_draw = monotonic()
        for key, record in self._records.items():
            if key in self._drawn and self._drawn[key] != record:
                self._draw_row(key, record)

    def _draw_row(self, key: str, record: Record) -> None:
        self._drawn[key] = record
        for column in self._shown_columns():
            cell = self._cell(column, key, record)
            if self.get_cell(key, column.key) != cell:
                self.update_cell(key, column.key, cell)

    def _cell(self, column: Column[Record], key: str, record: Record) -> Text:
        width = self._widths[column.key]
        written = column.cell(record, width)
        pieces = written if isinstance(written, list) else [(written, "plain") if isinstance(written, str) else written]
        text = Text(no_wrap=True)
        for piece, tone in pieces:
            style = "" if tone == "plain" else self.get_component_rich_style(f"table--{tone}", partial=True)
            text.append(piece, style)
        text.truncate(width, overflow="ellipsis")
        text.justify = column.justify
        if self._mark_room and column is self._shown_columns()[0]:
            text = Text.assemble(MARK if key in self.marked else " " * len(MARK), text, no_wrap=True)
        return text

    def mark(self, keys: set[str], marked: bool) -> None:
        """Mark rows, or take their marks away."""
        before = set(self.marked)
        self.marked = self.marked | keys if marked else self.marked - keys
        for key in before ^ self.marked:
            if key in self._drawn:
                self._draw_row(key, self._records[key])
        self.post_message(self.Marked())

    def action_mark(self) -> None:
        if (key := self.current) is not None:
            self.mark({key}, key not in self.marked)
            self.action_cursor_down()

    def mark_all(self) -> None:
        """Mark everything that is shown; when all of it is marked, take the marks away."""
        shown = set(self._records)
        self.mark(shown, not shown <= self.marked)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (self.passive and action in {"mark", "select_cursor"})

    def action_nothing(self) -> None:
        """Keys of Textual's table that move between columns."""

    def action_cursor_up(self) -> None:
        if self.cursor_row == 0:
            self.post_message(self.OverTheTop())
        super().action_cursor_up()


AnyTable = RecordTable[Any]
