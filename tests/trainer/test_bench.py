"""The bench: what it makes of measurements. That the measurements themselves run is tested on a handful of steps."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from store.errors import Problem
from store.records import Step
from trainer import bench
from trainer.bench import Comparison, Speed, Task, compare, plain_command


def speed(train: float, test: float = 100.0, epoch: float = 10.0, memory: int | None = 1000) -> Speed:
    return Speed(
        train_images_per_second=train,
        test_images_per_second=test,
        epoch_seconds=epoch,
        whole=False,
        peak_memory=memory,
        plan="fp32",
    )


def test_a_ratio_is_made_of_the_two_measurements_of_one_round() -> None:
    """The machine was three times slower in the second round: that changes no ratio."""
    one = Comparison(
        model="lenet",
        dataset="synthetic",
        device="cpu",
        ours=[speed(300, epoch=5), speed(110, epoch=15), speed(200, epoch=8)],
        plain=[speed(100, epoch=20), speed(33, epoch=60), speed(80, epoch=24)],
    )
    train = one.ratios()["train"]
    assert (train.least, train.median) == (200 / 80, 300 / 100)
    assert train.most == pytest.approx(110 / 33)
    assert one.ratios()["epoch"].median == 4.0
    assert one.ratios()["memory"].median == 1.0


def test_memory_that_a_system_does_not_tell_has_no_ratio() -> None:
    one = Comparison(
        model="lenet", dataset="synthetic", device="cpu", ours=[speed(1, memory=None)], plain=[speed(1, memory=None)]
    )
    assert "memory" not in one.ratios()


def test_ours_and_the_plain_loop_take_turns_in_fresh_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def measured(command: list[str]) -> Speed:
        started.append("ours" if "trainer.bench" in command else "plain")
        return speed(1)

    monkeypatch.setattr(bench, "_measured", measured)
    lines: list[str] = []
    compare(Task(model="lenet"), rounds=2, tell=lines.append)
    assert started == ["ours", "plain", "ours", "plain"]
    assert len(lines) == 4 and lines[0] == "lenet: round 1 of 2, ours"


def test_both_are_given_the_same_task() -> None:
    command = plain_command(Task(model="vgg16", data="/somewhere", device="cuda:1", seconds=3.0))
    assert command[2] == "vgg16"
    options = dict(zip(command[3::2], command[4::2], strict=True))
    assert options == {"--data": "/somewhere", "--device": "cuda:1", "--seconds": "3.0", "--warm-up": "3"}


def test_a_measurement_that_fails_says_why_in_one_line() -> None:
    with pytest.raises(Problem, match="failed: ValueError: no such thing"):
        bench._measured([sys.executable, "-c", "raise ValueError('no such thing')"])


def test_a_speed_is_that_of_the_steps_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def news() -> Iterator[Step]:
        for step in range(1, 100):
            clock[0] += 10.0 if step <= 3 else 0.5
            yield Step(epoch=1, phase="train", step=step, steps=99)

    assert bench._speed(news(), images=50_000, batch=128, warm_up=3, seconds=5.0) == 128 / 0.5
    assert clock[0] == 35.0  # and no longer than that


def test_one_that_ends_before_its_time_is_measured_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 2.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    only = iter([Step(epoch=1, phase="train", step=1, steps=1)])
    assert bench._speed(only, images=600, batch=128, warm_up=3, seconds=5.0) == 300


@pytest.mark.parametrize("whose", ["ours", "plain"])
def test_a_process_measures_on_the_synthetic_images(whose: str) -> None:
    task = Task(model="lenet", seconds=0.3)
    command = plain_command(task)
    if whose == "ours":
        command = [sys.executable, "-m", "trainer.bench", msgspec.json.encode(task).decode()]
    root = Path(bench.__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, env={"PYTHONPATH": str(root)})
    result = msgspec.convert(json.loads(done.stdout.splitlines()[-1]), Speed)
    assert result.train_images_per_second > 0 and result.test_images_per_second > 0 and not result.whole
