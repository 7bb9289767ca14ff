"""The scatter plot."""

from __future__ import annotations

from textual.pilot import Pilot

from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, until
from tui.screens.model import ModelPage
from tui.screens.scatter import ScatterScreen
from tui.widgets.log_axis import LogAxis
from tui.widgets.scatter import Scatter
from tui.widgets.table import AnyTable


async def open_plot(bench: Workbench, pilot: Pilot[None]) -> ScatterScreen:
    await pilot.press("p")
    await until(pilot, lambda: isinstance(bench.app.screen, ScatterScreen))
    screen = bench.app.screen
    assert isinstance(screen, ScatterScreen)
    await until(pilot, lambda: screen.query_one(Scatter).points)
    return screen


def line(screen: ScatterScreen) -> str:
    return str(screen.query_one("#looked-at").render())


async def test_published_and_own_points_are_there_and_the_current_row_stands_out(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "resnet18", 0.93, device="CPU")])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j")
        points = (await open_plot(bench, pilot)).query_one(Scatter).points
        assert sum(point.kind == "published" for point in points) == 35
        assert [(point.x, point.y) for point in points if point.kind == "own"] == [(11_173_962, 93.0)]
        assert [(point.x, point.y) for point in points if point.kind == "here"] == [(35_855_178, 90.39)]
        assert "AlexNet" in line(bench.app.screen)  # type: ignore[arg-type]


async def test_the_arrows_go_through_the_networks_and_escape_takes_the_cursor_there(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_plot(bench, pilot)
        await pilot.press("down", "j", "right", "up")
        assert line(screen).startswith("◉ VGG-11")
        await pilot.press("escape")
        await until(pilot, lambda: bench.app.screen is not screen)
        assert bench.app.screen.query_one(AnyTable).current == "vgg11"


async def test_x_changes_the_axis(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.75, device="CPU", seconds=1000.0)])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bench.app.device == "CPU")
        screen = await open_plot(bench, pilot)
        scatter = screen.query_one(Scatter)
        assert scatter.points[0].x == 62_006
        await pilot.press("x")
        assert scatter.points[0].x == 651_720
        await pilot.press("x")
        assert [point.x for point in scatter.points[:2]] == [2363, 1000], "published on its GPU, own here"
        assert "39m 23s on RTX 3060" in line(screen)
        await pilot.press("x")
        assert scatter.points[0].x == 62_006


async def test_z_leaves_only_the_best(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        scatter = (await open_plot(bench, pilot)).query_one(Scatter)
        await pilot.press("z")
        assert min(point.y for point in scatter.points) > 88
        await pilot.press("z")
        assert min(point.y for point in scatter.points) < 75


async def test_the_plot_shows_what_the_filter_shows(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash", *"vgg", "enter")
        assert len((await open_plot(bench, pilot)).query_one(Scatter).points) == 4


async def test_networks_without_a_published_accuracy_leave_an_empty_plot_and_no_error(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("slash", *"convnext", "enter", "p")
        await until(pilot, lambda: isinstance(bench.app.screen, ScatterScreen))
        await pilot.press("x", "x", "z")
        assert bench.app.screen.query_one(Scatter).points == []


async def test_enter_opens_the_page_of_the_network(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_plot(bench, pilot)
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(bench.app.screen, ModelPage) and bench.app.screen.card.id == "alexnet")
        await pilot.press("escape")
        await until(pilot, lambda: bench.app.screen is screen)


def test_ticks_are_round_numbers_that_fit() -> None:
    axis = LogAxis(lambda value: f"{value:.0f}")
    assert axis.get_labels_for_ticks(axis.get_ticks(0.9, 2.1)) == ["10", "20", "50", "100"]
    assert axis.get_labels_for_ticks(axis.get_ticks(0.0, 6.0)) == [
        "1",
        "10",
        "100",
        "1000",
        "10000",
        "100000",
        "1000000",
    ]


async def test_axis_and_zoom_are_remembered(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await open_plot(bench, pilot)
        await pilot.press("x", "z")
    again = workbench()
    async with again.app.run_test(size=(80, 24)) as pilot:
        screen = await open_plot(again, pilot)
        assert (screen.axis.label, screen.zoomed) == ("MACs", True)
