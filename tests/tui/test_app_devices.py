"""Several devices in the app: their cards, pins, and what happens when one is lost."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import OptionList, Select, Static

from store.records import Run
from tests.tui.conftest import READING, FixedReadings, MakeWorkbench
from tests.tui.scripted import Workbench, done, epoch, until
from tests.tui.test_app_queue import order, status, waiting_runs
from trainer.failure import DeviceLost
from tui.readings import GpuReading, Reading, Readings
from tui.screens.pin import PinDialog
from tui.screens.queue import QueueScreen
from tui.screens.recipe import RecipeDialog
from tui.screens.run import RunPage
from tui.widgets.device import DevicePanel
from tui.widgets.live import LiveCard, card_height

TWO = ("cuda:0", "cuda:1")


@pytest.fixture(autouse=True)
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.device.visible_gpu_names", lambda: ["NVIDIA H100 80GB HBM3"] * 8)


async def open_queue(bench: Workbench, pilot: Pilot[None]) -> QueueScreen:
    """Wait until every device trains, and go to the queue."""
    await until(
        pilot,
        lambda: sum(bench.app.runs[id].status == "running" for id in bench.trainings) == len(bench.devices),
        "every device trains",
    )
    await pilot.press("2")
    await until(pilot, lambda: len(bench.app.screen.query(LiveCard)) == len(bench.devices), "each has a card")
    await until(pilot, lambda: isinstance(bench.app.focused, LiveCard))
    screen = bench.app.screen
    assert isinstance(screen, QueueScreen)
    return screen


def note(screen: QueueScreen, id: str) -> str:
    return str(screen.table.get_cell(id, "note")).strip()


def count(screen: QueueScreen) -> str:
    return str(screen.query_one("#count", Static).render())


async def test_each_device_has_a_card_that_names_it_in_their_order(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs(), devices=TWO)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        await until(pilot, lambda: all(card.run and card.run.device for card in screen.query(LiveCard)))
        assert [card.border_subtitle for card in screen.query(LiveCard)] == [
            "cuda:0 · NVIDIA H100 80GB HBM3",
            "cuda:1 · NVIDIA H100 80GB HBM3",
        ]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(bench.app.screen, RunPage))
        assert "cuda:0 · NVIDIA H100" in str(bench.app.screen.query_one("Facts").render())


async def test_the_next_run_takes_the_card_of_its_device(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs(), devices=TWO)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        first, second = (card.run_id for card in screen.query(LiveCard))
        bench.trainings[second].handed.put(None)
        await until(
            pilot, lambda: len(screen.query(LiveCard)) == 2 and "w2" in [c.run_id for c in screen.query(LiveCard)]
        )
        assert [card.run_id for card in screen.query(LiveCard)] == [first, "w2"]


async def test_capital_p_pins_a_waiting_run_and_lets_it_loose(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs(), devices=TWO)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        await pilot.press("down", "down", "down", "P")
        await until(pilot, lambda: isinstance(bench.app.screen, PinDialog))
        choices = [str(option.prompt) for option in bench.app.screen.query_one(OptionList).options]
        assert choices == ["any device", "cuda:0  NVIDIA H100 80GB HBM3", "cuda:1  NVIDIA H100 80GB HBM3"]
        await pilot.press("j", "j", "enter")
        await until(pilot, lambda: note(screen, "w3") == "pinned to cuda:1")
        assert bench.store.run("w3").pinned_to == "cuda:1"
        await pilot.press("P")
        await until(pilot, lambda: isinstance(bench.app.screen, PinDialog))
        assert bench.app.screen.query_one(OptionList).highlighted == 2, "what it is pinned to now"
        await pilot.press("k", "k", "enter")
        await until(pilot, lambda: bench.store.run("w3").pinned_to is None and note(screen, "w3") == "")


async def test_marked_runs_are_pinned_together_and_what_trains_is_not(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs(), devices=TWO)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        await pilot.press("P")
        await until(pilot, lambda: any("pause it" in toast.message for toast in bench.app._notifications))
        assert bench.app.screen is screen
        await pilot.press("down", "down", "space", "space", "P")
        await until(pilot, lambda: isinstance(bench.app.screen, PinDialog))
        await pilot.press("j", "enter")
        await until(pilot, lambda: {bench.store.run(id).pinned_to for id in ("w2", "w3")} == {"cuda:0"})


async def test_with_one_device_there_is_nothing_to_pin(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs())
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        await pilot.press("down", "P")
        await pilot.pause()
        assert bench.app.screen is screen
        assert "P" not in screen.active_bindings


async def test_a_pin_to_a_device_that_is_not_here_is_told_and_can_be_taken_away(workbench: MakeWorkbench) -> None:
    runs = waiting_runs()
    bench = workbench([runs[0], replace(runs[1], pinned_to="cuda:7")])
    async with bench.app.run_test(size=(120, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        assert note(screen, "w1") == "cuda:7 is not here"
        assert count(screen).endswith("1 cannot begin: pinned to cuda:7: this session does not train on it")
        await pilot.press("down", "P")
        await until(pilot, lambda: isinstance(bench.app.screen, PinDialog))
        await pilot.press("enter")
        await until(pilot, lambda: bench.store.run("w1").pinned_to is None)


async def test_a_lost_device_gives_its_run_back_and_says_so(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs()[:2], devices=TWO)
    async with bench.app.run_test(size=(120, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        first, second = (card.run_id for card in screen.query(LiveCard))
        bench.trainings[first].handed.put(epoch(1))
        bench.trainings[first].handed.put(DeviceLost("it fell off the bus"))
        await until(pilot, lambda: order(screen) == [first])
        await until(pilot, lambda: len(screen.query(LiveCard)) == 1)
        said = "cuda:0 stopped working while it trained: it fell off the bus"
        await until(pilot, lambda: note(screen, first).startswith("cuda:0 stopped working"))
        assert any(toast.message == said for toast in bench.app._notifications)
        assert bench.app.session_in_words()[1] == "cuda:0 set aside"
        assert bench.app.queue
        bench.app.queue.pin(first, "cuda:0")
        await until(pilot, lambda: note(screen, first) == "cuda:0 is set aside")
        bench.app.queue.pin(first, None)
        bench.trainings[second].handed.put(None)
        await until(pilot, lambda: status(bench, first) == "running", "the other device trains it")
        bench.trainings[first].handed.put(DeviceLost("so did this one"))
        await until(pilot, lambda: status(bench, first) == "failed")


async def test_without_any_device_left_the_queue_says_why_it_waits(workbench: MakeWorkbench) -> None:
    bench = workbench(waiting_runs()[:2], devices=("cuda:0",))
    async with bench.app.run_test(size=(120, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        bench.trainings["w0"].handed.put(DeviceLost("it fell off the bus"))
        wanted = "2 cannot begin: no device is left: cuda:0 is set aside (it fell off the bus)"
        await until(pilot, lambda: count(screen) == wanted)


async def test_the_train_dialog_offers_each_device_where_there_are_several(workbench: MakeWorkbench) -> None:
    bench = workbench(devices=TWO)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bench.app.devices)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(bench.app.screen, RecipeDialog))
        bench.app.screen.query_one("#device", Select).value = "cuda:1"
        await pilot.press("enter")
        await until(pilot, lambda: len(bench.trainings) == 1)
        (run,) = bench.app.runs.values()
        assert (run.pinned_to, bench.store.run(run.id).device_id) == ("cuda:1", "cuda:1")


async def test_the_train_dialog_has_no_such_line_for_one_device(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: isinstance(bench.app.screen, RecipeDialog))
        assert not bench.app.screen.query("#device")


async def test_what_is_queued_together_is_shown_in_the_order_in_which_it_begins(workbench: MakeWorkbench) -> None:
    bench = workbench(devices=TWO)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("space", "space", "space", "space", "a")  # LeNet, AlexNet, VGG-11, VGG-13
        await pilot.press("2")
        screen = bench.app.screen
        assert isinstance(screen, QueueScreen)
        await until(pilot, lambda: len(bench.trainings) == 2 and len(order(screen)) == 2)

        def models(ids: list[str | None]) -> list[str]:
            return [bench.store.run(str(id)).model for id in ids]

        assert sorted(models(list(bench.trainings))) == ["alexnet", "vgg13"]
        assert models(order(screen)) == ["vgg11", "lenet"]


@pytest.mark.parametrize(
    ("number", "width", "height", "lines"),
    [(1, 80, 24, 7), (2, 80, 24, 7), (3, 80, 24, 4), (4, 80, 24, 3), (8, 80, 24, 2), (1, 160, 50, 18), (8, 160, 50, 7)],
)
def test_cards_are_as_high_as_there_is_room_for_all(number: int, width: int, height: int, lines: int) -> None:
    assert card_height(number, width, height) == lines


async def test_many_cards_still_say_how_well_and_how_long(workbench: MakeWorkbench) -> None:
    devices = tuple(f"cuda:{number}" for number in range(4))
    bench = workbench(waiting_runs(), devices=devices)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        screen = await open_queue(bench, pilot)
        card = screen.query_one(LiveCard)
        bench.trainings[card.run_id].handed.put(epoch(1, 0.45))
        await until(pilot, lambda: "best 45.00%   left 38m 08s   cuda:0" in str(card.render()))
        assert card.size.height == 3
        await pilot.resize_terminal(160, 50)
        await until(pilot, lambda: card.outer_size.height > 7, "there is more room now")


async def test_many_gpus_share_a_line_on_a_low_screen(
    workbench: MakeWorkbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = tuple(GpuReading("H100", busy, 10**9, 80 * 10**9, 500.0, 60.0 + busy) for busy in (0.2, 0.4, 0.9))

    class ThreeGpus(FixedReadings):
        def read(self) -> Reading:
            return Reading(READING.cpu_busy, READING.memory_used, READING.memory_total, gpus)

    monkeypatch.setattr("tui.screens.queue.Readings", ThreeGpus)
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        panel = bench.app.screen.query_one(DevicePanel)
        await until(pilot, lambda: "3 GPUs  50%  3.0 of 240.0 GB  1,500 W  61 °C" in str(panel.render()))
        assert panel.size.height == 1
        await pilot.resize_terminal(80, 50)
        await until(pilot, lambda: panel.size.height == 3)


def test_only_gpus_of_the_session_are_read() -> None:
    assert Readings(("cpu:0", "cpu:1"))._gpus() == []


def test_a_run_says_on_which_of_several_devices_it_was(workbench: MakeWorkbench) -> None:
    from tui import words

    run: Run = done("a1", "lenet", 0.7)
    assert words.device(run) == "NVIDIA H100"
    assert words.device(replace(run, device_id="auto")) == "NVIDIA H100"
    assert words.device(replace(run, device_id="cuda:1")) == "cuda:1 · NVIDIA H100"
