"""The catalogue: moving, finding, marking, queueing."""

from __future__ import annotations

from textual.widgets import HelpPanel

from store.records import Recipe
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, until
from tui.screens.model import ModelPage
from tui.widgets.filter import FilterLine
from tui.widgets.preview import Preview
from tui.widgets.table import AnyTable
from zoo import CARDS

SMALL = (80, 24)


def table_of(bench: Workbench) -> AnyTable:
    return bench.app.screen.query_one(AnyTable)


def cells(bench: Workbench, model: str) -> list[str]:
    """What a row shows."""
    return [str(cell) for cell in table_of(bench).get_row(model)]


async def test_every_model_is_there_in_published_order_and_the_cursor_starts_on_lenet(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL):
        table = table_of(bench)
        assert [row.key.value for row in table.ordered_rows] == list(CARDS)
        assert table.current == "lenet"
        assert table.has_focus


async def test_arrows_and_letters_move_the_cursor(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        models = list(CARDS)
        for keys, model in [
            (["down", "j"], models[2]),
            (["up", "k"], models[0]),
            (["G"], models[-1]),
            (["g"], models[0]),
            (["end"], models[-1]),
            (["home"], models[0]),
        ]:
            await pilot.press(*keys)
            assert table_of(bench).current == model, keys
        await pilot.press("pagedown")
        assert table_of(bench).cursor_row > 10
        await pilot.press("pageup")
        assert table_of(bench).cursor_row < 3


async def test_typing_filters_and_enter_keeps_the_filter(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("slash", *"vgg 1")
        assert [row.key.value for row in table_of(bench).ordered_rows] == ["vgg11", "vgg13", "vgg16", "vgg19"]
        await pilot.press("enter")
        assert table_of(bench).has_focus
        assert table_of(bench).shown == 4
        await pilot.press("escape")
        assert table_of(bench).shown == len(CARDS)


async def test_a_filter_that_finds_nothing_says_so(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("slash", *"zzz")
        assert table_of(bench).shown == 0
        assert "Nothing matches" in str(bench.app.screen.query_one("#count").render())
        await pilot.press("enter", "a", "space", "enter")  # nothing is there to act on
        assert bench.app.runs == {}


async def test_space_marks_and_moves_on_and_escape_takes_all_marks_away(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("space", "space")
        assert table_of(bench).marked == {"lenet", "alexnet"}
        assert cells(bench, "lenet")[0].startswith("● ")
        assert table_of(bench).current == "vgg11"
        await pilot.press("up", "space")
        assert table_of(bench).marked == {"lenet"}
        await pilot.press("escape")
        assert table_of(bench).marked == set()
        assert cells(bench, "lenet")[0].startswith("  ")


async def test_capital_a_marks_what_the_filter_shows_and_again_nothing(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("slash", *"vgg", "enter", "A")
        assert table_of(bench).marked == {"vgg11", "vgg13", "vgg16", "vgg19"}
        await pilot.press("A")
        assert table_of(bench).marked == set()


async def test_marks_survive_a_filter_that_hides_them(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("space", "slash", *"vgg11", "enter", "space")
        assert table_of(bench).chosen == ["lenet", "vgg11"]
        assert "2 marked" in str(bench.app.screen.query_one("#count").render())


async def test_a_queues_the_marked_networks_with_the_published_recipe(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("space", "down", "space", "a")
        await until(pilot, lambda: len(bench.app.runs) == 2)
        assert [run.model for run in bench.app.runs.values()] == ["lenet", "vgg11"]
        assert all(run.recipe == Recipe() and run.dataset == "synthetic" for run in bench.app.runs.values())
        await until(pilot, lambda: not table_of(bench).marked)


async def test_a_without_marks_queues_the_row_under_the_cursor(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("down", "a")
        await until(pilot, lambda: bench.app.runs)
        assert [run.model for run in bench.app.runs.values()] == ["alexnet"]


async def test_own_best_stands_beside_published(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.74), done("a2", "lenet", 0.76, seed=1)])
    async with bench.app.run_test(size=(160, 50)):
        row = cells(bench, "lenet")
        assert "74.74%" in row
        assert "75.00 ±1.41 ×2" in row
        assert "–" in cells(bench, "alexnet")


async def test_enter_opens_the_page_of_a_model_and_escape_comes_back(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(bench.app.screen, ModelPage))
        await pilot.press("escape")
        assert table_of(bench).has_focus


async def test_where_there_is_room_the_row_under_the_cursor_is_told_about(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(160, 50)) as pilot:
        preview = bench.app.screen.query_one(Preview)
        assert preview.display
        assert "learn its own filters" in str(preview.render())
        await pilot.press("j")
        await until(pilot, lambda: str(preview.render()).startswith("AlexNet"))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: not preview.display)


async def test_columns_give_way_when_it_gets_narrow_and_come_back(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(160, 50)) as pilot:
        assert len(table_of(bench).columns) == 8
        await pilot.resize_terminal(40, 24)
        await until(pilot, lambda: len(table_of(bench).columns) < 4)
        await pilot.resize_terminal(160, 50)
        await until(pilot, lambda: len(table_of(bench).columns) == 8)


async def test_the_question_mark_shows_help_and_hides_it(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: bench.app.screen.query(HelpPanel))
        await pilot.press("question_mark")
        await until(pilot, lambda: not bench.app.screen.query(HelpPanel))


async def test_letters_typed_into_the_filter_are_not_commands(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("slash", "q", "a", "1")
        assert bench.app.is_running
        assert bench.app.screen.query_one(FilterLine).value == "qa1"
        assert bench.app.runs == {}
