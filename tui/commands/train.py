"""`cifar-tui train`: queue runs and train them here and now."""

from __future__ import annotations

from functools import partial

import click

from store.errors import UsageProblem
from store.records import Recipe, Run
from store.runs import RunStore, StoreInUse
from trainer.lifecycle import new_run
from trainer.queue import JobQueue
from trainer.recipes import FIELDS, PRESETS, changed, expected, preset
from tui.commands.headless import carry_out, hand_over, require_data, require_device, require_name
from tui.session import Session
from zoo import select
from zoo.own import require_fit

VALUES = "\b\nWhat --set changes:\n" + "\n".join(f"  {field:<15} {expected(field)}" for field in FIELDS)


@click.command(epilog=VALUES)
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--epochs", metavar="N", help="Instead of the recipe's.")
@click.option("--recipe", "recipe_name", default="published", show_default=True, help=f"One of: {', '.join(PRESETS)}.")
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Change a value of the recipe, see below. Repeatable."
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of initial weights, order and augmentation.  [0]")
@click.option("--seeds", type=click.IntRange(1, 1000), help="Train N times, with the seeds 0 … N − 1.")
@click.option("--pin", metavar="DEVICE", help="The only device that may train them, such as cuda:1.  [any of --device]")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line for programs.")
@click.pass_context
def train(
    ctx: click.Context,
    models: tuple[str, ...],
    epochs: str | None,
    recipe_name: str,
    settings: tuple[str, ...],
    seed: int | None,
    seeds: int | None,
    pin: str | None,
    as_json: bool,
) -> None:
    """Train models and keep their results.

    MODEL is an id, a family, a pattern such as 'vgg*', or `published` (all 36 rows of the published table). Where
    another program uses the home, the runs are handed over to it.

    With several devices, as in `--device all` before `train`, the longest run begins first, so that all devices are
    done at about the same time. A run that is pinned waits for its device, and holds up no other.
    """
    session: Session = ctx.obj
    cards = list({card.id: card for word in models for card in select(word)}.values())
    require_fit(card.id for card in cards)
    recipe = recipe_from(recipe_name, epochs, settings)
    if seed is not None and seeds is not None:
        raise UsageProblem("--seed and --seeds exclude each other: --seeds N is the seeds 0 … N − 1")
    numbers = range(seeds) if seeds is not None else [seed or 0]
    require_data([session.source])
    require_name(pin)

    source = session.source
    folder = str(source.folder.absolute()) if source.folder else None
    makers = [
        partial(
            new_run,
            model=card.id,
            recipe=recipe,
            seed=number,
            dataset=source.name,
            data_folder=folder,
            pinned_to=pin,
        )
        for card in cards
        for number in numbers
    ]

    def begin(store: RunStore, jobs: JobQueue) -> list[Run]:
        require_device(pin, jobs)
        return jobs.add_runs([make(store) for make in makers])

    try:
        status = carry_out(session, begin, as_json)
    except StoreInUse as use:
        status = hand_over(session, use.owner, makers, as_json)
    ctx.exit(status)


def recipe_from(name: str, epochs: str | None, settings: tuple[str, ...]) -> Recipe:
    """The recipe that the options describe. Raises UsageProblem."""
    values = {} if epochs is None else {"epochs": epochs}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageProblem(f"--set takes KEY=VALUE, as in --set learning_rate=0.05, not {setting!r}")
        if key.strip() in values:
            raise UsageProblem(f"{key.strip()} is set twice")
        values[key.strip()] = value
    return changed(preset(name), values)
