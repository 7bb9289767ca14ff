"""What is known of a GPU's work, read without waiting; and how far Python runs ahead of it."""

from __future__ import annotations

import torch

from tests.trainer.fake_gpu import FakeMark
from trainer.state import Tally
from trainer.telemetry import CHUNK, Mailbox, Pace


class Marks:
    """Hands out marks that are not reached by themselves."""

    def __init__(self) -> None:
        self.made: list[FakeMark] = []

    def __call__(self) -> FakeMark:
        self.made.append(FakeMark(is_reached=False))
        return self.made[-1]


def tally() -> Tally:
    return Tally(losses=torch.tensor([3.0, 2.0, 0.0, 0.0]), correct=torch.tensor(7))


def test_a_letter_is_read_when_it_has_arrived_and_never_waited_for() -> None:
    marks = Marks()
    mailbox, there = Mailbox(tally(), torch.zeros_like, marks), tally()
    assert mailbox.glance(there, 2) is None
    there.losses[2], there.correct = torch.tensor(1.0), torch.tensor(9)  # what comes later is not in it
    assert mailbox.glance(there, 3) is None
    marks.made[0].is_reached = True
    reading = mailbox.glance(there, 3)
    assert reading and reading.losses.tolist() == [3.0, 2.0] and reading.correct == 7
    assert reading.losses.dtype == torch.float64
    assert mailbox.glance(there, 3) is None and len(marks.made) == 2  # the next is under way
    marks.made[1].is_reached = True
    newer = mailbox.glance(there, 4)
    assert newer and newer.losses.tolist() == [3.0, 2.0, 1.0] and newer.correct == 9
    assert reading.losses.tolist() == [3.0, 2.0]  # and is no view of what is written next
    assert not any(mark.waits for mark in marks.made)


def test_a_letter_from_the_pass_before_is_not_read_in_the_next() -> None:
    marks = Marks()
    mailbox, there = Mailbox(tally(), torch.zeros_like, marks), tally()
    mailbox.glance(there, 4)
    mailbox.forget()
    marks.made[0].is_reached = True
    there.clear()
    assert mailbox.glance(there, 1) is None
    marks.made[1].is_reached = True
    reading = mailbox.glance(there, 2)
    assert reading and reading.losses.tolist() == [0.0]


class Device:
    """A GPU that needs so long for each step, and the clock of both."""

    def __init__(self, seconds: float, asking: float = 1e-5) -> None:
        self.now = self.done = 0.0
        self.seconds, self.asking = seconds, asking
        self.furthest = 0.0  # seconds of work that Python was ahead

    def take(self, pace: Pace) -> None:
        self.now += self.asking
        self.done = max(self.done, self.now) + self.seconds
        pace.step()
        self.furthest = max(self.furthest, self.done - self.now)

    def mark(self) -> FakeMark:
        device, reached = self, self.done

        class Mark(FakeMark):
            def synchronize(self) -> None:
                device.now = max(device.now, reached)

        return Mark()


def test_python_stays_ahead_of_the_gpu_but_not_far() -> None:
    for seconds in (5e-5, 1e-3, 2e-2, 0.5):
        device = Device(seconds)
        pace = Pace(device.mark, lambda device=device: device.now)  # type: ignore[misc]
        idle = 0.0
        for number in range(4000 if seconds < 0.1 else 40):
            before = device.done
            device.take(pace)
            if number > 20:
                idle += max(0.0, device.done - device.seconds - before)
        assert device.furthest < max(3 * 2 * CHUNK, 4 * seconds), seconds
        assert idle < 1e-9, seconds
        assert pace.size * seconds < 2 * CHUNK or pace.size == 1


def test_where_python_is_the_slower_one_nothing_is_waited_for() -> None:
    device = Device(1e-4, asking=1e-3)
    pace = Pace(device.mark, lambda: device.now)
    for _ in range(2000):
        device.take(pace)
    assert device.now < 2000 * 1e-3 * 1.001
