"""Curves of runs as numbers: which quantity, over which axis, how smooth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from store.records import Epoch


@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity that every epoch has."""

    label: str
    value: Callable[[Epoch], float]


METRICS = (
    Metric("test accuracy in percent", lambda epoch: 100 * epoch.test_accuracy),
    Metric("test loss", lambda epoch: epoch.test_loss),
    Metric("train loss", lambda epoch: epoch.train_loss),
    Metric("train accuracy in percent", lambda epoch: 100 * epoch.train_accuracy),
    Metric("learning rate", lambda epoch: epoch.learning_rate),
)
SMOOTHINGS = (1, 5, 15)  # epochs whose mean is drawn; 1 draws each as it is


@dataclass(frozen=True, slots=True)
class View:
    """How curves are drawn."""

    metric: Metric = METRICS[0]
    smoothing: int = 1
    logarithmic: bool = False
    by_time: bool = False


@dataclass(frozen=True, slots=True)
class TimeUnit:
    """In what a time axis is written."""

    name: str
    seconds: float


UNITS = (TimeUnit("seconds", 1), TimeUnit("minutes", 60), TimeUnit("hours", 3600))


def unit_for(seconds: float) -> TimeUnit:
    """The largest unit of which there are three at least."""
    return next((unit for unit in reversed(UNITS) if seconds >= 3 * unit.seconds), UNITS[0])


def trailing_mean(values: Sequence[float], width: int) -> list[float]:
    """At each place the mean of the last `width` values, of fewer where there are no more yet."""
    sums = [0.0, *accumulate(values)]
    return [(sums[end] - sums[max(0, end - width)]) / min(end, width) for end in range(1, len(values) + 1)]


def curve(epochs: Sequence[Epoch], view: View, unit: TimeUnit) -> tuple[list[float], list[float]]:
    """The points of a run: x in epochs or in `unit`, y as the metric has it, or its logarithm to base 10.

    On a logarithmic axis, what is not above 0 has no point.
    """
    xs: list[float]
    if view.by_time:
        xs = [seconds / unit.seconds for seconds in accumulate(epoch.seconds for epoch in epochs)]
    else:
        xs = [float(epoch.epoch) for epoch in epochs]
    ys = trailing_mean([view.metric.value(epoch) for epoch in epochs], view.smoothing)
    if not view.logarithmic:
        return xs, ys
    points = [(x, math.log10(y)) for x, y in zip(xs, ys, strict=True) if y > 0]
    return [x for x, _ in points], [y for _, y in points]
