"""`cifar-tui export`: everything a result is good for afterwards. Nothing is replaced without --force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from store.errors import UsageProblem
from store.records import Run
from store.runs import RunStore
from trainer.export.place import place
from trainer.export.table import FORMATS, Format, written
from tui import products
from tui.commands.watching import watching
from tui.session import Session

if TYPE_CHECKING:
    from trainer.weights import Which

Command = TypeVar("Command", bound=Callable[..., Any])


def to(metavar: str, help: str) -> Callable[[Command], Command]:
    """The options of every product: where it goes, and whether it may replace what is there."""

    def decorate(command: Command) -> Command:
        command = click.option("--force", is_flag=True, help="Replace what is there already.")(command)
        return click.option(
            "--output", "-o", metavar=metavar, type=click.Path(path_type=Path), help=help, show_default=False
        )(command)

    return decorate


@click.group(invoke_without_command=True)
@click.pass_context
def export(ctx: click.Context) -> None:
    """Take results away: tables, notebooks, weights, logs, event files, a report."""
    if ctx.invoked_subcommand is None:
        raise UsageProblem(f"export what? There is {', '.join(export.list_commands(ctx))}")


@contextmanager
def reading(session: Session) -> Iterator[RunStore]:
    """The store, beside whoever owns it."""
    with RunStore.open(session.home, write=False) as store:
        yield store


def named(store: RunStore, ids: tuple[str, ...]) -> list[Run]:
    """The runs of these ids, each once, in the order in which they are named."""
    return list({run.id: run for run in map(store.run, ids)}.values())


def put(text: str, output: Path | None, force: bool) -> None:
    """To a file, or to stdout."""
    if output is None:
        click.echo(text, nl=False)
    else:
        click.echo(place(output, text, force=force))


@export.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="CSV and JSON have every column.")
@click.option("--runs", "each", is_flag=True, help="A row for each run that has begun, instead of each model.")
@to("FILE", "Instead of stdout.")
@click.pass_obj
def table(session: Session, runs: tuple[str, ...], form: str, each: bool, output: Path | None, force: bool) -> None:
    """Write the results as a table: the published columns first, then ours.

    A row for each published model in the published order, then for each addition with results; beside it what own runs
    of the published recipe reached, at full length on the whole CIFAR-10: the mean over seeds (the newest run of each),
    with its spread. With --runs, or for the RUNs named, a row for each run: whatever its recipe and data, with what
    makes it differ. In JSON accuracies are fractions and times seconds.
    """
    with reading(session) as store:
        found = products.results_table(store, runs=named(store, runs), each=each)
    put(written(found, cast("Format", form)), output, force)


@export.command()
@click.argument("targets", metavar="MODEL|RUN...", nargs=-1, required=True)
@to("FILE|FOLDER", "Where to.  [default: MODEL.ipynb here; several: the folder notebooks]")
@click.pass_obj
def notebook(session: Session, targets: tuple[str, ...], output: Path | None, force: bool) -> None:
    """Write models or runs as notebooks that train them without this program: torch and torchvision are enough.

    MODEL is an id, a family, a pattern such as 'vgg*', or `published`. The notebook of a RUN has its recipe, its seed
    and what it showed.
    """
    with reading(session) as store:
        for path in products.notebooks(session, store, targets, output, force=force):
            click.echo(path)


@export.command()
@click.argument("run", metavar="RUN")
@click.option("--last", is_flag=True, help="The weights after the last epoch instead of those after the best.")
@click.option("--onnx", is_flag=True, help="As an ONNX graph, too, checked against torch. Needs the extra `onnx`.")
@to("FILE|FOLDER", "Where to, ending with .safetensors.  [default: MODEL-RUN-best.safetensors here]")
@click.pass_obj
def weights(session: Session, run: str, last: bool, onnx: bool, output: Path | None, force: bool) -> None:
    """Write a run's weights as safetensors, with a model card beside them that says what they are.

    The card (.json) has the three lines that load them.
    """
    with reading(session) as store:
        which: Which = "last" if last else "best"
        for path in products.weights(store, store.run(run), output, which=which, onnx=onnx, force=force):
            click.echo(path)


@export.command()
@click.argument("run", metavar="RUN")
@to("FILE", "Instead of stdout.")
@click.pass_obj
def log(session: Session, run: str, output: Path | None, force: bool) -> None:
    """Write the training of a run as plain text, an epoch a line."""
    with reading(session) as store:
        text = products.log(store, store.run(run))
    put(text, output, force)


@export.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@to("FOLDER", "Where to.  [default: the folder tensorboard here]")
@click.pass_obj
def tensorboard(session: Session, runs: tuple[str, ...], output: Path | None, force: bool) -> None:
    """Write all runs, or the RUNs named, as event files: tensorboard --logdir FOLDER shows them.

    Needs the extra `tensorboard`.
    """
    with reading(session) as store:
        click.echo(products.event_files(store, named(store, runs), output, force=force))


@export.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--eval/--no-eval", "evaluate", default=True, help="Evaluate the best run of each model class by class.")
@to("FILE", "Where to.  [default: cifar-tui-report.html here]")
@click.pass_obj
def report(session: Session, runs: tuple[str, ...], evaluate: bool, output: Path | None, force: bool) -> None:
    """Write one HTML file about all runs, or the RUNs named: tables, curves, costs, classes, environment.

    It asks nothing of the network. Evaluating takes seconds to minutes a model; --no-eval leaves it out.
    """
    with reading(session) as store, watching(lines=True) as watch:
        path = products.report(session, store, named(store, runs), output, watch, evaluate=evaluate, force=force)
    click.echo(path)
