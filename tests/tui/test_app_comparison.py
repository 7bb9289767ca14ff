"""Marked runs side by side."""

from __future__ import annotations

from store.records import Recipe
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, epoch, until
from tui.screens.comparison import ComparisonPage
from tui.screens.results import ResultsScreen
from tui.screens.run import RunPage
from tui.widgets.curves import MOST, Curves
from tui.widgets.table import AnyTable

RUNS = [
    done("a1", "lenet", 0.74),
    done("a2", "lenet", 0.76, seed=1),
    done("b1", "resnet18", 0.94, recipe=Recipe(learning_rate=0.1, augmentation="none")),
]


def page(bench: Workbench) -> ComparisonPage:
    screen = bench.app.screen
    assert isinstance(screen, ComparisonPage)
    return screen


def with_epochs(bench: Workbench) -> Workbench:
    for run in RUNS:
        for number in range(1, 31):
            bench.store.append(run.id, epoch(number, 0.2 + number / 50))
    bench.app.set_reactive(type(bench.app).runs, {run.id: run for run in bench.store.runs()})
    return bench


def headings(bench: Workbench) -> list[str]:
    return [str(column.label).strip() for column in page(bench).query_one(AnyTable).ordered_columns]


async def test_one_run_alone_is_not_compared(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "c")
        assert isinstance(bench.app.screen, ResultsScreen)
        assert any("Mark two or more" in toast.message for toast in bench.app._notifications)


async def test_the_table_has_only_the_settings_that_differ(workbench: MakeWorkbench) -> None:
    bench = with_epochs(workbench(RUNS))
    async with bench.app.run_test(size=(200, 60)) as pilot:
        await pilot.press("3", "A", "c")
        assert headings(bench) == [
            "Model", "Best", "Last", "Difference", "Time", "seed", "learning rate", "augmentation",
        ]  # fmt: skip
        table = page(bench).query_one(AnyTable)
        assert [cell.plain.strip() for cell in table.get_row("b1")][-3:] == ["0", "0.1", "none"]
        same = str(page(bench).query_one("#same").render())
        assert "LeNet, published: 80.00 ±0.00 ×2 seeds" in same
        assert "the same in all: CIFAR-10, NVIDIA H100" in same


async def test_each_curve_has_a_letter_that_stands_before_its_row(workbench: MakeWorkbench) -> None:
    bench = with_epochs(workbench(RUNS))
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "A", "c")
        await until(pilot, lambda: page(bench).query_one(Curves).has_picture)
        table = page(bench).query_one(AnyTable)
        letters = [table.get_row_at(row)[0].plain.split()[-2] for row in range(3)]
        assert letters == ["a", "b", "c"]
        assert len(page(bench).query_one(Curves).lines) == 3


async def test_keys_change_what_is_drawn_and_the_title_says_it(workbench: MakeWorkbench) -> None:
    bench = with_epochs(workbench(RUNS))
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "A", "c")
        curves = page(bench).query_one(Curves)
        await until(pilot, lambda: curves.border_title == "test accuracy in percent, by epoch")
        first = curves.lines[0].ys
        await pilot.press("w")
        assert curves.border_title == "test accuracy in percent, by epoch, mean of 5 epochs"
        assert curves.lines[0].ys != first
        await pilot.press("m", "l", "x")
        assert curves.border_title == "test loss, by time in minutes, mean of 5 epochs, logarithmic"
        await pilot.press("M", "w", "w", "l", "x")
        assert curves.border_title == "test accuracy in percent, by epoch"
        assert curves.lines[0].ys == first
        await until(pilot, lambda: True)


async def test_the_curve_under_the_cursor_lies_in_front(workbench: MakeWorkbench) -> None:
    bench = with_epochs(workbench(RUNS))
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "A", "c")
        curves = page(bench).query_one(Curves)
        await until(pilot, lambda: curves.front == 0)
        await pilot.press("j", "j")
        await until(pilot, lambda: curves.front == 2)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(bench.app.screen, RunPage))
        await pilot.press("escape", "escape")
        assert isinstance(bench.app.screen, ResultsScreen)


async def test_more_runs_than_curves_can_be_told_apart_are_still_in_the_table(workbench: MakeWorkbench) -> None:
    runs = [done(f"r{number:02}", "lenet", 0.7, seed=number) for number in range(MOST + 4)]
    bench = workbench(runs)
    async with bench.app.run_test(size=(160, 50)) as pilot:
        await pilot.press("3", "A", "c")
        await until(pilot, lambda: page(bench).query_one(AnyTable).row_count == MOST + 4)
        assert page(bench).query_one(Curves).border_subtitle == f"curves of the first {MOST} of {MOST + 4} runs"


async def test_how_curves_are_looked_at_is_remembered(workbench: MakeWorkbench) -> None:
    bench = with_epochs(workbench(RUNS))
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "A", "c", "m", "w", "l", "x")
        view = page(bench).view
    again = with_epochs(workbench(RUNS))
    async with again.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "A", "c")
        assert page(again).view == view
        assert (view.metric.label, view.smoothing, view.logarithmic, view.by_time) == ("test loss", 5, True, True)
