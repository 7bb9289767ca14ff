"""In which order runs train, without a queue."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from store.records import Recipe, Run
from trainer.schedule import Lengths, Line, may_train, places, why_nowhere

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = itertools.count(1)


def a_run(length: float = 0.0, **more: object) -> Run:
    """A run that takes so many seconds, which its learning rate stands for."""
    run = Run(id=f"r{next(NUMBERS)}", model="lenet", recipe=Recipe(learning_rate=length), created=NOW)
    return replace(run, **more)


def length(run: Run) -> float:
    return run.recipe.learning_rate


def lengths(runs: Sequence[Run]) -> list[float]:
    return [run.recipe.learning_rate for run in sorted(runs, key=lambda run: run.position)]


def line(*of: float) -> list[Run]:
    """Waiting runs of these lengths, in this order."""
    return [a_run(seconds, position=float(place)) for place, seconds in enumerate(of, 1)]


def joined(waiting: Sequence[Run], placed: Sequence[Run]) -> list[Run]:
    """What waits after some runs were placed."""
    return list(({run.id: run for run in waiting} | {run.id: run for run in placed}).values())


def test_with_one_device_runs_are_queued_at_the_end() -> None:
    placed = places([a_run(5), a_run(9)], line(1, 2), last=7.0, length=None)
    assert [(run.recipe.learning_rate, run.position) for run in placed] == [(5, 8.0), (9, 9.0)]


def test_with_several_the_longest_is_first_and_equals_keep_their_order() -> None:
    waiting = line(8, 4, 4, 1)
    placed = places([a_run(2), a_run(9), a_run(4)], waiting, last=4.0, length=length)
    assert [run.recipe.learning_rate for run in placed] == [9, 4, 2], "the newcomers, as they will train"
    together = joined(waiting, placed)
    assert lengths(together) == [9, 8, 4, 4, 4, 2, 1]
    assert max(together, key=lambda run: (run.recipe.learning_rate == 4, run.position)) is placed[1], (
        "behind its equals"
    )


def test_what_a_user_has_moved_and_all_before_it_is_not_overtaken() -> None:
    waiting = line(3, 1, 2)
    waiting[1] = replace(waiting[1], moved=True)
    assert lengths(joined(waiting, places([a_run(9)], waiting, 3.0, length))) == [3, 1, 9, 2]


def test_runs_that_wait_are_not_reordered() -> None:
    waiting = line(1, 3, 2)  # as they were queued for one device
    assert lengths(joined(waiting, places([a_run(2.5)], waiting, 3.0, length))) == [1, 3, 2.5, 2]


def test_a_thousand_runs_queued_one_by_one_find_their_place() -> None:
    """There are 52 numbers between 1 and 2 when each halves the rest: the line is then numbered anew."""
    waiting: list[Run] = []
    seconds = [float(number) for number in range(1, 301)]
    random.Random(0).shuffle(seconds)
    for one in [1000.0, 0.5, *sorted(seconds[:150]), *seconds[150:]]:
        last = max((run.position for run in waiting), default=0.0)
        waiting = joined(waiting, places([a_run(one)], waiting, last, length))
    assert lengths(waiting) == [1000.0, *sorted(seconds, reverse=True), 0.5]
    assert len({run.position for run in waiting}) == len(waiting)


@pytest.mark.parametrize(
    ("pin", "device", "may"),
    [(None, "cuda:1", True), ("cuda:1", "cuda:1", True), ("cuda:1", "cuda:0", False), ("cpu", "auto", True)],
)
def test_a_pinned_run_is_for_its_device_alone(
    pin: str | None, device: str, may: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.device.gpu_count", lambda: 0)  # auto is the CPU
    assert may_train(a_run(pinned_to=pin), device) == may


def test_a_device_takes_the_first_run_that_it_may_train() -> None:
    waiting = Line()
    for run in line(1, 2):
        waiting.put(replace(run, pinned_to=f"cuda:{run.recipe.learning_rate}"))
    first = waiting.first_for("cuda:2")
    assert first and first.pinned_to == "cuda:2"
    assert waiting.first_for("cuda:0") is None


def test_why_a_run_waits_for_ever_is_said() -> None:
    devices, lost = ("cuda:0", "cuda:1"), {"cuda:1": "it fell off the bus"}
    assert why_nowhere(a_run(), devices, lost) is None
    assert why_nowhere(a_run(pinned_to="cuda:0"), devices, lost) is None
    assert why_nowhere(a_run(pinned_to="cuda:1"), devices, lost) == (
        "pinned to cuda:1: cuda:1 is set aside (it fell off the bus)"
    )
    assert why_nowhere(a_run(pinned_to="cuda:7"), devices, lost) == (
        "pinned to cuda:7: this session does not train on it"
    )
    everything = why_nowhere(a_run(), devices, lost | {"cuda:0": "so did it"})
    assert everything == "no device is left: cuda:0 is set aside (so did it), cuda:1 is set aside (it fell off the bus)"


def test_lengths_come_from_own_runs_on_the_device_else_from_macs(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = a_run(0.01, device="NVIDIA H100", epochs_done=10, seconds=100.0)
    slower = replace(trained, id="other", device="CPU", seconds=1000.0)
    monkeypatch.setattr("trainer.device.visible_gpu_names", lambda: ["NVIDIA H100", "NVIDIA A100"])
    here = Lengths([trained, slower], ["cuda:0", "cpu"])
    new = a_run(0.01)
    assert here(replace(new, pinned_to="cuda:0")) == pytest.approx(10.0 * 200)
    assert here(replace(new, pinned_to="cpu", epochs_done=150)) == pytest.approx(100.0 * 50)
    assert here(new) == pytest.approx(55.0 * 200), "the mean of the devices that may train it"
    elsewhere = Lengths([trained], ["cuda:1"])
    assert elsewhere(new) == pytest.approx(2000.0), "better than nothing"
    far = replace(trained, device="NVIDIA H200", device_id="node7/0", seconds=50.0)
    assert Lengths([trained, far], ["node7/0"])(new) == pytest.approx(1000.0), "a device of another kind, once seen"
    nothing = Lengths([], ["cpu"])
    small, large = nothing(new), nothing(replace(new, model="vgg19"))
    assert 0 < small < large < float("inf")
    assert nothing(replace(new, recipe=Recipe(epochs=100))) == pytest.approx(small / 2)
    assert nothing(replace(new, model="my_own")) == float("inf")
