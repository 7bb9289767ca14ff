"""The pages of models and runs."""

from __future__ import annotations

from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, epoch, until
from tui.screens.model import ModelPage
from tui.screens.run import RunPage
from tui.widgets.curve import Curve
from tui.widgets.table import AnyTable

SMALL, BIG = (80, 24), (160, 50)


def with_epochs(bench: Workbench, id: str, number: int) -> None:
    for place in range(1, number + 1):
        bench.store.append(id, epoch(place, 0.4 + place / 1000))


def shown(bench: Workbench, selector: str) -> bool:
    return bench.app.screen.query_one(selector).display


async def test_the_story_and_the_facts_of_a_model_are_there_at_once(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(bench.app.screen, ModelPage))
        facts = str(bench.app.screen.query_one("#facts").render())
        assert "62,006 (0.25 MB)" in facts
        assert "74.74%" in facts
        assert "14,308 kept for each image in training (57.2 kB)" in facts
        assert "https://doi.org/10.1109/5.726791" in facts
        assert shown(bench, "#story")
        assert not shown(bench, "#source")


async def test_s_shows_the_source_and_comes_back(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("enter", "s")
        assert shown(bench, "#source")
        source = bench.app.screen.query_one("#source Static")
        await until(pilot, lambda: "class LeNet(nn.Module)" in str(source.render()))
        await pilot.press("s")
        assert shown(bench, "#story")


async def test_l_shows_the_layers_once_they_have_been_worked_out(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("enter", "l")
        table = bench.app.screen.query_one(AnyTable)
        assert table.row_count or shown(bench, "#working")
        await until(pilot, lambda: table.row_count == 12)
        await until(pilot, lambda: not bench.app.screen.query("#working"))
        first = [cell.plain.strip() for cell in table.get_row_at(0)]
        assert first == ["stages.0.0", "Conv2d", "6×28×28", "456", "352.8K"]
        await pilot.press("l")
        assert shown(bench, "#story")


async def test_the_story_scrolls_with_j_and_k(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("enter")
        story = bench.app.screen.query_one("#story")
        await until(pilot, lambda: story.max_scroll_y > 0)
        await pilot.press("j", "j")
        assert story.scroll_y == 2
        await pilot.press("k")
        assert story.scroll_y == 1


async def test_the_digit_of_the_mode_leads_from_a_page_back_to_the_table(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("enter", "2", "1")
        assert isinstance(bench.app.screen, ModelPage), "a mode is found as it was left"
        await pilot.press("1")
        assert bench.app.screen.query_one(AnyTable).has_focus


async def test_a_run_shows_its_epochs_the_newest_first(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.74)])
    with_epochs(bench, "a1", 3)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "enter")
        table = bench.app.screen.query_one(AnyTable)
        await until(pilot, lambda: table.row_count == 3)
        assert [table.get_row_at(row)[1].plain for row in range(3)] == ["40.30%", "40.20%", "40.10%"]


async def test_c_shows_the_curves_instead_of_the_numbers_and_comes_back(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.74)])
    with_epochs(bench, "a1", 5)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "enter")
        await until(pilot, lambda: isinstance(bench.app.screen, RunPage))
        assert not shown(bench, "#curves")
        await pilot.press("c")
        assert shown(bench, "#curves")
        assert not bench.app.screen.query_one(AnyTable).display
        await until(pilot, lambda: bench.app.screen.query_one("#accuracy", Curve).has_picture)
        await pilot.press("c")
        assert bench.app.screen.query_one(AnyTable).display


async def test_where_there_is_room_numbers_and_curves_stand_side_by_side(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.74)])
    with_epochs(bench, "a1", 5)
    async with bench.app.run_test(size=BIG) as pilot:
        await pilot.press("3", "enter")
        await until(pilot, lambda: bench.app.screen.query("#curves"))
        assert shown(bench, "#curves")
        assert bench.app.screen.query_one(AnyTable).display


async def test_curves_of_a_single_epoch_and_of_none_do_no_harm(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.74), done("b1", "vgg11", 0.74)])
    with_epochs(bench, "a1", 1)
    async with bench.app.run_test(size=BIG) as pilot:
        await pilot.press("3", "enter", "escape", "j", "enter")
        await until(pilot, lambda: isinstance(bench.app.screen, RunPage))
        await pilot.press("escape")


async def test_curves_instead_of_numbers_are_remembered(workbench: MakeWorkbench) -> None:
    runs = [done("a1", "lenet", 0.7)]
    bench = workbench(runs)
    with_epochs(bench, "a1", 5)
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "enter", "c")
        assert shown(bench, "#curves")
    again = workbench(runs)
    with_epochs(again, "a1", 5)
    async with again.app.run_test(size=SMALL) as pilot:
        await pilot.press("3", "enter")
        assert shown(again, "#curves")
