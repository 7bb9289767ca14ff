"""What goes wrong with a run ends that run, not the queue; what can go on goes on."""

from __future__ import annotations

import errno
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace

from store import files
from store.records import Recipe, Run, Step
from store.runs import RunStore
from tests.store.faulty_disk import NO_ROOM, FaultyDisk, QuickDisk
from tests.trainer.listener import Listener
from tests.trainer.scripted import Script, ScriptedTraining
from trainer import failure, space
from trainer.failure import fitting_batch, in_words, out_of_memory
from trainer.queue import JobQueue, opener
from trainer.source import Source

FULL = OSError(errno.ENOSPC, "No space left on device")
SMALL = Recipe(epochs=3, train_limit=256, test_limit=50, batch_size=64, exact=True, threads=1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    monkeypatch.setattr(files, "disk", QuickDisk())
    with RunStore.open(tmp_path / "home") as store:
        yield store


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()
    yield script
    script.go.set()


def a_run(model: str, batch_size: int, learning_rate: float = 0.01) -> Run:
    recipe = replace(SMALL, batch_size=batch_size, learning_rate=learning_rate)
    return Run(id="x", model=model, dataset="synthetic", recipe=recipe, created=datetime.now(UTC))


class Room:
    """Whether there is room on the disk, as a test wants it, and how often somebody has looked."""

    def __init__(self) -> None:
        self.is_there = False
        self.looks = 0
        self.was_looked_at = threading.Event()

    def __call__(self, folder: Path, run: Run) -> bool:
        self.looks += 1
        self.was_looked_at.set()
        return self.is_there


def add(jobs: JobQueue, epochs: int = 2) -> Run:
    return jobs.add("lenet", Recipe(epochs=epochs), dataset="synthetic")


# A full disk


def test_a_run_that_a_full_disk_stopped_goes_on_by_itself_when_there_is_room(
    store: RunStore, listener: Listener
) -> None:
    script, room = Script(fails=FULL), Room()
    jobs = JobQueue(store, script, ["cpu"], listener, has_room=room, between_looks=0.01)
    run = add(jobs, epochs=3)
    jobs.start()
    paused = listener.wait_for(run.id, "paused")
    assert paused.error == "the disk is full; the last checkpoint is kept; it goes on by itself when there is room"
    assert paused.waits_for_room and store.run(run.id) == paused
    assert room.was_looked_at.wait(20) and store.run(run.id).status == "paused"
    script.fails, room.is_there = None, True
    done = listener.wait_for(run.id, "done")
    assert (done.epochs_done, done.error) == (3, None)
    jobs.close()


def test_while_one_run_waits_for_room_others_train(store: RunStore, listener: Listener) -> None:
    script = Script(fails=FULL)
    jobs = JobQueue(store, script, ["cpu"], listener, has_room=Room(), between_looks=0.01)
    run = add(jobs)
    jobs.start()
    listener.wait_for(run.id, "paused")
    script.fails = None
    other = add(jobs)
    listener.wait_for(other.id, "done")
    assert store.run(run.id).status == "paused"
    jobs.close()


@pytest.mark.parametrize(("act", "status"), [(JobQueue.pause, "paused"), (JobQueue.stop, "stopped")])
def test_a_run_that_waits_for_room_obeys_its_user(
    act: Callable[[JobQueue, str], None], status: str, store: RunStore, listener: Listener
) -> None:
    script, room = Script(fails=FULL), Room()
    jobs = JobQueue(store, script, ["cpu"], listener, has_room=room, between_looks=0.01)
    run = add(jobs)
    jobs.start()
    listener.wait_for(run.id, "paused")
    act(jobs, run.id)
    script.fails, room.is_there = None, True
    other = add(jobs)
    listener.wait_for(other.id, "done")
    assert store.run(run.id).status == status and not store.run(run.id).waits_for_room
    assert script.opened == [run.id, other.id]
    jobs.close()


def test_a_run_that_waits_for_room_is_taken_up_by_the_next_program(store: RunStore, listener: Listener) -> None:
    script = Script(fails=FULL)
    jobs = JobQueue(store, script, ["cpu"], listener, has_room=Room())
    run = add(jobs)
    jobs.start()
    listener.wait_for(run.id, "paused")
    jobs.close()
    script.fails = None
    later = JobQueue(store, script, ["cpu"], listener)
    assert [one.id for one in later.take_up()] == [run.id]
    later.start()
    listener.wait_for(run.id, "done")
    later.close()


def test_a_disk_that_refuses_every_write_of_the_store_does_not_end_the_queue(
    store: RunStore, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, room = Script(), Room()
    script.go.clear()
    jobs = JobQueue(store, script, ["cpu"], listener, has_room=room, between_looks=0.01)
    run, other = add(jobs), add(jobs)
    jobs.start()
    listener.wait_until(lambda: run.id in listener.runs and listener.runs[run.id].plan)  # written: the disk is at rest
    monkeypatch.setattr(files, "disk", FaultyDisk(store.home, at=1, fault=NO_ROOM, lasting=True))
    script.go.set()
    listener.wait_for(run.id, "paused")
    listener.wait_for(other.id, "paused")
    assert store.run(run.id).status == "running" and store.run(other.id).status == "queued", "nothing was written"
    monkeypatch.setattr(files, "disk", QuickDisk())
    room.is_there = True
    for id in (run.id, other.id):
        listener.wait_for(id, "done")
        assert store.run(id).status == "done"
    jobs.close()


def test_a_run_does_not_begin_where_its_checkpoints_would_not_fit(
    store: RunStore, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "free", lambda folder: 10**6)
    jobs = JobQueue(store, opener(lambda _: Source("synthetic")), ["cpu"], listener)
    run = jobs.add("lenet", SMALL, dataset="synthetic")
    jobs.start()
    paused = listener.wait_for(run.id, "paused")
    jobs.close()
    assert paused.error and "6 MB are needed and 1 MB are free" in paused.error and paused.waits_for_room
    assert str(store.folder(run.id)) in paused.error


# Memory


def test_torch_has_the_error_that_is_known_by_its_name() -> None:
    assert torch.OutOfMemoryError.__name__ == failure.ON_A_GPU
    assert failure.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))


def test_a_gpu_that_is_too_small_fails_the_run_and_says_what_would_fit(
    store: RunStore, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failure, "_memory", lambda error: (6 * 10**9, 8 * 10**9, "NVIDIA RTX"))
    script = Script(fails=torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has …"))
    jobs = JobQueue(store, script, ["cuda:0"], listener)
    run = jobs.add("resnet18", Recipe(batch_size=4096), dataset="synthetic")
    jobs.start()
    failed = listener.wait_for(run.id, "failed")
    script.fails = None
    other = add(jobs)
    listener.wait_for(other.id, "done")
    jobs.close()
    assert failed.error == (
        "out of memory on NVIDIA RTX of 8.0 GB, 2.0 GB of it taken by others, with batches of 4096 images; "
        "about 512 should fit: train resnet18 --set batch_size=512"
    )


@pytest.mark.parametrize(
    ("model", "batch_size", "usable", "fits"),
    [
        ("lenet", 50_000, 80 * 10**9, 32_768),  # never as many as did not fit
        ("lenet", 2, 80 * 10**9, 1),
        ("resnet18", 128, 10**9, 0),
        ("resnet18", 128, None, None),
        ("gone", 128, 10**9, None),  # a model that the catalogue does not know now
    ],
)
def test_the_batch_that_fits_is_a_power_of_two_below_the_one_that_did_not(
    model: str, batch_size: int, usable: int | None, fits: int | None
) -> None:
    run = a_run(model, batch_size)
    assert fitting_batch(run, usable) == fits
    words = out_of_memory(run, usable, None, "the GPU")
    assert (f"--set batch_size={fits}" in words) == bool(fits) and "\n" not in words


def test_the_computer_s_own_memory_can_be_too_small_too() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**62, dtype=torch.uint8)
    words = in_words(raised.value, a_run("resnet18", 50_000))
    assert words.startswith("out of memory on the CPU of ") and "with batches of 50000 images" in words
    assert in_words(MemoryError(), a_run("resnet18", 50_000)).startswith("out of memory on the CPU")


class Tangle:
    """Something large that holds on to itself, as networks with hooks do."""

    def __init__(self) -> None:
        self.itself = self


def test_what_a_run_held_is_free_before_the_next_begins(store: RunStore, listener: Listener) -> None:
    held: list[weakref.ref[Tangle]] = []
    alive: list[int] = []
    script = Script()

    def open(run: Run, folder: Path, device: str) -> ScriptedTraining:
        alive.append(sum(one() is not None for one in held))
        tangle = Tangle()
        held.append(weakref.ref(tangle))
        training = script(run, folder, device)
        training.network = tangle  # type: ignore[attr-defined]
        if len(held) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return training

    jobs = JobQueue(store, open, ["cpu"], listener)
    runs = [add(jobs) for _ in range(3)]
    jobs.start()
    listener.wait_for(runs[-1].id, "done")
    jobs.close()
    assert alive == [0, 0, 0]


# A GPU that is lost


def test_a_gpu_that_stopped_working_is_set_aside_and_its_run_waits_with_the_others(
    store: RunStore, listener: Listener
) -> None:
    """This machine's torch cannot reach a GPU, so it answers as little as one whose every call fails."""
    error = RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be …")
    script = Script(fails=error)
    jobs = JobQueue(store, script, ["cuda:63"], listener)
    run, waiting = add(jobs), add(jobs)
    jobs.start()
    listener.wait_until(lambda: listener.runs[run.id].lost_devices)
    queued = listener.runs[run.id]
    assert (queued.status, queued.epochs_done, queued.lost_devices) == ("queued", 1, ("cuda:63",))
    why = "RuntimeError: CUDA error: device-side assert triggered"
    assert queued.notice == f"cuda:63 stopped working while it trained: {why}"
    assert jobs.lost_devices == {"cuda:63": why}
    assert jobs.why_it_waits(waiting) == f"no device is left: cuda:63 is set aside ({why})"
    for thread in threading.enumerate():
        if thread.name == "trains on cuda:63":
            thread.join(20)
    assert not jobs.is_working()
    jobs.close()
    assert {store.run(one.id).status for one in (run, waiting)} == {"queued"} and script.opened == [run.id]
    assert run.id in script.saved and run.id not in script.discarded


# Anything else


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SystemExit(3), "its code ended with SystemExit: 3"),
        (RecursionError("maximum recursion depth exceeded"), "RecursionError: maximum recursion depth exceeded"),
        (KeyError("stem"), "KeyError: 'stem'"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_whatever_the_code_of_a_model_raises_fails_its_run_alone(
    error: BaseException, words: str, store: RunStore, listener: Listener
) -> None:
    script = Script()

    def open(run: Run, folder: Path, device: str) -> ScriptedTraining:
        if not script.opened:
            script.opened.append(run.id)
            raise error
        return script(run, folder, device)

    jobs = JobQueue(store, open, ["cpu"], listener)
    one, two = add(jobs), add(jobs)
    jobs.start()
    assert listener.wait_for(one.id, "failed").error == words
    listener.wait_for(two.id, "done")
    jobs.close()


def test_a_listener_that_went_away_does_not_end_a_training(store: RunStore, script: Script) -> None:
    listener = Listener()

    def deaf(run: Run, step: Step | None) -> None:
        listener(run, step)
        raise RuntimeError("Event loop is closed")

    jobs = JobQueue(store, script, ["cpu"], deaf)
    run = add(jobs)
    jobs.start()
    assert listener.wait_for(run.id, "done").epochs_done == 2
    jobs.close()


def test_the_log_of_a_run_says_when_it_began_and_why_it_ended(store: RunStore, listener: Listener) -> None:
    script = Script(fails=ValueError("one\ntwo"))
    jobs = JobQueue(store, script, ["cpu"], listener)
    run = add(jobs)
    jobs.start()
    listener.wait_for(run.id, "failed")
    script.fails = None
    jobs.go_on(run.id)
    listener.wait_for(run.id, "done")
    jobs.close()
    log = store.folder(run.id) / "log.txt"
    dated = [line.split(" UTC  ")[1] for line in log.read_text().splitlines() if " UTC  " in line]
    assert dated == ["begins on cpu", "failed: ValueError: one", "begins on cpu", "done after 2 epochs"]
    assert "Traceback" in log.read_text() and "\ntwo\n" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


# Real trainings


def train(store: RunStore, listener: Listener, run: Run, source: Source | None = None) -> Run:
    """Let a run go on to its end, whatever that is."""
    jobs = JobQueue(store, opener(lambda _: source or Source("synthetic")), ["cpu"], listener)
    if run.id in {known.id for known in store.runs()}:
        jobs.go_on(run.id)
    else:
        run = jobs.add(run.model, run.recipe, dataset=run.dataset)
    jobs.start()
    listener.wait_until(lambda: run.id in listener.runs and listener.runs[run.id].is_over)
    jobs.close()
    return store.run(run.id)


def test_a_loss_that_is_not_finite_is_told_with_epoch_and_step(store: RunStore, listener: Listener) -> None:
    failed = train(store, listener, a_run("lenet", 16, learning_rate=100.0))
    assert failed.status == "failed" and failed.error
    words = failed.error.split()
    assert words[:2] == ["loss", "became"] and words[3:6] == ["at", "epoch", "1,"] and words[6] == "step"
    assert "Traceback" in (store.folder(failed.id) / "log.txt").read_text()


def test_images_that_are_gone_fail_the_run_with_the_name_of_their_folder(
    store: RunStore, listener: Listener, tmp_path: Path
) -> None:
    failed = train(store, listener, a_run("lenet", 16), Source("cifar10", tmp_path / "pulled out"))
    assert failed.status == "failed" and failed.error
    assert failed.error.startswith(f"CIFAR-10 is not in {tmp_path / 'pulled out'}") and "\n" not in failed.error
