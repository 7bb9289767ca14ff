"""The queue: what its keys do."""

from __future__ import annotations

from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import Log

from store.records import Run
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, epoch, step, until
from tui.screens.log import LogPage
from tui.screens.queue import QueueScreen
from tui.screens.run import RunPage
from tui.widgets.device import DevicePanel
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


async def test_the_card_says_how_long_and_until_when_and_the_line_below_for_all(workbench: MakeWorkbench) -> None:
    measured = done("a1", "vgg11", 0.9, device="CPU", seconds=7200.0)
    bench = workbench([measured, *waiting_runs()[:2]])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        training = bench.trainings["w0"]
        for number in range(1, 101):
            training.handed.put(epoch(number))
        training.handed.put(step(101, 0))
        await until(pilot, lambda: bench.app.runs["w0"].epochs_done == 100)
        await until(pilot, lambda: "left 19m 10s   ends 12:19" in str(screen.query_one(LiveCard).render()))
        await until(pilot, lambda: "2h 19m left in all, done 14:19" in str(screen.query_one("#count").render()))
        assert "1 run training · 1 waiting" in str(screen.query_one("#count").render())


async def test_what_is_unknown_is_said_and_not_counted(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs())
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        await until(pilot, lambda: str(screen.query_one("#count").render()).endswith("left · 3 of unknown length"))
        assert "3 waiting" in str(screen.query_one("#count").render())


async def test_a_tall_screen_shows_curves_with_their_highest_and_lowest_value(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs()[:1])
    async with bench.app.run_test(size=(160, 50)) as pilot:
        screen = await open_queue(bench, pilot)
        for number in range(1, 6):
            bench.trainings["w0"].handed.put(epoch(number, number / 10))
        await until(pilot, lambda: "test accuracy, epochs 1 to 5" in str(screen.query_one(LiveCard).render()))
        card = str(screen.query_one(LiveCard).render())
        assert "50.00%" in card
        assert "10.00%" in card
        bench.trainings["w0"].handed.put(step(6, 100, loss=1.75))
        await until(pilot, lambda: "train loss, epochs 1 to 6" in str(screen.query_one(LiveCard).render()))
        assert "1.7500" in str(screen.query_one(LiveCard).render()), "the loss of the epoch that is under way"


async def test_capital_c_clears_what_has_ended(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs()[:2])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        await pilot.press("x")
        await until(pilot, lambda: order(screen) == ["w0"])
        await pilot.press("C")
        await until(pilot, lambda: order(screen) == [])
        assert status(bench, "w0") == "stopped", "it is still among the results"


async def test_l_shows_the_log_which_follows_the_run(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs()[:1])
    folder = bench.store.folder("w0")
    folder.mkdir(parents=True)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await open_queue(bench, pilot)
        await pilot.press("l")
        await until(pilot, lambda: isinstance(bench.app.screen, LogPage))
        log = bench.app.screen.query_one(Log)
        await until(pilot, lambda: any("queued: LeNet" in line for line in log.lines))
        bench.trainings["w0"].handed.put(epoch(1, 0.4))
        await until(pilot, lambda: any("test  40.00%" in line for line in log.lines))
        bench.trainings["w0"].handed.put(RuntimeError("the cat ate it"))
        await until(pilot, lambda: any("failed: RuntimeError: the cat ate it" in line for line in log.lines))
        await until(pilot, lambda: any("Traceback" in line for line in log.lines), "the log file is read, too")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(bench.app.screen, QueueScreen))


async def test_the_machine_is_read_while_the_queue_is_seen(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        panel = bench.app.screen.query_one(DevicePanel)
        await until(pilot, lambda: "6.1 of 15.6 GB" in str(panel.render()))
        assert " 87%" in str(panel.render())


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
