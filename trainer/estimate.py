"""How long a training will take here: from own runs on the same device, else from those of other networks.

A network that has trained here is known by the seconds of its epochs. One that has not is guessed from its MACs and
activations, and from how fast networks that have got through theirs, those of a similar size above all: small ones do
not fill a device. That is rough, and marked as a guess wherever it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from store.records import Recipe, Run
from zoo import CARDS

TRAIN_IMAGES, TEST_IMAGES = 50_000, 10_000
MACS_PER_BYTE = 60  # the work in whose time a byte of activations is written and read again; see `cost_of`
TEST_COST = 1 / 3  # of an image that is only tested, beside one that is trained: forward, without backward


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds to come, and whether they were measured with this network or guessed from another."""

    seconds: float
    measured: bool


class Paces:
    """What own runs tell of the speed of a device."""

    def __init__(self, runs: Iterable[Run], device: str | None) -> None:
        """`device` in words, as runs name it: runs of other devices do not count. None: those of every device do."""
        self._runs: dict[str, list[Run]] = {}  # by model, the newest last
        self._known: dict[tuple[str, object], float] = {}  # seconds for a trained image, by model and speed settings
        for run in runs:
            if (device is None or run.device == device) and run.epochs_done and run.seconds > 0:
                self._runs.setdefault(run.model, []).append(run)

    def epoch(self, model: str, recipe: Recipe) -> Estimate | None:
        """An epoch of this network with this recipe; None where nothing comparable was ever trained here."""
        if model in self._runs:
            return Estimate(self._seconds(model, recipe), measured=True)
        work = cost_of(model)
        known = {other: cost_of(other) for other in self._runs if cost_of(other)}
        if not work or not known:
            return None
        # The mean of log(seconds per MAC), where a network twice as far away (in log MACs) counts a quarter.
        weights = {other: 1 / (math.log(known[other] / work) ** 2 + 0.01) for other in known}
        costs = {other: math.log(self._seconds(other, recipe) / known[other]) for other in known}
        cost = sum(weights[other] * costs[other] for other in known) / sum(weights.values())
        return Estimate(work * math.exp(cost), measured=False)

    def run(self, model: str, recipe: Recipe, epochs_done: int = 0) -> Estimate | None:
        """All epochs that are still to come."""
        each = self.epoch(model, recipe)
        return each and Estimate(each.seconds * max(0, recipe.epochs - epochs_done), each.measured)

    def _seconds(self, model: str, recipe: Recipe) -> float:
        """Of the newest run whose recipe is as fast as this one, else of the newest run."""
        wanted = speed_settings(recipe)
        if (model, wanted) not in self._known:
            runs = self._runs[model]
            run = next((run for run in reversed(runs) if speed_settings(run.recipe) == wanted), runs[-1])
            self._known[model, wanted] = run.seconds / run.epochs_done / load(run.recipe)
        return self._known[model, wanted] * load(recipe)


def load(recipe: Recipe) -> float:
    """What an epoch of this recipe costs, in trained images."""
    return (recipe.train_limit or TRAIN_IMAGES) + TEST_COST * (recipe.test_limit or TEST_IMAGES)


def speed_settings(recipe: Recipe) -> tuple[object, ...]:
    """The settings that decide how fast a step is."""
    return recipe.batch_size, recipe.precision, recipe.exact


def cost_of(model: str) -> int:
    """What a trained image costs, in MACs: those of the network, and the time in which its activations are moved; 0
    where neither is known.

    Guessed from the published time of VGG-16, 25 of the 26 published times of an RTX 3060 are met within a factor of
    three, and 13 by MACs alone.
    """
    card = CARDS.get(model)
    return (card.macs or 0) + MACS_PER_BYTE * (card.activations or 0) if card else 0
