"""What the queue shows of a run that waits or has ended: the columns of its table."""

from __future__ import annotations

from collections.abc import Callable

from store.records import Run, Status
from tui import words
from tui.compare import model_name, recipe_in_words
from tui.widgets.table import Cell, Column, Tone

TONES: dict[Status, Tone] = {"failed": "bad", "interrupted": "warn", "paused": "warn", "done": "good"}


def status(run: Run, width: int) -> Cell:
    return words.status(run), TONES.get(run.status, "plain")


def note(run: Run, device: str | None = None) -> Cell:
    """What there is to know: why it failed, how it ended, how far it came. `device` says what is the matter with the
    one that it is pinned to."""
    if run.error:
        return run.error, TONES.get(run.status, "plain")
    if run.pinned_to and not run.is_over:
        return (device, "warn") if device else f"pinned to {run.pinned_to}"
    if run.status == "done":
        return f"best {words.percent(run.best_accuracy)}, last {words.percent(run.last_accuracy)}"
    so_far = f"{run.epochs_done} of {run.recipe.epochs} epochs"
    return run.notice or (so_far if run.epochs_done else ""), "quiet"


def columns(note: Callable[[Run], Cell]) -> list[Column[Run]]:
    """What is shown of a run."""
    return [
        Column("model", "Model", 20, lambda run, width: model_name(run.model, width), rank=0, roomy=37),
        Column("status", "Status", 13, status, rank=1),
        Column("seed", "Seed", 4, lambda run, _: str(run.seed), rank=4, roomy=6, justify="right"),
        Column("recipe", "Recipe", 11, lambda run, _: recipe_in_words(run.recipe), rank=3, roomy=30),
        Column("note", "Note", 18, lambda run, _: note(run), rank=2, roomy=60),
        Column("data", "Data", 9, lambda run, _: run.dataset, rank=6),
        Column("id", "Run", 5, lambda run, _: run.id, rank=5),
    ]
