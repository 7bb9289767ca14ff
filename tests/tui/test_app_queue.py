"""The queue: what its keys do."""

from __future__ import annotations

from msgspec.structs import replace
from textual.pilot import Pilot

from store.records import Run
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, epoch, step, until
from tui.screens.queue import QueueScreen
from tui.screens.run import RunPage
from tui.widgets.live import LiveCard, sparkline
from tui.widgets.table import RecordTable

MODELS = ("lenet", "vgg11", "vgg13", "resnet18")


def waiting_runs() -> list[Run]:
    """Four runs as the store knows them at the start of the app."""
    return [
        replace(done(f"w{place}", model, 0.0), status="queued", epochs_done=0, best_accuracy=None, position=place)
        for place, model in enumerate(MODELS)
    ]


async def open_queue(bench: Workbench, pilot: Pilot[None]) -> QueueScreen:
    """Wait until the first run trains, and go to the queue."""
    await until(pilot, lambda: "w0" in bench.trainings and bench.app.runs["w0"].status == "running")
    await pilot.press("2")
    await until(pilot, lambda: isinstance(bench.app.focused, LiveCard), "the first card has the focus")
    screen = bench.app.screen
    assert isinstance(screen, QueueScreen)
    return screen


def order(screen: QueueScreen) -> list[str | None]:
    return [row.key.value for row in screen.table.ordered_rows]


def status(bench: Workbench, id: str) -> str:
    return bench.store.run(id).status


async def test_what_waited_is_taken_up_and_shown_in_order(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs())
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        card = screen.query_one(LiveCard)
        assert card.run is not None
        assert card.run.id == "w0"
        assert order(screen) == ["w1", "w2", "w3"]


async def test_x_stops_the_run_of_the_card_and_the_next_begins(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs())
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        await pilot.press("x")
        await until(pilot, lambda: status(bench, "w0") == "stopped" and "w1" in bench.trainings)
        await until(pilot, lambda: order(screen) == ["w2", "w3", "w0"], "the stopped run stands at the end")
        assert screen.table.has_focus
        assert screen.table.current == "w0", "the cursor followed it"


async def test_p_pauses_and_r_goes_on_from_the_last_checkpoint(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs()[:1])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        bench.trainings["w0"].handed.put(epoch(1, 0.4))
        await until(pilot, lambda: bench.app.runs["w0"].epochs_done == 1)
        await pilot.press("p")
        await until(pilot, lambda: order(screen) == ["w0"] and status(bench, "w0") == "paused")
        first = bench.trainings.pop("w0")
        assert first.saves >= 2
        await until(pilot, lambda: isinstance(bench.app.focused, RecordTable))
        await pilot.press("r")
        await until(pilot, lambda: "w0" in bench.trainings)
        assert [known.epoch for known in bench.trainings["w0"].epochs] == [1]


async def test_capital_r_trains_again_from_the_start_as_a_new_run(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs()[:1])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        await pilot.press("R")
        await until(pilot, lambda: len(bench.app.runs) == 2)
        new = list(bench.app.runs.values())[-1]
        assert (new.model, new.status, new.epochs_done) == ("lenet", "queued", 0)
        await until(pilot, lambda: order(screen) == [new.id])


async def test_capital_j_and_k_move_a_waiting_run(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs())
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        await pilot.press("down")
        assert screen.table.has_focus
        await pilot.press("J")
        await until(pilot, lambda: order(screen) == ["w2", "w1", "w3"])
        assert screen.table.current == "w1"
        await pilot.press("K")
        await until(pilot, lambda: order(screen) == ["w1", "w2", "w3"])


async def test_keys_act_on_all_marked_runs(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs())
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await open_queue(bench, pilot)
        await pilot.press("down", "space", "space", "p")
        await until(
            pilot, lambda: [status(bench, f"w{n}") for n in range(4)] == ["running", "paused", "paused", "queued"]
        )


async def test_the_cursor_goes_from_the_card_into_the_table_and_back(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs())
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        await pilot.press("j")
        assert screen.table.has_focus
        await pilot.press("j")
        assert screen.table.current == "w2"
        await pilot.press("k", "k")
        assert isinstance(bench.app.focused, LiveCard)


async def test_enter_opens_the_page_of_the_run_that_trains(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs()[:1])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await open_queue(bench, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(bench.app.screen, RunPage))
        bench.trainings["w0"].handed.put(epoch(1, 0.4))
        await until(pilot, lambda: bench.app.screen.query_one(RecordTable).shown == 1, "the page follows its run")


async def test_an_empty_queue_says_how_to_fill_it(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        assert bench.app.screen.query_one("#empty").display


async def test_what_cannot_be_done_is_said_in_a_toast(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs()[:1])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await open_queue(bench, pilot)
        training = bench.trainings["w0"]
        for number in range(1, 201):
            training.handed.put(epoch(number))
        training.handed.put(None)
        await until(pilot, lambda: status(bench, "w0") == "done")
        await until(pilot, lambda: isinstance(bench.app.focused, RecordTable))
        bench.app.clear_notifications()
        await pilot.press("r")
        await until(pilot, lambda: any("nothing left" in toast.message for toast in bench.app._notifications))


async def test_closing_saves_what_trains_and_names_it(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs()[:1])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "w0" in bench.trainings)
        bench.trainings["w0"].handed.put(step(1, 12))
        await pilot.press("q")
    assert bench.app.return_code == 0
    assert bench.app.queue is not None
    assert [run.id for run in bench.app.queue.close()] == ["w0"]
    assert status(bench, "w0") == "interrupted"
    assert bench.trainings["w0"].saves == 1


def test_a_sparkline_thins_out_what_is_too_long_and_keeps_both_ends() -> None:
    assert sparkline([1, 2, 3], 10) == "▁▅█"
    assert sparkline(list(range(1000)), 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, 5], 10) == "▁▁"
    assert sparkline([], 10) == ""
