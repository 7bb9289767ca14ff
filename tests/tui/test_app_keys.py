"""Every key can be found, and says what it does."""

from __future__ import annotations

import pytest
from textual.binding import Binding
from textual.widgets import HelpPanel, Input, Markdown

from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, until
from tui.app import CifarApp
from tui.screens.catalogue import CatalogueScreen
from tui.screens.choose_columns import ColumnsDialog
from tui.screens.comparison import ComparisonPage
from tui.screens.confirm import ConfirmDialog
from tui.screens.data import DataDialog
from tui.screens.inside import InsidePage
from tui.screens.labels import LabelDialog
from tui.screens.log import LogPage
from tui.screens.marked import MarkedScreen
from tui.screens.model import ModelPage
from tui.screens.queue import QueueScreen
from tui.screens.recipe import RecipeDialog
from tui.screens.results import ResultsScreen
from tui.screens.run import RunPage
from tui.screens.scatter import ScatterScreen
from tui.screens.sorting import SortDialog, SortedScreen
from tui.widgets.filter import FilterLine
from tui.widgets.keys import KeyLine
from tui.widgets.live import LiveCard
from tui.widgets.table import RecordTable

OURS = (
    CifarApp,
    CatalogueScreen,
    QueueScreen,
    ResultsScreen,
    ModelPage,
    RunPage,
    LogPage,
    ComparisonPage,
    InsidePage,
    MarkedScreen,
    ColumnsDialog,
    ConfirmDialog,
    LabelDialog,
    ScatterScreen,
    SortedScreen,
    SortDialog,
    RecipeDialog,
    DataDialog,
    FilterLine,
    LiveCard,
    RecordTable,
)


@pytest.mark.parametrize("owner", OURS, ids=lambda owner: owner.__name__)
def test_every_binding_has_a_tooltip_and_an_action_that_exists(owner: type) -> None:
    for binding in vars(owner)["BINDINGS"]:
        assert isinstance(binding, Binding)
        assert binding.tooltip or binding.system, binding
        name = binding.action.split("(")[0]
        if "." not in name:
            assert hasattr(owner, f"action_{name}"), binding


@pytest.mark.parametrize("screen", [screen for screen in OURS if "HELP" in vars(screen)])
def test_every_screen_explains_itself(screen: type) -> None:
    assert vars(screen)["HELP"].strip()


@pytest.mark.parametrize("mode", ["1", "2", "3"])
async def test_the_keys_fit_at_eighty_columns(workbench: MakeWorkbench, mode: str) -> None:
    bench = workbench([done("a1", "lenet", 0.7)])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press(mode)
        line = bench.app.screen.query_one(KeyLine)
        await until(pilot, lambda: line.hints)
        assert len(str(line.render())) <= 81, "a space follows the last"
        assert str(line.render()).endswith("? Help q Quit ")


async def test_where_there_is_no_room_help_and_quit_stay(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(30, 24)) as pilot:
        line = bench.app.screen.query_one(KeyLine)
        await until(pilot, lambda: line.hints)
        assert str(line.render()).endswith("? Help q Quit ")
        assert len(str(line.render()).rstrip()) <= 30


async def test_a_key_in_the_line_can_be_clicked_and_has_a_tooltip(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        line = bench.app.screen.query_one(KeyLine)
        await until(pilot, lambda: line.hints)
        place = str(line.render()).index("Mark")
        await pilot.hover(KeyLine, offset=(place, 0))
        assert "take its mark away" in str(line.tooltip)
        await pilot.click(KeyLine, offset=(place, 0))
        table = bench.app.screen.query_one(RecordTable)
        await until(pilot, lambda: table.marked == {"lenet"})


async def test_keys_of_a_group_share_a_word(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        line = bench.app.screen.query_one(KeyLine)
        await until(pilot, lambda: line.hints)
        assert " KJ Move " in str(line.render())


async def test_the_palette_lists_every_action_of_the_screen(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)):
        titles = {command.title for command in bench.app.get_system_commands(bench.app.screen)}
        assert {
            "Queue",
            "Recipe…",
            "Sort",
            "Plot",
            "Mark",
            "Mark all",
            "Filter",
            "Open",
            "Help",
            "Quit",
            "Theme",
            "Results",
        } <= titles


async def test_the_palette_opens_with_control_p_and_acts(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+p", *"mark all")
        await pilot.pause(0.5)  # the palette searches in a worker of its own
        await pilot.press("enter", "enter")
        table = bench.app.screen_stack[0].query_one(RecordTable)
        await until(pilot, lambda: len(table.marked) == table.shown)


async def test_the_help_scrolls_with_the_keyboard(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: bench.app.screen.query(HelpPanel))
        panel = bench.app.screen.query_one(HelpPanel)
        await until(pilot, lambda: panel.max_scroll_y > 0)
        words = panel.query_one(Markdown)
        assert words.size.height == words.virtual_size.height, "no line is cut off"
        await pilot.press("ctrl+down")
        assert panel.scroll_y == 3
        await pilot.press("ctrl+up")
        assert panel.scroll_y == 0


def explained(bench: Workbench) -> str:
    """The words of the help."""
    return bench.app.screen.query_one(HelpPanel).query_one(Markdown).source


async def test_the_help_explains_a_screen_on_which_nothing_has_the_focus(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("p")
        await until(pilot, lambda: isinstance(bench.app.screen, ScatterScreen))
        assert bench.app.focused is None
        await pilot.press("question_mark")
        await until(pilot, lambda: bench.app.screen.query(HelpPanel) and "### Plot" in explained(bench))


async def test_a_dialog_has_its_help_too(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: isinstance(bench.app.screen, RecipeDialog))
        await pilot.press("f1")
        await until(pilot, lambda: bench.app.screen.query(HelpPanel) and "a setting of the recipe" in explained(bench))
        await pilot.press("f1")
        await until(pilot, lambda: not bench.app.screen.query(HelpPanel))
        await pilot.press("escape", "s", "question_mark")
        await until(pilot, lambda: bench.app.screen.query(HelpPanel) and "Choose the column" in explained(bench))


async def test_the_help_offers_no_key_that_something_else_answers(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: isinstance(bench.app.screen, RecipeDialog))
        await until(pilot, lambda: isinstance(bench.app.focused, Input))
        offered = {key: active.binding.action for key, active in bench.app.screen.active_bindings.items()}
        assert (offered["up"], offered["down"]) == ("app.focus_previous", "app.focus_next")
        assert not any(action.startswith(("scroll_", "page_")) for action in offered.values())
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(bench.app.screen, ModelPage))
        assert "scroll_left" not in {active.binding.action for active in bench.app.screen.active_bindings.values()}


async def test_the_filter_of_the_results_explains_its_language(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.7)])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "slash", "f1")
        await until(pilot, lambda: bench.app.screen.query(HelpPanel) and "`acc>0.9` compares" in explained(bench))


async def test_q_leaves_at_once_without_a_question(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("q")
    assert bench.app.return_code == 0


async def test_both_themes_can_be_chosen_and_tables_follow(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.70)])
    async with bench.app.run_test(size=(160, 50)) as pilot:
        await pilot.press("3")
        table = bench.app.screen.query_one(RecordTable)
        before = table.get_cell("a1", "difference").spans
        bench.app.theme = "cifar-clear"
        await until(pilot, lambda: table.get_cell("a1", "difference").spans != before)
