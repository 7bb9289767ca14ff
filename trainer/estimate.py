"""How long a training will take here: from own runs on the same device, else from those of other networks.

A network that has trained here is known by the seconds of its epochs. One that has not is guessed from its MACs and
activations, and from how fast networks that have got through theirs, those of a similar size above all. That is rough,
and marked as a guess wherever it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from store.records import Recipe, Run
from zoo import CARDS

TRAIN_IMAGES, TEST_IMAGES = 50_000, 10_000
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
        # From each network that is known one guess. Of their logarithms the mean, in which a network twice as far away
        # (in the logarithm of its cost) counts a quarter.
        guesses, weights = list[float](), list[float]()
        for other, runs in self._runs.items():
            on_gpu = not runs[-1].device.startswith("CPU")
            mine, its = cost_of(model, on_gpu), cost_of(other, on_gpu)
            if mine and its:
                guesses.append(math.log(self._seconds(other, recipe) * mine / its))
                weights.append(1 / (math.log(mine / its) ** 2 + 0.01))
        if not guesses:
            return None
        return Estimate(math.exp(fmean(guesses, weights)), measured=False)

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
    return recipe.batch_size, recipe.precision, recipe.exact, recipe.policy, recipe.test_flip


def cost_of(model: str, on_gpu: bool) -> int:
    """What a trained image costs, in MACs: those of the network, the time in which its activations are moved, and what
    no step is too small for; 0 where neither MACs nor activations are known.

    The constants were fitted to what benchmarks/guesses.py compares them with. On two cores of an AMD EPYC every
    network of the catalogue is guessed from LeNet alone within a factor of 1.8, and 95% of all guesses from one network
    to another within a factor of 2. On GPUs, which LeNet does not fill: 94% within a factor of 3 on an RTX 3060 (its
    published times), 86% on an H100 (docs/gpu.md).
    """
    card = CARDS.get(model)
    if card is None or not (card.macs or card.activations):
        return 0
    moved, least = (100, 100_000_000) if on_gpu else (60, 3_000_000)
    return (card.macs or 0) + moved * (card.activations or 0) + least
