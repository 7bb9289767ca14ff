"""`cifar-tui bench`: how fast we train, beside the plain loop, here and now."""

from __future__ import annotations

import statistics
from typing import Any

import click
import msgspec

from store.errors import UsageProblem
from trainer.bench import Comparison, Ratio, Speed, Task, compare, surroundings
from tui import words
from tui.commands.headless import require_data
from tui.commands.output import print_json, print_table, table_of
from tui.session import Session
from zoo import select

USUAL = ("lenet", "mobilenetv2", "resnet18")
"""Measured when no model is named: a tiny one, a wide and thin one, a common one."""


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Pairs of measurements.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 3600),
    default=8.0,
    show_default=True,
    help="Of training in each measurement, and half as many of evaluation.",
)
@click.option("--whole", is_flag=True, help="Whole epochs instead of --seconds: for small networks or a GPU.")
@click.option("--json", "as_json", is_flag=True, help="An object for programs, with every measurement.")
@click.pass_obj
def bench(session: Session, models: tuple[str, ...], rounds: int, seconds: float, whole: bool, as_json: bool) -> None:
    """Measure our training beside the plain loop: same network, images and recipe, in turn, in fresh processes.

    The plain loop is benchmarks/plain.py: torchvision's CIFAR10 and its PIL transforms, a DataLoader with two workers,
    eager float32, the loss read at every step. MODEL is as for `train`; without one: lenet, mobilenetv2, resnet18.
    """
    if len(session.devices) > 1:
        raise UsageProblem("bench measures one device: --device cpu or --device cuda:0")
    cards = list({card.id: card for word in models or USUAL for card in select(word)}.values())
    require_data([session.source])
    task = Task(
        model="",
        data=str(session.source.folder) if session.source.folder else "synthetic",
        device=device_of(session),
        seconds=0.0 if whole else seconds,
    )
    done = []
    for card in cards:
        done.append(
            compare(msgspec.structs.replace(task, model=card.id), rounds, lambda line: click.echo(line, err=True))
        )
    if as_json:
        print_json({"surroundings": surroundings(), "models": [in_json(one) for one in done]})
    else:
        show(done, rounds)


def device_of(session: Session) -> str:
    """The one device that both sides use."""
    if session.devices != ("auto",):
        return session.devices[0]
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def show(done: list[Comparison], rounds: int) -> None:
    """A row a network."""
    around = surroundings()
    click.echo(
        f"{around['cpu']}, {words.several(int(around['cores']), 'core')}, torch {around['torch']}, device "
        f"{done[0].device}, {done[0].dataset}, batch 128, {words.several(rounds, 'round')}"
    )
    table = table_of(
        "MODEL", "TRAIN", "EPOCH", "TEST", "MEMORY", "TRAIN, OURS", "PLAIN", "EPOCH, OURS", "PLAIN", "PLAN",
        right=("TRAIN", "EPOCH", "TEST", "MEMORY", "TRAIN, OURS", "PLAIN", "EPOCH, OURS"),
    )  # fmt: skip
    for one in done:
        ratios = one.ratios()
        table.add_row(
            one.model,
            *(in_words(ratios.get(name)) for name in ("train", "epoch", "test", "memory")),
            words.speed(median(one.ours, "train_images_per_second")),
            words.speed(median(one.plain, "train_images_per_second")),
            f"{median(one.ours, 'epoch_seconds'):,.1f} s",
            f"{median(one.plain, 'epoch_seconds'):,.1f} s",
            one.ours[-1].plan,
        )
    print_table(table, ("PLAN", "EPOCH, OURS", "PLAIN", "TRAIN, OURS", "TEST"))
    epoch = "was run whole" if done[0].ours[0].whole else "is computed from the speeds of training and evaluation"
    click.echo(
        "Times as fast as the plain loop: median of the rounds, least and most. MEMORY: ours as a part of the plain "
        f"loop's, each the peak of the process that trains, without the plain loop's two workers. The epoch {epoch}."
    )


def in_words(ratio: Ratio | None) -> str:
    """`4.61× (4.40–4.75)`."""
    return words.NOTHING if ratio is None else f"{ratio.median:.2f}× ({ratio.least:.2f}–{ratio.most:.2f})"


def median(speeds: list[Speed], field: str) -> float:
    return float(statistics.median(getattr(speed, field) for speed in speeds))


def in_json(one: Comparison) -> dict[str, Any]:
    """A model as `bench --json` gives it: the ratios, and every measurement they were made of."""
    fields: dict[str, Any] = msgspec.to_builtins(one)
    return fields | {"ratios": msgspec.to_builtins(one.ratios())}
