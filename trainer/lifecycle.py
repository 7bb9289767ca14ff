"""How a run comes to be, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from store.records import DatasetName, Recipe, Run, Status
from store.runs import RunStore
from zoo import card


def new_run(
    store: RunStore,
    model: str,
    recipe: Recipe,
    *,
    seed: int = 0,
    dataset: DatasetName,
    data_folder: str | None = None,
    pinned_to: str | None = None,
) -> Run:
    """A run that nothing knows of yet; it has no place in the line. Raises UnknownModel."""
    chosen = card(model)
    return Run(
        id=store.new_id(),
        model=model,
        dataset=dataset,
        data_folder=data_folder,
        recipe=recipe,
        seed=seed,
        pinned_to=pinned_to,
        params=chosen.params or 0,  # an own model's may not be known before it is built
        model_file=str(chosen.own.path) if chosen.own else None,
        model_digest=chosen.own.digest if chosen.own else None,
        created=datetime.now(UTC),
    )


def last_position(store: RunStore) -> float:
    """Of what is not over, in the queue."""
    return max((run.position for run in store.runs() if not run.is_over), default=0.0)


def wants_to_train(run: Run) -> bool:
    """Does this run go on by itself when the program is started again?"""
    return run.status in {"queued", "interrupted"} or run.waits_for_room


def ended(run: Run, status: Status, error: str | None = None) -> Run:
    """The run, over."""
    return replace(run, status=status, error=error, finished=datetime.now(UTC))
