"""`cifar-tui queue`: what is not over."""

from __future__ import annotations

import click

from store.inbox import peek
from store.runs import RunStore
from tui import words
from tui.commands.output import print_json, print_table, run_in_json, table_of
from tui.session import Session


@click.command()
@click.option("--json", "as_json", is_flag=True, help="An array for programs.")
@click.pass_obj
def queue(session: Session, as_json: bool) -> None:
    """List every run that is not over: what trains, waits, is paused or was interrupted, or was just handed over."""
    with RunStore.open(session.home, write=False) as store:
        stored = {run.id: run for run in store.runs()}
        handed_over = [run for run in peek(session.home) if run.id not in stored]
        jobs = sorted((run for run in stored.values() if not run.is_over), key=lambda run: run.position) + handed_over
    if as_json:
        print_json([run_in_json(run) for run in sorted(jobs, key=lambda run: run.created)])
        return
    if not jobs:
        click.echo("nothing is queued; cifar-tui train MODEL trains one, and the app queues many")
        return
    table = table_of("RUN", "MODEL", "STATUS", "EPOCHS", "BEST", "SEED", "DATA", right=("EPOCHS", "BEST", "SEED"))
    for run in jobs:
        epochs = f"{run.epochs_done}/{run.recipe.epochs}"
        best = words.percent(run.best_accuracy)
        table.add_row(run.id, run.model, run.status, epochs, best, str(run.seed), run.dataset)
    print_table(table, ("DATA", "SEED"))
