"""What is known of a GPU's work while it goes on, without ever making it wait."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from torch import Tensor

from trainer.cuda import Mark
from trainer.state import Reading, Tally

CHUNK = 0.05  # seconds of work between two marks, about
LONGEST = 1024  # steps between two marks


class Mailbox:
    """The newest tally that has arrived on the CPU. The GPU writes it there when it comes to it."""

    def __init__(self, tally: Tally, pinned: Callable[[Tensor], Tensor], mark: Callable[[], Mark]) -> None:
        self._losses, self._correct = pinned(tally.losses), pinned(tally.correct)
        self._mark = mark
        self._steps = 0  # that the letter under way tells of
        self._sent: Mark | None = None

    def glance(self, tally: Tally, steps: int) -> Reading | None:
        """A tally as it arrived, of this step or an earlier one; None while it is still under way."""
        if self._sent is None:
            self._losses.copy_(tally.losses, non_blocking=True)
            self._correct.copy_(tally.correct, non_blocking=True)
            self._steps, self._sent = steps, self._mark()
        if not self._sent.query():
            return None
        self._sent = None
        return Reading(self._losses[: self._steps].double(), int(self._correct))

    def forget(self) -> None:
        """Another pass begins: what is under way is of no interest."""
        self._sent = None


class Pace:
    """Keeps Python a little ahead of the GPU, and no more: so the GPU never waits, and a pause is answered soon."""

    def __init__(self, mark: Callable[[], Mark], clock: Callable[[], float] = time.perf_counter) -> None:
        self._mark, self._clock = mark, clock
        self._marks: deque[tuple[Mark, int]] = deque()  # and the steps of the chunk that each of them ends
        self._since = clock()
        self._count = 0
        self.size = 1  # steps from one mark to the next: found out as it goes

    def step(self) -> None:
        """A step was asked for. After each chunk of them, wait for the one before the last."""
        self._count += 1
        if self._count < self.size:
            return
        self._marks.append((self._mark(), self._count))
        self._count = 0
        if len(self._marks) > 2:
            mark, steps = self._marks.popleft()
            mark.synchronize()
            now = self._clock()
            took, self._since = max(now - self._since, 1e-9), now
            self.size = max(1, min(int(CHUNK / took * steps), 2 * self.size, LONGEST))
