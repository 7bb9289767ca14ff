"""Trainings on a cluster. Most of it without Ray; at the end with one of this machine, whose workers are killed."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from store.errors import Problem, UsageProblem
from store.records import Epoch, Recipe, Run, Step
from store.runs import RunStore
from tests.trainer.listener import Listener
from trainer import cluster
from trainer.cluster import Cluster, Node, connect, first_line, remove_abandoned, require_cluster, slots_of
from trainer.queue import JobQueue, opener
from trainer.source import Source

GIB = 2.0**30
TINY = Recipe(epochs=8, train_limit=1024, test_limit=64, exact=True)


def node(cpus: int, gpus: int = 0, memory: float = 64 * GIB) -> Node:
    return Node("f00d", "box", cpus, gpus, memory)


def test_a_cluster_with_gpus_trains_one_run_on_each_and_nothing_on_machines_without() -> None:
    assert [slot.name for slot in slots_of(node(16, gpus=2), has_gpus=True)] == ["box:gpu0", "box:gpu1"]
    assert slots_of(node(16), has_gpus=True) == []
    assert [slot.cpus for slot in slots_of(node(1, gpus=2), has_gpus=True)] == [0, 0]  # fewer cores than GPUs


def test_without_gpus_there_is_a_slot_for_each_core_as_far_as_there_is_memory() -> None:
    assert [slot.name for slot in slots_of(node(2), has_gpus=False)] == ["box:cpu0", "box:cpu1"]
    assert [slot.cpus for slot in slots_of(node(16, memory=9e9), has_gpus=False)] == [4, 4, 4, 4]
    assert [slot.cpus for slot in slots_of(node(4, memory=1e9), has_gpus=False)] == [4]
    assert slots_of(node(0), has_gpus=False) == []


@pytest.mark.parametrize("named", ["local", "auto", "10.0.0.5:6379", "head.example.org:6379", "[fe80::1]:6379"])
def test_what_may_stand_behind_cluster(named: str) -> None:
    require_cluster(named, None)


@pytest.mark.parametrize("named", ["", "locl", "10.0.0.5", "host:", "host:0", "host:99999", "a b:1", "http://host:1/x"])
def test_what_may_not(named: str) -> None:
    with pytest.raises(UsageProblem, match="it must be local, auto or HOST:PORT"):
        require_cluster(named, None)


def test_a_cluster_and_a_device_exclude_each_other() -> None:
    with pytest.raises(UsageProblem, match="exclude each other"):
        require_cluster("local", "cpu")


def test_rays_client_addresses_are_answered_with_what_works() -> None:
    with pytest.raises(UsageProblem, match="on a machine of the cluster"):
        require_cluster("ray://host:10001", None)


def test_without_ray_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Problem, match=r"pip install 'cifar-tui\[cluster\]'"):
        connect("local")


def test_an_address_at_which_nobody_listens_is_said_so_at_once() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Problem, match=rf"no Ray cluster answers at \S+:{port}: .*refused"):
        connect(f"127.0.0.1:{port}")


def test_what_a_killed_program_left_of_its_ray_is_removed_and_nothing_else(tmp_path: Path) -> None:
    dead = next(number for number in range(2**22, 2, -1) if not psutil.pid_exists(number))
    for name in (f"cifar-tui-ray-{dead}-ab", f"cifar-tui-ray-{os.getpid()}-cd", "cifar-tui-ray-x", "other"):
        (tmp_path / name).mkdir()
    remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"cifar-tui-ray-{os.getpid()}-cd",
        "cifar-tui-ray-x",
        "other",
    ]


# With Ray.


@pytest.fixture(scope="module")
def local() -> Iterator[Cluster]:
    """A Ray of this machine with two slots, whatever the machine has."""
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    patch.setattr(cluster, "MEMORY_PER_SLOT", 1.0)
    with patch.context() as more:
        joined = connect("local")
        yield joined
        joined.close()
        more.undo()
    patch.undo()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore.open(tmp_path / "home") as store:
        yield store


def synthetic(run: Run) -> Source:
    return Source("synthetic")


def untimed(epochs: list[Epoch]) -> list[Epoch]:
    return [replace(epoch, seconds=0.0, images_per_second=0.0) for epoch in epochs]


def workers() -> list[int]:
    """The processes in which Ray trains."""
    return [one.pid for one in psutil.Process().children(recursive=True) if "ray::Worker" in "".join(one.cmdline()[:1])]


class Patient(Listener):
    """Waits longer: processes start, and each imports torch."""

    def wait_until(self, true: object) -> None:
        with self._changed:
            assert self._changed.wait_for(true, timeout=120), "waited in vain"  # type: ignore[arg-type]


def test_with_a_worker_killed_all_runs_finish_as_they_do_here_to_the_bit(
    local: Cluster, store: RunStore, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two at a time, one of them killed once it has learned something. Their checkpoints are sent."""
    monkeypatch.setattr(cluster, "BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(local, "_is_shared", lambda slot, folder: False)
    listener = Patient()
    jobs = JobQueue(store, local.opener(synthetic), local.slots(), listener)
    runs = [jobs.add("lenet", TINY, seed=seed, dataset="synthetic") for seed in range(2)]
    jobs.start()
    for run in runs:
        listener.wait_until(lambda id=run.id: id in listener.runs and listener.runs[id].epochs_done >= 2)
    victim = min(workers())
    os.kill(victim, signal.SIGKILL)
    listener.wait_until(lambda: any("was lost" in (run.notice or "") for run in listener.runs.values()))
    (hurt,) = [run for run in listener.runs.values() if "was lost" in (run.notice or "")]
    other = next(run.id for run in runs if run.id != hurt.id)
    for run in runs:
        listener.wait_for(run.id, "done")
    jobs.close()
    assert "it went on after epoch" in (store.run(hurt.id).notice or "") and not store.run(other).notice
    assert "was lost" in (store.folder(hurt.id) / "log.txt").read_text()
    assert "".join(capfd.readouterr()) == ""  # Ray says nothing into the screen

    here = Patient()
    alone = JobQueue(store, opener(synthetic), ["cpu"], here)
    again = alone.again(hurt.id)
    alone.start()
    here.wait_for(again.id, "done")
    alone.close()
    assert untimed(store.epochs(hurt.id)) == untimed(store.epochs(again.id))
    for name in ("last.safetensors", "best.safetensors"):
        assert (store.folder(hurt.id) / name).read_bytes() == (store.folder(again.id) / name).read_bytes()
    assert not list(store.folder(hurt.id).glob("checkpoint*"))


def test_a_pause_on_the_cluster_saves_in_the_middle_of_an_epoch_and_frees_the_slot(
    local: Cluster, store: RunStore
) -> None:
    listener = Patient()
    jobs = JobQueue(store, local.opener(synthetic), local.slots()[:1], listener)
    run = jobs.add("lenet", replace(TINY, train_limit=20_000), dataset="synthetic")
    jobs.start()
    listener.wait_until(lambda: any(step and step.epoch == 1 and step.step >= 5 for _, step in listener.heard))
    jobs.pause(run.id)
    listener.wait_for(run.id, "paused")
    assert (store.folder(run.id) / "checkpoint.pt").exists() and store.epochs(run.id) == []
    short = jobs.add("lenet", replace(TINY, epochs=1), dataset="synthetic")
    listener.wait_for(short.id, "done")
    heard = len(listener.heard)
    jobs.go_on(run.id)
    listener.wait_until(lambda: any(is_training(one) for one in listener.heard[heard:] if one[0].id == run.id))
    first = next(one[1] for one in listener.heard[heard:] if one[0].id == run.id and is_training(one))
    jobs.stop(run.id)
    listener.wait_for(run.id, "stopped")
    jobs.close()
    assert first is not None and first.step > 5  # it went on where it was
    assert (store.folder(run.id) / "last.safetensors").exists()


def is_training(change: tuple[Run, Step | None]) -> bool:
    return change[1] is not None and change[1].phase == "train"


def test_data_that_is_missing_is_said_as_it_is_here(local: Cluster, store: RunStore, tmp_path: Path) -> None:
    listener = Patient()
    jobs = JobQueue(store, local.opener(lambda run: Source("cifar10", tmp_path)), local.slots()[:1], listener)
    run = jobs.add("lenet", TINY, dataset="cifar10")
    jobs.start()
    failed = listener.wait_for(run.id, "failed")
    jobs.close()
    assert failed.error is not None and failed.error.startswith(f"CIFAR-10 is not in {tmp_path}")


def test_the_machine_of_the_runs_sees_their_folders_and_is_asked_once(local: Cluster, tmp_path: Path) -> None:
    slot = local._slots[local.slots()[0]]
    assert local._is_shared(slot, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert local._is_shared(slot, tmp_path / "is not looked at again")


def test_first_line_of_an_error_without_words_is_its_kind() -> None:
    assert first_line(ValueError()) == "ValueError" and first_line(ValueError("a\nb")) == "a"
