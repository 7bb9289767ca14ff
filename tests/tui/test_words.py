"""How numbers are written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from store.records import Recipe, Run
from tests.tui.scripted import done
from tui import words


def test_a_published_time_is_written_as_the_table_writes_it() -> None:
    assert words.duration(2363) == "0h-39m-23s"
    assert words.duration(31316) == "8h-41m-56s"
    assert words.duration(59.6) == "0h-01m-00s"


def test_a_difference_has_a_sign_and_a_symbol() -> None:
    assert words.difference(0.7502, 0.7474) == "▲ +0.28"
    assert words.difference(0.7431, 0.7474) == "▼ −0.43"
    assert words.difference(0.74742, 0.7474) == "= 0.00"


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0"), (999, "999"), (62_006, "62.0K"), (999_949, "999.9K"), (999_950, "1.0M"), (3_682_868_736, "3.7G")],
)
def test_a_short_count_keeps_one_decimal(number: int, written: str) -> None:
    assert words.short_count(number) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(12, "12s"), (59.7, "1m 00s"), (245, "4m 05s"), (12_000, "3h 20m"), (187_200, "2d 4h"), (13_500_000, "156d")],
)
def test_time_left_is_rough(seconds: float, written: str) -> None:
    assert words.time_left(seconds) == written


def test_what_is_not_known_is_a_dash() -> None:
    assert words.percent(None) == words.count(None) == words.duration(None) == words.time_left(None) == "–"
    assert words.loss(None) == words.rate(None) == "–"


def test_one_seed_has_no_spread() -> None:
    assert words.mean_and_spread(0.7431, None, 1) == "74.31%"
    assert words.mean_and_spread(0.7431, 0.0022, 3) == "74.31 ±0.22 ×3"


def test_sizes_are_in_units_of_a_thousand() -> None:
    assert words.weights_size(62_006) == "0.25 MB"
    assert words.weights_size(42_512_970) == "170.1 MB"
    assert words.size(170_498_071) == "170.5 MB"
    assert words.size(999) == "999 B"


def test_the_farewell_names_the_epoch_in_which_a_run_was_saved() -> None:
    run = done("a1", "lenet", 0.7, recipe=Recipe(epochs=200), status="interrupted", epochs_done=11)
    assert words.farewell(run, "at the next start") == "lenet: saved in epoch 12 of 200, goes on at the next start"
    late = replace(run, epochs_done=200)  # its last epoch was told when the program ended
    assert words.farewell(late, "tomorrow") == "lenet: saved in epoch 200 of 200, goes on tomorrow"


def test_the_farewell_to_a_run_that_was_being_loaded_does_not_say_that_it_was_saved() -> None:
    run = Run(id="a1", model="lenet", status="interrupted", created=datetime.now(UTC))
    assert words.farewell(run, "with: cifar-tui resume") == "lenet: had not begun yet, begins with: cifar-tui resume"
