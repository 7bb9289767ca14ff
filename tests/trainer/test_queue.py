"""The queue, driven by scripted trainings."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from store.errors import Problem
from store.records import Epoch, Recipe, Run, Step
from store.runs import RunStore
from tests.trainer.listener import Listener
from tests.trainer.scripted import Script, ScriptedTraining, epoch
from trainer.failure import WorkerLost
from trainer.queue import JobQueue, Training


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "home") as store:
        yield store


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()
    yield script
    script.go.set()  # no thread is left waiting


def queue_of(store: RunStore, script: Script, listener: Listener, devices: tuple[str, ...] = ("cpu",)) -> JobQueue:
    return JobQueue(store, script, devices, listener)


def add(jobs: JobQueue, model: str = "lenet", epochs: int = 2) -> Run:
    return jobs.add(model, Recipe(epochs=epochs), seed=0, dataset="synthetic")


def until_nobody_works() -> None:
    """Wait for the worker threads, before the store that they write to is closed."""
    for thread in threading.enumerate():
        if thread.name.startswith("trains on"):
            thread.join(20)


def test_a_queued_run_trains_to_its_end(store: RunStore, script: Script, listener: Listener) -> None:
    jobs = queue_of(store, script, listener)
    run = add(jobs, epochs=3)
    jobs.start()
    done = listener.wait_for(run.id, "done")
    assert (done.epochs_done, done.best_accuracy, done.best_epoch, done.last_accuracy) == (3, 0.003, 3, 0.003)
    assert done.device == "cpu" and done.seconds == 6.0 and done.finished is not None
    jobs.close()
    assert store.run(run.id) == done
    assert [line.epoch for line in store.epochs(run.id)] == [1, 2, 3]
    assert script.weights == {run.id} and script.discarded == {run.id}


def test_runs_train_in_the_order_in_which_they_were_queued(store: RunStore, script: Script, listener: Listener) -> None:
    jobs = queue_of(store, script, listener)
    runs = [add(jobs), add(jobs, "vgg11"), add(jobs, "resnet18")]
    jobs.start()
    listener.wait_for(runs[-1].id, "done")
    assert script.opened == [run.id for run in runs]
    jobs.close()


def test_a_waiting_run_that_was_moved_up_trains_earlier(store: RunStore, script: Script, listener: Listener) -> None:
    jobs = queue_of(store, script, listener)
    first, second, third = add(jobs), add(jobs, "vgg11"), add(jobs, "resnet18")
    jobs.move(third.id, -1)
    jobs.move(third.id, -1)
    jobs.move(third.id, -1)  # it is the first already
    assert [run.id for run in jobs.jobs()] == [third.id, first.id, second.id]
    jobs.start()
    listener.wait_for(second.id, "done")
    assert script.opened == [third.id, first.id, second.id]
    jobs.close()


def test_a_stopped_run_is_over_and_keeps_what_it_learned(store: RunStore, script: Script, listener: Listener) -> None:
    jobs = queue_of(store, script, listener)
    run = add(jobs, epochs=10_000)
    jobs.start()
    listener.wait_for_step(run.id)
    jobs.stop(run.id)
    stopped = listener.wait_for(run.id, "stopped")
    jobs.close()
    assert stopped.finished is not None
    assert run.id in script.weights and run.id in script.saved and not script.discarded


def test_a_paused_run_leaves_the_device_to_the_next_and_goes_on_where_it_was(
    store: RunStore, script: Script, listener: Listener
) -> None:
    jobs = queue_of(store, script, listener)
    run, other = add(jobs, epochs=500), add(jobs)
    jobs.start()
    listener.wait_until(lambda: listener.runs[run.id].epochs_done > 3)
    jobs.pause(run.id)
    paused = listener.wait_for(run.id, "paused")
    listener.wait_for(other.id, "done")
    jobs.go_on(run.id)
    done = listener.wait_for(run.id, "done")
    jobs.close()
    assert done.epochs_done == 500 and paused.epochs_done < 500
    assert [line.epoch for line in store.epochs(run.id)] == list(range(1, 501))


def test_a_waiting_run_can_be_paused_and_stopped(store: RunStore, script: Script, listener: Listener) -> None:
    jobs = queue_of(store, script, listener)
    one, two = add(jobs), add(jobs)
    jobs.pause(one.id)
    jobs.stop(two.id)
    assert store.run(one.id).status == "paused" and store.run(two.id).status == "stopped"
    jobs.start()
    last = add(jobs)
    listener.wait_for(last.id, "done")
    jobs.close()
    assert script.opened == [last.id]


def test_again_queues_a_new_run_like_the_old_one(store: RunStore, script: Script, listener: Listener) -> None:
    jobs = queue_of(store, script, listener)
    old = add(jobs, "vgg11", epochs=4)
    new = jobs.again(old.id)
    assert new.id != old.id and (new.model, new.recipe, new.seed) == (old.model, old.recipe, old.seed)


def test_a_run_that_fails_does_not_hold_up_the_next(store: RunStore, listener: Listener) -> None:
    script = Script(fails=ValueError("first line\nsecond line"))
    jobs = queue_of(store, script, listener)
    one = add(jobs)
    jobs.start()
    failed = listener.wait_for(one.id, "failed")
    script.fails = None
    two = add(jobs)
    listener.wait_for(two.id, "done")
    jobs.close()
    assert failed.error == "ValueError: first line" and failed.epochs_done == 1
    assert "second line" in (store.folder(one.id) / "log.txt").read_text()


def test_what_is_wrong_is_said_as_it_is(store: RunStore, listener: Listener) -> None:
    jobs = queue_of(store, Script(fails=Problem("loss became NaN at epoch 2, step 7")), listener)
    run = add(jobs)
    jobs.start()
    assert listener.wait_for(run.id, "failed").error == "loss became NaN at epoch 2, step 7"
    jobs.close()


def test_a_full_disk_pauses_a_run(store: RunStore, listener: Listener) -> None:
    script = Script(fails=OSError(errno.ENOSPC, "No space left on device"))
    jobs = queue_of(store, script, listener)
    run = add(jobs)
    jobs.start()
    paused = listener.wait_for(run.id, "paused")
    assert paused.error and "disk is full" in paused.error
    script.fails = None
    jobs.go_on(run.id)
    assert listener.wait_for(run.id, "done").error is None
    jobs.close()


def test_closing_interrupts_what_trains_and_the_next_queue_takes_it_up(
    store: RunStore, script: Script, listener: Listener
) -> None:
    jobs = queue_of(store, script, listener)
    run, waiting, paused = add(jobs, epochs=300), add(jobs), add(jobs)
    jobs.pause(paused.id)
    jobs.start()
    listener.wait_until(lambda: listener.runs[run.id].epochs_done > 2)
    in_flight = jobs.close()
    assert [(one.id, one.status) for one in in_flight] == [(run.id, "interrupted")]
    assert not jobs.is_working() and store.run(waiting.id).status == "queued"

    later = queue_of(store, script, listener)
    assert [one.id for one in later.take_up()] == [run.id, waiting.id]
    later.start()
    listener.wait_for(waiting.id, "done")
    later.close()
    assert store.run(run.id).epochs_done == 300 and store.run(paused.id).status == "paused"


def test_taking_up_leaves_alone_what_was_added_a_moment_ago_and_trains_already(
    store: RunStore, script: Script, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = queue_of(store, script, listener)
    jobs.start()
    run = add(jobs, epochs=300)
    listener.wait_until(lambda: listener.runs[run.id].status == "running")
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "jobs", lambda: [run])  # as it was when taking up began to look
        assert jobs.take_up() == []
    assert store.run(run.id).status == "running"
    jobs.close()


def test_a_step_that_does_not_end_does_not_hold_up_closing_for_ever(
    store: RunStore, script: Script, listener: Listener
) -> None:
    jobs = queue_of(store, script, listener)
    run = add(jobs)
    script.go.clear()
    jobs.start()
    listener.wait_until(lambda: listener.runs[run.id].plan)  # it is loaded, and in its first step
    assert [one.id for one in jobs.close(patience=0.05)] == [run.id]
    assert jobs.is_working()
    script.go.set()
    until_nobody_works()
    assert not jobs.is_working()


def test_a_run_that_is_still_loading_is_not_waited_for(store: RunStore, script: Script, listener: Listener) -> None:
    loading, loaded = threading.Event(), threading.Event()

    def slow(run: Run, folder: Path, device: str) -> ScriptedTraining:
        loading.set()
        loaded.wait(20)
        return script(run, folder, device)

    jobs = JobQueue(store, slow, ["cpu"], listener)
    run = add(jobs)
    jobs.start()
    assert loading.wait(20)
    assert [one.status for one in jobs.close()] == ["interrupted"]
    loaded.set()
    until_nobody_works()
    assert not jobs.is_working()
    assert store.run(run.id).status == "interrupted" and run.id not in script.saved


def test_a_line_that_the_checkpoint_knows_and_the_file_lacks_is_written_again(
    store: RunStore, script: Script, listener: Listener
) -> None:
    jobs = queue_of(store, script, listener)
    run = add(jobs, epochs=3)
    store.append(run.id, epoch(1))
    script.saved[run.id] = [epoch(1), epoch(2)]
    jobs.start()
    listener.wait_for(run.id, "done")
    jobs.close()
    assert [line.epoch for line in store.epochs(run.id)] == [1, 2, 3]


def test_lines_that_the_checkpoint_does_not_know_come_anew(store: RunStore, script: Script, listener: Listener) -> None:
    jobs = queue_of(store, script, listener)
    run = add(jobs, epochs=3)
    for number in (1, 2):
        store.append(run.id, epoch(number, accuracy=0.9))
    script.saved[run.id] = [epoch(1, accuracy=0.9)]
    jobs.start()
    listener.wait_for(run.id, "done")
    jobs.close()
    assert [line.test_accuracy for line in store.epochs(run.id)] == [0.9, 0.002, 0.003]


def test_a_done_run_has_nothing_to_go_on_with(store: RunStore, script: Script, listener: Listener) -> None:
    jobs = queue_of(store, script, listener)
    run = add(jobs)
    jobs.start()
    listener.wait_for(run.id, "done")
    jobs.close()
    with pytest.raises(Problem, match="is done"):
        jobs.go_on(run.id)


def test_a_run_that_is_taken_up_while_it_is_being_added_trains_once(
    store: RunStore, script: Script, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app takes up what waited while keys that came early already queue runs, in another thread."""
    jobs = queue_of(store, script, listener, ("cpu:0", "cpu:1"))
    jobs.start()
    script.go.clear()
    add_to_store = store.add
    taking_up: list[threading.Thread] = []

    def added_slowly(run: Run) -> None:
        add_to_store(run)
        taking_up.append(threading.Thread(target=jobs.take_up))
        taking_up[0].start()
        taking_up[0].join(0.2)  # it has come as far as it can

    monkeypatch.setattr(store, "add", added_slowly)
    run = add(jobs)
    taking_up[0].join()
    listener.wait_for(run.id, "running")
    script.go.set()
    listener.wait_for(run.id, "done")
    jobs.close()
    assert script.opened == [run.id] and store.run(run.id).status == "done"


def test_a_run_that_is_being_loaded_is_paused_and_stopped_at_once(
    store: RunStore, script: Script, listener: Listener
) -> None:
    """On a busy cluster it may wait for hours before its worker even begins."""
    loading = threading.Event()
    opened: list[str] = []

    def open(run: Run, folder: Path, device: str) -> Training:
        opened.append(run.id)
        assert loading.wait(20)
        return script(run, folder, device)

    jobs = JobQueue(store, open, ["cpu"], listener)
    one, two = add(jobs, epochs=1), add(jobs, epochs=1)
    jobs.start()
    listener.wait_for(one.id, "running")
    jobs.pause(one.id)
    assert store.run(one.id).status == "paused"
    jobs.stop(two.id)
    jobs.go_on(one.id)
    assert store.run(one.id).status == "queued"
    loading.set()
    listener.wait_for(one.id, "done")
    jobs.close()
    assert opened == [one.id, one.id] and script.closed == [one.id, one.id]
    assert store.run(two.id).status == "stopped"


def test_devices_that_come_train_and_those_that_go_give_their_runs_back(
    store: RunStore, script: Script, listener: Listener
) -> None:
    def open(run: Run, folder: Path, device: str) -> Training:
        if device == "b:gpu0":
            raise WorkerLost("b has left the cluster", device_is_gone=True)
        return script(run, folder, device)

    jobs = JobQueue(store, open, ["b:gpu0"], listener)
    jobs.start()
    run = add(jobs)
    listener.wait_until(lambda: run.id in listener.runs and listener.runs[run.id].notice)
    assert store.run(run.id).status == "queued" and jobs.why_it_waits(run)
    jobs.set_devices(["a:gpu0"])
    done = listener.wait_for(run.id, "done")
    assert done.device_id == "a:gpu0" and done.notice == "b has left the cluster: it began again"
    jobs.set_devices([])
    assert jobs.why_it_waits(replace(run, status="queued"))
    jobs.set_devices(["a:gpu0"])  # it is back
    again = add(jobs)
    listener.wait_for(again.id, "done")
    jobs.close()


def test_a_run_whose_workers_are_lost_again_and_again_fails(
    store: RunStore, script: Script, listener: Listener
) -> None:
    """It may need more memory than the machines have. Losses count only as long as it gets no further."""

    class Killed(ScriptedTraining):
        def news(self) -> Iterator[Step | Epoch]:
            for news in super().news():
                if isinstance(news, Epoch) and news.epoch == len(lost) + 1 and len(lost) < 4:
                    yield news
                    break
                yield news
            else:
                return
            lost.append(self.run.id)
            raise WorkerLost("its worker on a was lost")

    lost: list[str] = []
    jobs = JobQueue(store, lambda run, folder, device: Killed(script, run, device), ["a"], listener)
    jobs.start()
    run = add(jobs, epochs=6)
    done = listener.wait_for(run.id, "done")
    assert len(lost) == 4 and done.epochs_done == 6

    def hopeless(run: Run, folder: Path, device: str) -> Training:
        raise WorkerLost("its worker on a was lost")

    jobs.close()
    worse = JobQueue(store, hopeless, ["a"], listener)
    bad = add(worse)
    worse.start()
    assert (
        listener.wait_for(bad.id, "failed").error == "its worker on a was lost; 3 workers were lost in the same epoch"
    )
    worse.close()
