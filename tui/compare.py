"""What may stand beside what: an own accuracy beside a published one only when it was made the same way."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache

from store.records import Recipe, Run
from trainer.own import changed_file
from trainer.recipes import FIELDS, PRESETS, difference
from zoo import CARDS

PUBLISHED = PRESETS["published"]
NEUTRAL = frozenset({"name", "exact", "threads"})  # they change how a result is computed, not what it is


@dataclass(frozen=True, slots=True)
class OwnBest:
    """The best test accuracy of a model in own runs of the published recipe: over how many seeds, mean, spread."""

    mean: float  # a fraction
    spread: float | None  # standard deviation (n − 1); None for one seed
    runs: int


def changes(recipe: Recipe, base: Recipe) -> dict[str, tuple[object, object]]:
    """The fields in which a recipe differs from another: what it was, what it is."""
    pairs = {field: (getattr(base, field), getattr(recipe, field)) for field in FIELDS}
    return {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}


def written(name: str, value: object) -> str:
    """One setting as a person reads it: `epochs 3`, `no augmentation`, `exact`."""
    label = name.replace("_", " ")
    if value is True:
        return label
    if value is False or value in (None, "none"):
        return f"no {label}"
    return f"{label} {value}"


@lru_cache(maxsize=1024)
def recipe_in_words(recipe: Recipe) -> str:
    """`published`, or the preset and what was changed in it: `published, epochs 3`."""
    return ", ".join([recipe.name, *(written(name, value) for name, (_, value) in difference(recipe).items())])


def what_differs(run: Run) -> list[str]:
    """Why an accuracy is not the published one's equal, in words; empty when it was made the same way."""
    reasons = ["synthetic data"] if run.dataset == "synthetic" else []
    if file := changed_file(run):
        reasons.append(f"an earlier {file}")
    if run.imported:
        return [*reasons, "imported weights"]
    reasons += recipe_differs(run.recipe)
    if run.status != "done" or run.epochs_done < run.recipe.epochs:
        reasons.append(f"{run.epochs_done} of {run.recipe.epochs} epochs")
    return reasons


@lru_cache(maxsize=1024)
def recipe_differs(recipe: Recipe) -> tuple[str, ...]:
    """What of a recipe makes its results another thing than the published ones, in words."""
    return tuple(
        written(name, value)
        for name, (_, value) in changes(recipe, PUBLISHED).items()
        if name not in NEUTRAL and not (name == "precision" and value == "fp32")
    )


def has_begun(run: Run) -> bool:
    """Has a worker ever taken it?"""
    return run.status != "queued" or run.epochs_done > 0 or bool(run.device)


def published_accuracy(run: Run) -> float | None:
    """What the published table says of a run's model; nothing stands beside a run on synthetic data."""
    card = CARDS.get(run.model)
    return card.published.accuracy if card and card.published and run.dataset == "cifar10" else None


def searched(run: Run) -> str:
    """The text in which a filter looks for a run."""
    words = (model_name(run.model), run.model, run.status, run.device, f"seed{run.seed}", run.id, run.dataset)
    return " ".join((*words, recipe_in_words(run.recipe)))


def comparable(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """By model, the runs that may stand beside the published table, by seed; the newest run of a seed counts."""
    found: defaultdict[str, dict[int, Run]] = defaultdict(dict)
    for run in runs:
        if run.status == "done" and run.best_accuracy is not None and not what_differs(run):
            found[run.model][run.seed] = run
    return {model: [by_seed[seed] for seed in sorted(by_seed)] for model, by_seed in found.items()}


def own_bests(runs: Iterable[Run]) -> dict[str, OwnBest]:
    """By model, what the runs that may stand beside the published table have reached."""
    return {model: own_best(own) for model, own in comparable(runs).items()}


def own_best(runs: Iterable[Run]) -> OwnBest:
    """Of runs of one model, one for each seed."""
    bests = [run.best_accuracy for run in runs if run.best_accuracy is not None]
    return OwnBest(mean(bests), spread(bests), len(bests))


def mean(values: Collection[float]) -> float:
    return sum(values) / len(values)


def spread(values: Collection[float]) -> float | None:
    """Standard deviation of a sample; None where there is only one value."""
    if len(values) < 2:
        return None
    middle = mean(values)
    return math.sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))


@lru_cache(maxsize=4096)
def model_name(id: str, width: int = 1000) -> str:
    """A model's name with its configuration, as long as it fits: `DenseNet-121 [6,12,24,16] k=12`, then
    `DenseNet-121 k=12`, then the id, which is also the name of what the catalogue does not have (any more)."""
    card = CARDS.get(id)
    if card is None:
        return id
    lists, _, rest = card.config.rpartition("] ")
    short = rest if lists else re.sub(r"([a-z])[a-z]*=(\d+),?", r"\1\2 ", card.config.strip("[]"))
    names = [f"{card.name} {config}".rstrip() for config in (card.config, short)]
    return next((name for name in names if len(name) <= width), id)
