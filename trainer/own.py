"""A stored run whose model is the user's own: is its model in the catalogue now, and is it still the same?"""

from __future__ import annotations

from store.errors import UsageProblem
from store.records import Run
from zoo import CARDS


def lacking_model(run: Run) -> str | None:
    """What to do so that the run's model is in the catalogue again; None when it is.

    The file is remembered, but only the user makes it run, by naming it: a store may come from somebody else.
    """
    if run.model in CARDS:
        return None
    file = run.model_file or "FILE, the file that defines it"
    return f"{run.model} is not in the catalogue now: start cifar-tui with --models {file}"


def require_model(run: Run) -> None:
    """Raises UsageProblem, which says what is needed, when the run's model is not in the catalogue."""
    if lack := lacking_model(run):
        raise UsageProblem(f"run {run.id}: {lack}")


def changed_file(run: Run) -> str | None:
    """The name of the run's model file when its text is another one now; None when it is the same, or not there."""
    card = CARDS.get(run.model)
    if card is None or card.own is None or card.own.digest == run.model_digest:
        return None
    return card.own.path.name
