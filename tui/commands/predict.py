"""`cifar-tui predict`: what a network takes pictures for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from store.errors import Problem
from tui import words
from tui.commands.output import print_json
from tui.commands.weights_of import chosen
from tui.session import Session

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.predict import Guess
    from trainer.weights import Which

TOP = 3  # classes
BAR = 20  # cells of a probability of 1


@click.command()
@click.argument("target", metavar="RUN|FILE")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", metavar="ID", help="Which network FILE is; one exported from here says so itself.")
@click.option("--last", is_flag=True, help="The weights after the last epoch instead of those after the best.")
@click.option("--json", "as_json", is_flag=True, help="An array for programs.")
@click.pass_context
def predict(
    ctx: click.Context, target: str, images: tuple[Path, ...], model: str | None, last: bool, as_json: bool
) -> None:
    """Say what a trained network takes pictures for: the three most probable classes of each.

    Of each IMAGE (any format that Pillow opens) the square in the middle is made 32×32, as the network sees it. The
    exit status is 1 when a file is no picture.
    """
    from trainer.device import prepare_process

    prepare_process()
    from trainer.engine import Engine, find_device
    from trainer.evaluate import classes_of
    from trainer.plan import Plan
    from trainer.predict import guesses, seen
    from trainer.weights import network_with

    session: Session = ctx.obj
    which: Which = "last" if last else "best"
    given = chosen(session, target, model, which)
    engine = Engine(find_device(session.devices[0]), Plan())
    network = network_with(given.model, given.weights, given.origin).to(engine.device)
    console = Console(highlight=False)
    found: list[dict[str, Any]] = []
    faults = 0
    for path in images:
        try:
            picture = seen(path)
        except Problem as problem:
            faults += 1
            click.echo(f"cifar-tui: {problem}", err=True)
            continue
        best = guesses(network, picture, classes_of(given.dataset), engine, TOP)
        found.append({"image": str(path), "guesses": [guess._asdict() for guess in best]})
        if not as_json:
            show(console, path, picture, best)
    if as_json:
        print_json(found)
    ctx.exit(1 if faults else 0)


def show(console: Console, path: Path, picture: Tensor, best: list[Guess]) -> None:
    """The picture where it can be drawn, its name, and a line for each class."""
    if console.is_terminal and not console.no_color:
        console.print(drawn(picture), soft_wrap=True)
    console.print(Text(str(path), style="bold"), soft_wrap=True)
    for guess in best:
        line = f"  {guess.name:<12}{words.percent(guess.probability):>8}"
        console.print(line + (f"  {'█' * round(BAR * guess.probability)}" if console.is_terminal else ""))


def drawn(picture: Tensor) -> Text:
    """A picture, uint8 (3, H, W) with an even H, in W × H/2 cells: each shows two pixels, the upper one in its ink."""
    text = Text()
    rows = picture.permute(1, 2, 0).tolist()  # (H, W, 3)
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        for ink, paper in zip(upper, lower, strict=True):
            text.append("▀", style=f"#{bytes(ink).hex()} on #{bytes(paper).hex()}")
        text.append("\n")
    return text
