"""Real processes on a real disk: killed at random moments, and two at once."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from store.runs import RunStore

ROOT = Path(__file__).parents[2]
KILLS = 15


def hammer(*words: str | Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.store.hammer", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, bufsize=0)


def test_nothing_acknowledged_is_lost_when_the_owner_is_killed_at_random_moments(home: Path) -> None:
    chance = random.Random(15)
    said: list[list[str]] = []
    for kill in range(KILLS):
        with hammer("work", home) as process:
            assert process.stdout
            for _ in range(chance.randrange(1, 40)):  # the kill finds it somewhere in what comes after
                said.append(process.stdout.readline().decode().split())
            process.kill()
            said += [line.split() for line in process.stdout.read().decode().splitlines()]
        with RunStore.open(home, write=False) as reader:
            assert reader.notices == []
        with RunStore.open(home) as store:
            assert store.notices == [], f"after kill {kill}"
            runs = {run.id: run for run in store.runs()}
            assert all(run.status in {"done", "interrupted"} for run in runs.values())
            for what, id, *number in said:
                assert id in runs, f"{what} {id} after kill {kill}"
                assert what != "epoch" or len(store.epochs(id)) >= int(number[0])
                assert what != "done" or (runs[id].status, runs[id].epochs_done) == ("done", 2)
    assert len(said) >= KILLS


def test_of_two_processes_one_owns_the_store_and_a_reader_sees_only_whole_runs(home: Path) -> None:
    times, owner = 15, RunStore.open(home)
    with hammer("share", home, str(times)) as one, hammer("share", home, str(times)) as other:
        assert one.stdout and other.stdout
        assert [said.readline() for said in (one.stdout, other.stdout)] == [b"refused\n"] * 2
        owner.close()
        seen = 0
        while one.poll() is None or other.poll() is None:
            with RunStore.open(home, write=False) as reader:
                for _ in range(10):
                    runs = reader.runs()
                    assert reader.notices == []
                    assert seen <= len(runs), "a run that was seen is not lost again"
                    assert all(run.epochs_done == 2 for run in runs if run.status == "done")
                    seen = len(runs)
                    reader.refresh()
    assert (one.returncode, other.returncode) == (0, 0)
    with RunStore.open(home) as store:
        assert [(run.status, run.epochs_done) for run in store.runs()] == [("done", 2)] * 2 * times
