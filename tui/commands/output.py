"""What the commands print: JSON for programs, Rich tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from store.records import Run
from tui import words
from zoo import Card

GAP = 2  # cells between two columns of a table
CUT = 18  # cells that a column of free text keeps before other columns give way


def print_json(value: object) -> None:
    """One JSON document, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(table: Table, gives_way: Sequence[str] = (), cut: str = "") -> None:
    """A table in the width of the terminal; whole, however wide, where the output is piped.

    Where the terminal is too narrow, first the column of free text headed `cut` is cut short, then those of `gives_way`
    are left out, the first one first, and a line below names them: a column less is better than a digit less in each.
    """
    console = Console(markup=False)
    if not console.is_terminal:
        console = Console(width=_width(table.columns), markup=False)
    columns, left_out = table.columns, list[str]()
    for heading in gives_way:
        if _width(columns, cut) <= console.width:
            break
        columns = [column for column in columns if column.header != heading]
        left_out.append(heading)
    fitting = _house_style()
    for column in columns:
        others = [other for other in columns if other is not column]
        width = max(CUT, console.width - _width([*others, Column()])) if column.header == cut else None
        fitting.add_column(column.header, justify=column.justify, no_wrap=True, max_width=width)
    for cells in zip(*(column.cells for column in columns), strict=True):
        fitting.add_row(*cells)
    console.print(fitting)
    if left_out:
        console.print(f"Left out, for want of room: {words.listing(left_out)}. --json has everything.", style="dim")


def _width(columns: Sequence[Column], cut: str = "") -> int:
    """How wide these columns are side by side, in cells, that headed `cut` no wider than it has to be."""
    widths = [max(cell_len(str(cell)) for cell in (column.header, *column.cells)) for column in columns]
    least = [min(width, CUT) if column.header == cut else width for column, width in zip(columns, widths, strict=True)]
    return sum(least) + GAP * (len(least) - 1)


def print_facts(facts: Iterable[tuple[str, str]], width: int) -> None:
    """A line for each name and value, the names `width` cells wide. Values are shown as they are, brackets too."""
    console = Console(highlight=False)
    for name, value in facts:
        console.print(Text.assemble((name.ljust(width), "bold"), " ", value), soft_wrap=True)


def table_of(*columns: str, right: Iterable[str] = ()) -> Table:
    """An empty table in the house style."""
    table = _house_style()
    for column in columns:
        table.add_column(column, justify="right" if column in set(right) else "left", no_wrap=True)
    return table


def _house_style() -> Table:
    return Table(box=None, pad_edge=False, header_style="bold")


def run_in_json(run: Run) -> dict[str, Any]:
    """A run as `queue`, `results`, `show` and `train --json` give it. Scripts depend on these keys."""
    fields: dict[str, Any] = msgspec.to_builtins(run)
    del fields["position"], fields["moved"]
    return fields


def card_in_json(card: Card) -> dict[str, Any]:
    """A model as `models --json` gives it. Scripts depend on these keys."""
    return {
        "id": card.id,
        "name": card.name,
        "family": card.family,
        "config": card.config,
        "year": card.year,
        "params": card.params,
        "macs": card.macs,
        "activations": card.activations,
        "count": card.count,
        "paper": card.paper and {"title": card.paper.title, "authors": card.paper.authors, "link": card.paper.link},
        "file": str(card.own.path) if card.own else None,
        "published": card.published
        and {
            "accuracy": card.published.accuracy,
            "gpu": card.published.gpu,
            "seconds": card.published.seconds,
            "params": card.published.params,
        },
    }
