"""`cifar-tui models`: the catalogue."""

from __future__ import annotations

import click

from tui import words
from tui.commands.output import card_in_json, print_json, print_table, table_of
from zoo import CARDS


@click.command()
@click.option("--json", "as_json", is_flag=True, help="An array for programs.")
def models(as_json: bool) -> None:
    """List the catalogue: every model with its size and its published figures, your own models last."""
    if as_json:
        print_json([card_in_json(card) for card in CARDS.values()])
        return
    table = table_of(
        "ID", "MODEL", "CONFIG", "YEAR", "PARAMETERS", "MACS", "PUBLISHED", "GPU", "TIME",
        right=("PARAMETERS", "MACS", "PUBLISHED", "TIME"),
    )  # fmt: skip
    for card in CARDS.values():
        published = card.published
        table.add_row(
            card.id,
            card.name,
            card.config,
            str(card.year or words.NOTHING),
            words.count(card.params),
            words.short_count(card.macs),
            words.percent(published.accuracy) if published else "own" if card.own else words.NOTHING,
            published.gpu if published else words.NOTHING,
            words.duration(published.seconds) if published else words.NOTHING,
        )
    print_table(table, ("GPU", "TIME", "YEAR", "CONFIG", "MACS"))
