"""The line chart of text."""

from __future__ import annotations

from tui.widgets.chart import line_chart


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right() -> None:
    assert line_chart([0, 1], 4, 2) == ["  ⡠⠊", "⡠⠊  "]


def test_a_level_line_is_drawn_in_the_middle() -> None:
    assert line_chart([3, 3], 3, 1) == ["⠤⠤⠤"]
    assert line_chart([5], 2, 1) == ["⠤⠤"]


def test_a_chart_has_its_size_whatever_there_is_to_draw() -> None:
    assert line_chart([], 2, 2) == ["  ", "  "]
    long = line_chart([number % 17 for number in range(1000)], 30, 5)
    assert [len(line) for line in long] == [30] * 5


def test_a_steep_part_has_no_gaps() -> None:
    lines = line_chart([0, 0, 0, 100, 100, 100], 6, 4)
    assert all(line.strip() for line in lines)
