"""The number of threads, on a machine that a test makes up: steps take what it says, by a clock that it turns."""

from __future__ import annotations

from collections.abc import Callable

from trainer.threads import FIRST_WAIT, LONGEST_WAIT, SHARE, Threads


class Machine:
    """Seconds of a step by number of threads."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self.seconds, self.now, self.number = seconds, 0.0, 0
        self.tried: list[int] = []  # the number of threads of every step

    def set_number(self, number: int) -> None:
        self.number = number

    def step(self) -> None:
        self.tried.append(self.number)
        self.now += self.seconds(self.number)

    def threads(self, most: int) -> Threads:
        return Threads(most, self.set_number, lambda: self.now)


def run(machine: Machine, threads: Threads, seconds: float) -> None:
    until = machine.now + seconds
    while machine.now < until:
        threads.run(machine.step)


def test_it_begins_with_all_and_stays_there_on_an_idle_machine() -> None:
    machine = Machine(lambda number: 0.4 / number)
    threads = machine.threads(2)
    run(machine, threads, 600)
    assert threads.number == 2 and machine.number == 2
    assert machine.tried[0] == 2 and 1 in machine.tried


def test_it_goes_down_where_others_hold_the_cores_and_up_again_when_they_are_gone() -> None:
    busy = True
    machine = Machine(lambda number: 0.1 * number if busy else 0.1 / number)
    threads = machine.threads(8)
    run(machine, threads, 300)
    assert threads.number == 1
    busy = False
    run(machine, threads, 3 * LONGEST_WAIT)
    assert threads.number == 8


def test_trials_take_a_small_part_of_the_time() -> None:
    """Also where each step takes seconds, and the other number is much worse."""
    for step, worse in ((0.005, 10), (4.0, 10)):
        machine = Machine(lambda number, step=step, worse=worse: step if number == 2 else worse * step)  # type: ignore[misc]
        threads = machine.threads(2)
        run(machine, threads, 20_000)
        trials = machine.tried.count(1) * worse * step
        assert trials / machine.now < 2 * SHARE


def test_where_a_step_takes_seconds_no_trial_comes_before_it_is_a_small_part_of_the_time() -> None:
    machine = Machine(lambda number: 6.0 / number)
    threads = machine.threads(2)
    run(machine, threads, 250)
    assert set(machine.tried) == {2}
    run(machine, threads, 250)
    assert 1 in machine.tried


def test_what_comes_between_two_steps_is_done_with_the_best_number_also_in_the_middle_of_a_trial() -> None:
    machine = Machine(lambda number: 0.4 / number)
    threads = machine.threads(2)
    while 1 not in machine.tried:
        threads.run(machine.step)
    assert machine.number == 1
    threads.rest()
    assert machine.number == 2
    threads.run(machine.step)
    assert machine.tried[-1] == 2


def test_one_thread_is_never_tried_against_others() -> None:
    machine = Machine(lambda number: 0.1)
    threads = machine.threads(1)
    run(machine, threads, 10 * FIRST_WAIT)
    assert set(machine.tried) == {1}


def test_a_difference_that_is_only_noise_changes_nothing() -> None:
    machine = Machine(lambda number: 0.1 if number == 2 else 0.095)
    threads = machine.threads(2)
    run(machine, threads, 100)
    assert threads.number == 2
