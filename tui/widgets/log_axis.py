"""A logarithmic axis for plots, with ticks at 1, 2 and 5 times powers of ten. Imports numpy: import it late."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from textual_plot import AxisFormatter


class LogAxis(AxisFormatter):
    """For values of which the plot is given the logarithm to base 10."""

    def __init__(self, written: Callable[[float], str]) -> None:
        """`written` says how a value is written at its tick."""
        self.written = written

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        for digits in ((1, 2, 5), (1, 3), (1,)):
            powers = range(math.floor(min_), math.ceil(max_) + 1)
            ticks = [power + math.log10(digit) for power in powers for digit in digits]
            seen = [tick for tick in ticks if min_ <= tick <= max_]
            if len(seen) <= max_ticks:
                break
        return seen

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        return [self.written(10**tick) for tick in ticks]
