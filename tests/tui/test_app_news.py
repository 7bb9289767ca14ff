"""News: from the trainings' threads to the screen."""

from __future__ import annotations

from threading import Thread

from msgspec.structs import replace
from textual.pilot import Pilot

from store.records import Recipe
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import ScriptedTraining, Workbench, done, epoch, step, until
from tui.messages import Mailbox, News
from tui.screens.queue import MOST_CARDS, QueueScreen
from tui.widgets.bar import TopBar
from tui.widgets.live import LiveCard


async def begin(bench: Workbench, pilot: Pilot[None], model: str = "lenet", epochs: int = 3) -> ScriptedTraining:
    """Queue a run and wait until it trains."""
    assert bench.app.queue is not None
    run = bench.app.queue.add(model, Recipe(epochs=epochs), seed=1, dataset="synthetic")
    await until(pilot, lambda: bench.app.runs.get(run.id, run).status == "running" and run.id in bench.trainings)
    return bench.trainings[run.id]


def test_one_message_of_news_may_replace_another_but_nothing_else() -> None:
    assert News().can_replace(News())
    assert not News().can_replace(LiveCard.Opened("a1"))


def test_the_mailbox_keeps_the_newest_of_each_run_and_is_empty_afterwards() -> None:
    mailbox = Mailbox()
    old, new, other = done("a1", "lenet", 0.5), done("a1", "lenet", 0.6), done("b1", "vgg11", 0.9)
    for run in (old, other, new):
        mailbox.put(run, None)
    assert mailbox.empty() == {"a1": (new, None), "b1": (other, None)}
    assert mailbox.empty() == {}


async def test_a_flood_from_many_threads_ends_with_the_newest_of_each_run(workbench: MakeWorkbench) -> None:
    bench = workbench()
    changes = 0

    def count() -> None:
        nonlocal changes
        changes += 1

    async with bench.app.run_test() as pilot:
        bench.app.watch(bench.app, "runs", count, init=False)

        def flood(number: int) -> None:
            run = done(f"r{number}", "lenet", 0.5, status="running")
            for done_epochs in range(200):
                bench.app.tell(replace(run, epochs_done=done_epochs), step(1, done_epochs))

        threads = [Thread(target=flood, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        await until(pilot, lambda: len(bench.app.runs) == 8)
        await until(pilot, lambda: {run.epochs_done for run in bench.app.runs.values()} == {199})
        assert {step.step for step in bench.app.steps.values()} == {199}
        assert changes < 20  # of 1,600 messages


async def test_the_steps_of_a_training_move_its_card(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        training = await begin(bench, pilot)
        await pilot.press("2")
        training.handed.put(step(1, 100, loss=1.75, accuracy=0.3))
        await until(pilot, lambda: "loss 1.7500" in text_of_card(bench))
        assert "training 100 of 391" in text_of_card(bench)
        training.handed.put(epoch(1, 0.45))
        training.handed.put(step(2, 5))
        await until(pilot, lambda: "best 45.00% in epoch 1" in text_of_card(bench))
        assert "epoch 2 of 3" in text_of_card(bench)


async def test_between_two_epochs_a_run_of_this_app_does_not_look_like_one_of_another(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        bench.app.tell(done("a1", "lenet", 0.5, status="running"), None)
        await until(pilot, lambda: bench.app.screen.query(LiveCard) and "beginning …" in text_of_card(bench))
        assert "another process" not in text_of_card(bench)


async def test_a_screen_that_opens_late_is_right_at_once(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        training = await begin(bench, pilot)
        training.handed.put(epoch(1, 0.45))
        training.handed.put(step(2, 200))
        await until(pilot, lambda: any(known.step == 200 for known in bench.app.steps.values()))
        await pilot.press("2")
        await until(pilot, lambda: bench.app.screen.query(LiveCard))
        assert "training 200 of 391" in text_of_card(bench)
        assert "last 45.00%" in text_of_card(bench)


async def test_the_end_of_a_run_is_announced_with_a_toast_and_the_bell(workbench: MakeWorkbench) -> None:
    bench = workbench()
    rung = []
    async with bench.app.run_test() as pilot:
        bench.app.bell = lambda: rung.append(1)  # type: ignore[method-assign]
        training = await begin(bench, pilot, epochs=1)
        training.handed.put(epoch(1, 0.45))
        training.handed.put(None)
        await until(pilot, lambda: len(bench.app._notifications))
        toast = next(iter(bench.app._notifications))
        assert (toast.title, toast.message) == ("LeNet: done", "Best 45.00% in epoch 1, last 45.00%")
        assert rung


async def test_the_reason_of_a_failure_is_shown(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(160, 50)) as pilot:
        training = await begin(bench, pilot)
        await pilot.press("2")
        training.handed.put(ValueError("loss became NaN at epoch 3, step 120"))
        await until(pilot, lambda: len(bench.app._notifications))
        assert "loss became NaN" in next(iter(bench.app._notifications)).message
        screen = bench.app.screen
        assert isinstance(screen, QueueScreen)
        await until(pilot, lambda: screen.table.shown == 1)
        assert any("loss became NaN" in str(cell) for cell in screen.table.get_row_at(0))


async def test_the_top_line_counts_what_is_not_over(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await begin(bench, pilot)
        await until(pilot, lambda: bench.app.screen.query_one(TopBar).busy == 1)
        assert "Queue (1)" in str(bench.app.screen.query_one(TopBar).render())


def text_of_card(bench: Workbench) -> str:
    return str(bench.app.screen.query_one(LiveCard).render())


async def test_of_many_runs_that_train_some_are_cards_and_the_others_rows(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(160, 50)) as pilot:
        await pilot.press("2")
        for number in range(MOST_CARDS + 3):
            run = done(f"r{number:02}", "lenet", 0.5, status="running", device_id=f"box:gpu{number}")
            bench.app.tell(run, step(1, number))
        screen = bench.app.screen
        assert isinstance(screen, QueueScreen)
        await until(pilot, lambda: screen.table.shown == 3)
        assert len(screen.query(LiveCard)) == MOST_CARDS
        assert "15 runs training" in screen.in_words()
