"""`cifar-tui import`: what was trained elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from store.errors import UsageProblem
from store.runs import RunStore
from tui import words
from tui.commands.output import print_json, run_in_json
from tui.commands.watching import watching
from tui.products import followed
from tui.session import Session


@click.group("import", invoke_without_command=True)
@click.pass_context
def import_(ctx: click.Context) -> None:
    """Bring in what was trained elsewhere. (Images: cifar-tui data import.)"""
    if ctx.invoked_subcommand is None:
        raise UsageProblem("import what? There is weights, as in: cifar-tui import weights FILE --model ID")


@import_.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", metavar="ID", help="Which network it is; a file exported from here says so itself.")
@click.option("--json", "as_json", is_flag=True, help="The run as an object for programs.")
@click.pass_obj
def weights(session: Session, file: Path, model: str | None, as_json: bool) -> None:
    """Make a run of FILE, a safetensors file with the weights of a network of the catalogue.

    It is evaluated here on the test set, and marked as imported: nothing is claimed of its training, and it does not
    stand beside the published figures.
    """
    from trainer.device import prepare_process

    prepare_process()
    from trainer.importing import import_weights
    from tui.commands.weights_of import of_file

    given = of_file(session, file, model)
    with RunStore.open(session.home) as store, watching() as watch:
        steps = import_weights(store, file, given.model, given.source, session.devices[0])
        run = followed(steps, lambda step: watch(given.model, step))
    if as_json:
        print_json(run_in_json(run))
        return
    images = "CIFAR-10" if run.dataset == "cifar10" else "synthetic data, not CIFAR-10"
    click.echo(f"{run.model} {run.id}: imported from {file}, {words.percent(run.last_accuracy)} on {images}")
