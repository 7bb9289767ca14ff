"""What can be done with results: order, columns, labels, deletion."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.text import Text
from textual.widgets import Input, OptionList

from store.records import Recipe
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, until
from tui.screens.choose_columns import ColumnsDialog
from tui.screens.confirm import ConfirmDialog
from tui.screens.labels import LabelDialog, tags_in
from tui.screens.results import ResultsScreen
from tui.screens.run import RunPage
from tui.widgets.table import AnyTable, Sorting

BIG, SMALL = (200, 60), (80, 24)
RUNS = [
    done("a1", "lenet", 0.7431),
    done("a2", "lenet", 0.7502, seed=1),
    done("b1", "resnet18", 0.9415),
    done("c1", "densenet121_k12", 0.51, recipe=Recipe(epochs=3)),
]


def results(bench: Workbench) -> ResultsScreen:
    screen = bench.app.screen
    assert isinstance(screen, ResultsScreen)
    return screen


def ids(bench: Workbench) -> str:
    return " ".join(str(row.key.value) for row in results(bench).table.ordered_rows)


def headings(bench: Workbench) -> list[str]:
    return [str(column.label).strip() for column in results(bench).table.ordered_columns]


def toasts(bench: Workbench) -> list[str]:
    return [toast.message for toast in bench.app._notifications]


async def test_a_filter_that_is_not_understood_is_explained_and_the_rows_stay(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "slash", *"acc>0.9")
        assert ids(bench) == "b1"
        fault = bench.app.screen.query_one("#fault")
        assert not fault.display
        await pilot.press(*" stat:")
        assert fault.display
        assert "there is no field stat: did you mean status?" in str(fault.render())
        assert ids(bench) == "b1"
        await pilot.press("escape")
        assert not fault.display
        assert ids(bench) == "c1 b1 a2 a1"


async def test_rows_are_sorted_by_any_column_and_it_is_remembered(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "s", *["down"] * 4, "enter")
        assert ids(bench) == "b1 a2 a1 c1"
        await pilot.press("S")
        assert ids(bench) == "c1 a1 a2 b1"
    again = workbench(RUNS)
    async with again.app.run_test(size=SMALL) as pilot:
        await pilot.press("3")
        assert results(again).sorting == Sorting("best", falling=False)
        assert ids(again) == "c1 a1 a2 b1"


async def test_columns_are_chosen_and_it_is_remembered(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "v")
        assert isinstance(bench.app.screen, ColumnsDialog)
        choices = bench.app.screen.query_one(OptionList)
        await pilot.press("j", "space", "end", "space")
        assert choices.get_option_at_index(1).prompt == "  Published"
        await pilot.press("enter")
        assert "Publ." not in headings(bench)
        assert "Note" in headings(bench)
    again = workbench(RUNS)
    async with again.app.run_test(size=SMALL) as pilot:
        await pilot.press("3")
        assert "Note" in headings(again)
        await pilot.press("v", "u", "enter")
        assert "Note" not in headings(again)
        assert "Publ." in headings(again)


@pytest.mark.parametrize("width", [88, 144, 160, 200])
async def test_the_status_is_a_word_before_lesser_columns_come(workbench: MakeWorkbench, width: int) -> None:
    bench = workbench([done("s1", "lenet", 0.7, status="stopped")])
    async with bench.app.run_test(size=(width, 24)) as pilot:
        await pilot.press("3")
        assert "■ stopped" in [cell.plain.strip() for cell in bench.app.screen.query_one(AnyTable).get_row("s1")]


async def test_seeds_have_a_mean_and_a_spread(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=BIG) as pilot:
        await pilot.press("3", "G")
        cell = results(bench).table.get_cell("a1", "seeds")
        assert isinstance(cell, Text)
        assert cell.plain == "74.67 ±0.50 ×2"
        assert "74.67 ±0.50 ×2 seeds of published" in str(bench.app.screen.query_one("#count").render())
        assert results(bench).table.get_cell("b1", "seeds").plain == "", "one seed has no spread"


async def test_marked_runs_get_tags_and_a_note_by_which_they_are_found(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "space", "space", "t")
        assert isinstance(bench.app.screen, LabelDialog)
        await pilot.press(*"wide, new", "down", *"look here", "enter")
        await until(pilot, lambda: bench.store.run("b1").tags == ("wide", "new"))
        await until(pilot, lambda: bench.app.runs["c1"].note == "look here")
        await pilot.press("slash", *"tag:new not model:resnet", "enter")
        assert ids(bench) == "c1"
        assert "#wide #new · look here" in str(bench.app.screen.query_one("#count").render())


async def test_of_several_runs_only_what_they_share_is_changed(workbench: MakeWorkbench) -> None:
    runs = [
        done("a1", "lenet", 0.7, tags=("shared", "mine"), note="one"),
        done("a2", "lenet", 0.7, tags=("shared",), note="other"),
    ]
    bench = workbench(runs)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "A", "t")
        assert bench.app.screen.query_one("#tags", Input).value == "shared"
        await pilot.press("ctrl+u", *"both", "enter")
        await until(pilot, lambda: bench.store.run("a2").tags == ("both",))
        await until(pilot, lambda: bench.store.run("a1").tags == ("mine", "both"))
        assert [bench.store.run(id).note for id in ("a1", "a2")] == ["one", "other"]


def test_tags_are_words() -> None:
    assert tags_in("  wd, #seed-study wd,, ") == ["wd", "seed-study"]


async def test_deleted_runs_are_gone_after_a_question_and_come_back_with_u(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "space", "space", "d")
        assert isinstance(bench.app.screen, ConfirmDialog)
        await pilot.press("escape")
        assert ids(bench) == "c1 b1 a2 a1", "not without a yes"
        await pilot.press("d", "y")
        await until(pilot, lambda: ids(bench) == "a2 a1")
        assert set(bench.store.by_id) == {"a1", "a2"}
        await pilot.press("d", "enter")
        await until(pilot, lambda: ids(bench) == "a1")
        await pilot.press("u")
        await until(pilot, lambda: ids(bench) == "a2 a1")
        await pilot.press("u")
        await until(pilot, lambda: ids(bench) == "c1 b1 a2 a1")
        await pilot.press("u")
        await until(pilot, lambda: "Nothing was deleted since you started the app." in toasts(bench))


async def test_what_trains_is_not_deleted(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        assert bench.app.queue is not None
        run = bench.app.queue.add("lenet", Recipe(), dataset="synthetic")
        await until(pilot, lambda: run.id in bench.app.steps)
        await pilot.press("3", "d")
        assert any("Stop what trains or waits" in toast for toast in toasts(bench))
        assert run.id in bench.store.by_id


async def test_the_page_of_a_deleted_run_closes(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "enter")
        await until(pilot, lambda: isinstance(bench.app.screen, RunPage))
        await pilot.press("d", "y")
        await until(pilot, lambda: isinstance(bench.app.screen, ResultsScreen))
        await until(pilot, lambda: ids(bench) == "b1 a2 a1")


@pytest.mark.parametrize("key", ["t", "d", "u"])
async def test_a_reader_is_told_who_could(workbench: MakeWorkbench, key: str) -> None:
    bench = workbench(RUNS, writable=False)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", key)
        assert any("process 4711 on host desk" in toast for toast in toasts(bench))


async def test_ten_thousand_runs_are_filtered_and_sorted_within_one_page(
    workbench: MakeWorkbench, tmp_path: Path
) -> None:
    bench = workbench([done(f"r{number:05}", "lenet", 0.7 + number / 1e6, seed=number) for number in range(10_000)])
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "slash", *"seed>9000 acc<0.7095", "enter", "s", *["down"] * 4, "enter")
        table = results(bench).table
        assert table.row_count == 100
        assert str(table.ordered_rows[0].key.value) == "r09499"
        assert "1–100 of 499 runs" in str(bench.app.screen.query_one("#count").render())
