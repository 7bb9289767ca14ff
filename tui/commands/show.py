"""`cifar-tui show`: one run, whole."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from store.records import Run
from store.runs import RunStore
from trainer.recipes import FIELDS
from tui import words
from tui.commands.output import print_facts, print_json, print_table, run_in_json, table_of
from tui.compare import model_name
from tui.session import Session


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="An object for programs, with its epochs under `epochs`.")
@click.pass_obj
def show(session: Session, run: str, as_json: bool) -> None:
    """Show a run: what it is, its recipe, its epochs and its files. The beginning of an id is enough."""
    with RunStore.open(session.home, write=False) as store:
        found = store.run(run)
        epochs, folder = store.epochs(found.id), store.folder(found.id)
    if as_json:
        print_json({**run_in_json(found), "epochs": msgspec.to_builtins(epochs)})
        return
    print_facts(facts(found, folder), width=12)
    if not found.imported:
        recipe = "  ".join(f"{field}={getattr(found.recipe, field)}" for field in FIELDS)
        print_facts([("recipe", f"{found.recipe.name}: {recipe}")], width=12)
    table = table_of("EPOCH", "TRAIN LOSS", "TRAIN", "TEST LOSS", "TEST", "LEARNING RATE", "TIME", right=("EPOCH",))
    for epoch in epochs:
        table.add_row(
            str(epoch.epoch),
            f"{epoch.train_loss:.4f}",
            words.percent(epoch.train_accuracy),
            f"{epoch.test_loss:.4f}",
            words.percent(epoch.test_accuracy) + ("  best" if epoch.epoch == found.best_epoch else ""),
            f"{epoch.learning_rate:.6g}",
            f"{epoch.seconds:.1f} s",
        )
    if epochs:
        click.echo()
        print_table(table)


def facts(run: Run, folder: Path) -> list[tuple[str, str]]:
    """What is known of a run, name and value."""
    data = "synthetic data, not CIFAR-10" if run.dataset == "synthetic" else f"CIFAR-10 in {run.data_folder}"
    pairs = [
        ("run", run.id),
        ("model", f"{model_name(run.model)}, {words.count(run.params)} parameters"),
        ("status", words.status(run)),
        ("why", run.error or ""),
        ("notice", run.notice or ""),
        ("best", f"{words.percent(run.best_accuracy)} after epoch {run.best_epoch}" if run.best_epoch else ""),
        ("accuracy", f"{words.percent(run.last_accuracy)}, found when they were imported" if run.imported else ""),
        ("last", f"{words.percent(run.last_accuracy)} after epoch {run.epochs_done}" if run.epochs_done else ""),
        ("data", data),
        ("seed", "" if run.imported else str(run.seed)),
        ("device", ", ".join(filter(None, [words.device(run), run.plan]))),
        ("time", "" if run.imported else words.duration(run.seconds)),
        ("created", f"{run.created:%Y-%m-%d %H:%M:%S} UTC"),
        ("finished", f"{run.finished:%Y-%m-%d %H:%M:%S} UTC" if run.finished else ""),
        ("files", str(folder)),
    ]
    return [(name, value) for name, value in pairs if value]
