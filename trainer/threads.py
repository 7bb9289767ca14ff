"""How many CPU threads are fastest now: measured while training, because others use the machine too.

Every operation ends when its slowest thread does. On an idle machine that makes all cores the best choice. Where
another program holds a core, the thread on it is late at every operation, and for a small network one thread is faster
than two. So the two are tried in turn for a few steps, now and then, and the faster goes on.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

TRIED = 3  # steps with each number of threads
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0  # seconds of training between two trials; longer when nothing changed
SHARE = 0.03  # of the time at most that trials may take
BETTER = 0.9  # a change must save a tenth of a step


class Threads:
    """Sets the number of threads of the thread that trains. `run` wraps each of its steps."""

    def __init__(
        self, most: int, set_number: Callable[[int], None], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.number = self.most = most
        self._set, self._clock = set_number, clock
        self._wait, self._since = FIRST_WAIT, clock()
        self._upward = False  # where to look for a better number the next time
        self._plan: list[int] = []  # numbers of threads of the steps of a trial that are still to come
        self._laps: dict[int, list[float]] = {}  # seconds of its steps so far, by number of threads
        self._lap = 0.0  # seconds of the last step
        self._used = 0
        self._use(most)

    def run(self, step: Callable[[], None]) -> None:
        """Do a step, and time it."""
        begun = self._clock()
        if not self._plan and self.most > 1 and begun - self._since > max(self._wait, TRIED * self._lap / SHARE):
            self._begin_trial()
        number = self._plan.pop(0) if self._plan else self.number
        self._use(number)
        step()
        self._lap = self._clock() - begun
        if self._laps:
            self._laps[number].append(self._lap)
            if not self._plan:
                self._end_trial()

    def rest(self) -> None:
        """Something else comes before the next step: with the number that is the best so far, as it is no trial."""
        self._plan, self._laps = [], {}
        self._use(self.number)

    def _use(self, number: int) -> None:
        if number != self._used:
            self._set(number)
            self._used = number

    def _begin_trial(self) -> None:
        """Against half or twice as many, in turn: other programs come and go."""
        up, down = min(2 * self.number, self.most), max(self.number // 2, 1)
        other = up if (self._upward and up != self.number) or down == self.number else down
        self._plan = [self.number, other] * TRIED
        self._laps = {self.number: [], other: []}

    def _end_trial(self) -> None:
        took = sum(map(sum, self._laps.values()))
        here, other = self.number, next(number for number in self._laps if number != self.number)
        medians = {number: statistics.median(laps) for number, laps in self._laps.items()}
        if medians[other] < BETTER * medians[here]:
            self.number, self._wait = other, FIRST_WAIT
            self._upward = other > here  # further that way
        else:
            self._upward = not self._upward
            self._wait = max(min(2 * self._wait, LONGEST_WAIT), took / SHARE)
        self.rest()
        self._since = self._clock()
