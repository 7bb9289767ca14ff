"""`cifar-tui results`: every run that has begun, beside the published table."""

from __future__ import annotations

import click

from store.records import Run
from store.runs import RunStore
from tui import words
from tui.commands.output import print_json, print_table, run_in_json, table_of
from tui.compare import has_begun, what_differs
from tui.session import Session
from zoo import CARDS


@click.command()
@click.option("--json", "as_json", is_flag=True, help="An array for programs, oldest run first.")
@click.pass_obj
def results(session: Session, as_json: bool) -> None:
    """List every run that has begun, whatever became of it, beside the published figures."""
    with RunStore.open(session.home, write=False) as store:
        begun = [run for run in store.runs() if has_begun(run)]
    if as_json:
        print_json([run_in_json(run) for run in begun])
        return
    if not begun:
        click.echo("no run has begun yet; cifar-tui train MODEL begins one")
        return
    table = table_of(
        "RUN", "MODEL", "CONFIG", "PUBLISHED", "BEST", "DIFFERENCE", "LAST", "EPOCHS", "STATUS", "DEVICE", "TIME",
        "PARAMETERS", "SIZE", "DIFFERS IN",
        right=("PUBLISHED", "BEST", "DIFFERENCE", "LAST", "EPOCHS", "TIME", "PARAMETERS", "SIZE"),
    )  # fmt: skip
    for run in begun:
        table.add_row(*cells(run))
    print_table(table, ("SIZE", "PARAMETERS", "DEVICE", "CONFIG", "TIME", "PUBLISHED", "LAST", "EPOCHS"), "DIFFERS IN")


def cells(run: Run) -> list[str]:
    """A row of the table. Synthetic results never stand beside published ones."""
    card = CARDS.get(run.model)
    published = card.published if card and run.dataset == "cifar10" else None
    return [
        run.id,
        card.name if card else run.model,
        card.config if card else "",
        words.percent(published.accuracy) if published else words.NOTHING,
        words.percent(run.best_accuracy),
        words.difference(run.best_accuracy, published.accuracy) if published and run.best_accuracy else words.NOTHING,
        words.percent(run.last_accuracy),
        words.NOTHING if run.imported else f"{run.epochs_done}/{run.recipe.epochs}",
        words.status(run),
        run.device or words.NOTHING,
        words.NOTHING if run.imported else words.duration(run.seconds),
        words.count(run.params),
        words.weights_size(run.params),
        words.listing(what_differs(run)),
    ]
