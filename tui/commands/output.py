"""What the commands print: JSON for programs, Rich tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from store.records import Run
from zoo import Card


def print_json(value: object) -> None:
    """One JSON document, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(table: Table) -> None:
    """A table in the width of the terminal; whole, in as much width as it needs, where the output is piped."""
    console = Console(markup=False)
    if not console.is_terminal:
        console = Console(width=240, markup=False)
    console.print(table)


def print_facts(facts: Iterable[tuple[str, str]], width: int) -> None:
    """A line for each name and value, the names `width` cells wide. Values are shown as they are, brackets too."""
    console = Console(highlight=False)
    for name, value in facts:
        console.print(Text.assemble((name.ljust(width), "bold"), " ", value), soft_wrap=True)


def table_of(*columns: str, right: Iterable[str] = ()) -> Table:
    """An empty table in the house style."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in set(right) else "left", no_wrap=True)
    return table


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
