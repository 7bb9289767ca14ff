"""`cifar-tui eval`: a trained network on the test set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from store.records import Run
from tui import words
from tui.commands.output import print_facts, print_json, print_table, table_of
from tui.commands.watching import watching
from tui.commands.weights_of import Chosen, chosen
from tui.compare import model_name
from tui.products import followed
from tui.session import Session

if TYPE_CHECKING:
    from trainer.evaluate import Evaluation
    from trainer.weights import Which

SHORT = 4  # letters of a class above its column, with which the table is 80 cells wide


@click.command()
@click.argument("target", metavar="RUN|FILE")
@click.option("--model", metavar="ID", help="Which network FILE is; one exported from here says so itself.")
@click.option("--last", is_flag=True, help="The weights after the last epoch instead of those after the best.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 10_000), help="Only the first N test images.")
@click.option("--json", "as_json", is_flag=True, help="An object for programs.")
@click.pass_obj
def eval(session: Session, target: str, model: str | None, last: bool, limit: int | None, as_json: bool) -> None:
    """Evaluate a trained network on the test set: accuracy, each class, what it takes for what, and how fast it is.

    RUN is a run (the beginning of its id is enough), FILE a safetensors file. Computed in fp32 on --device.
    """
    from trainer.device import prepare_process

    prepare_process()
    from trainer.evaluate import evaluate_weights

    which: Which = "last" if last else "best"
    given = chosen(session, target, model, which)
    with watching() as watch:
        steps = evaluate_weights(given.model, given.weights, given.origin, given.source, session.devices[0], limit)
        found = followed(steps, lambda step: watch(given.model, step))
    if as_json:
        print_json(in_json(given, which, found))
        return
    show(given, which, found)


def in_json(given: Chosen, which: str, found: Evaluation) -> dict[str, Any]:
    """What `eval --json` gives. Scripts depend on these keys."""
    return {
        "run": given.run.id if given.run else None,
        "file": None if given.run else given.origin,
        "model": given.model,
        "weights": which if given.run else None,
        "dataset": found.dataset,
        "images": found.images,
        "accuracy": found.accuracy,
        "loss": found.loss,
        "classes": list(found.classes),
        "class_accuracy": found.class_accuracies,
        "confusion": [list(row) for row in found.confusion],
        "images_per_second": found.images_per_second,
        "seconds": found.seconds,
        "latency": found.latency,
        "latency_repeats": found.repeats,
        "device": found.device,
    }


def recorded(run: Run, which: str) -> str:
    """What the run itself found with these weights, and where it did not look at the same images."""
    accuracy = run.best_accuracy if which == "best" else run.last_accuracy
    limit = run.recipe.test_limit
    return words.percent(accuracy) + (f", on the first {words.count(limit)} test images" if limit else "")


def show(given: Chosen, which: str, found: Evaluation) -> None:
    """The same for people."""
    console = Console(highlight=False)
    images = "CIFAR-10" if found.dataset == "cifar10" else "synthetic data, not CIFAR-10"
    origin = f"{given.origin}, {which} weights" if given.run else given.origin
    facts = [
        ("model", f"{model_name(given.model)}: {origin}"),
        ("accuracy", f"{words.percent(found.accuracy)} of {words.count(found.images)} test images of {images}"),
        ("recorded", recorded(given.run, which) if given.run else ""),
        ("loss", words.loss(found.loss)),
        ("speed", f"{words.speed(found.images_per_second)} on {found.device}"),
        ("latency", f"{words.latency(found.latency)} for one image, the median of {found.repeats}"),
    ]
    print_facts([(name, value) for name, value in facts if value], width=10)
    console.print()
    headings = [name[:SHORT] for name in found.classes]
    table = table_of("CLASS", "ACCURACY", *headings, right=("ACCURACY", *headings))
    for label, (name, row) in enumerate(zip(found.classes, found.confusion, strict=True)):
        cells = [Text(str(images or "·"), "bold" if place == label else "") for place, images in enumerate(row)]
        table.add_row(name, words.percent(found.class_accuracies[label]), *cells)
    print_table(table)
    console.print("A row for each true class, a column for what it was taken for: images.", style="dim")
