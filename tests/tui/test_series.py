"""Curves as numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tui.scripted import epoch
from tui.series import METRICS, View, curve, trailing_mean, unit_for

EPOCHS = [epoch(1, 0.4), epoch(2, 0.6), epoch(3, 0.5)]


def test_smoothing_is_the_mean_of_the_last_values_and_of_fewer_at_the_beginning() -> None:
    assert trailing_mean([1.0, 3.0, 5.0, 7.0], 2) == [1.0, 2.0, 4.0, 6.0]
    assert trailing_mean([1.0, 3.0], 1) == [1.0, 3.0]
    assert trailing_mean([], 5) == []


def test_by_epoch_and_by_time() -> None:
    view = View()
    xs, ys = curve(EPOCHS, view, unit_for(0))
    assert xs == [1, 2, 3]
    assert ys == pytest.approx([40, 60, 50])
    xs, _ = curve(EPOCHS, replace(view, by_time=True), unit_for(34.5))
    assert xs == [11.5, 23.0, 34.5]


def test_on_a_logarithmic_axis_what_is_zero_has_no_point() -> None:
    rate = next(metric for metric in METRICS if metric.label == "learning rate")
    from msgspec.structs import replace as changed

    epochs = [*EPOCHS, changed(epoch(4), learning_rate=0.0)]
    xs, ys = curve(epochs, View(metric=rate, logarithmic=True), unit_for(0))
    assert xs == [1, 2, 3]
    assert ys == pytest.approx([-2.0, -2.0, -2.0])


@pytest.mark.parametrize(("seconds", "name"), [(0, "seconds"), (179, "seconds"), (180, "minutes"), (10_800, "hours")])
def test_the_time_axis_has_a_unit_that_fits(seconds: float, name: str) -> None:
    assert unit_for(seconds).name == name
