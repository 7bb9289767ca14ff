"""The store on a disk that loses power or refuses, at every single change of it in turn.

Each scenario is first played on a good disk, which gives its states: before, after opening, after each step. Then it
is played again for every n with a disk that fails at its n-th change, and what is found afterwards must be the state of
the last acknowledged step or of the one that was on its way. Nothing may be half done, and nothing may need mending.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from store import files, inbox, schema
from store.errors import StoreError
from store.records import Run
from store.runs import RunStore
from tests.store.faulty_disk import BROKEN, NO_ROOM, SURVIVALS, FaultyDisk, PowerCutError, QuickDisk
from tests.store.samples import a_run, an_epoch

Step = Callable[[RunStore], object]
State = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """What lies in the home, and what is then done with it."""

    name: str
    prepare: Callable[[Path], None]
    steps: tuple[Step, ...] = ()
    is_damaged: bool = False  # so that the store has something to say when it is opened

    def __str__(self) -> str:
        return self.name


def nothing(home: Path) -> None:
    """A home that was never used."""


def two_runs(home: Path) -> None:
    """One run that is done and one that a dead owner left running in its third epoch."""
    with RunStore.open(home) as store:
        store.add(a_run("done", minute=1))
        store.append("done", an_epoch(1))
        store.save(a_run("done", minute=1, status="done"))
        store.add(a_run("live", minute=2))
        store.append("live", an_epoch(1))
        store.append("live", an_epoch(2))
        store.save(a_run("live", minute=2, status="running"))


def a_torn_line(home: Path) -> None:
    two_runs(home)
    with (home / "runs/live/epochs.jsonl").open("a") as file:
        file.write('{"epoch":3,"train_lo')


def damaged_results(home: Path) -> None:
    two_runs(home)
    (home / "results.json").write_text('{"runs": {"1": {"id"')


def no_results_nor_backup(home: Path) -> None:
    two_runs(home)
    (home / "results.json").write_text("")
    (home / "results.json.bak").unlink()


def older_schema(home: Path) -> None:
    """A store as the made-up schema before ours wrote it: models were called networks."""
    two_runs(home)
    for path in [home / "results.json", *home.glob("runs/*/run.json")]:
        path.write_text(path.read_text().replace('"model":', '"network":').replace('"schema":2', '"schema":1'))


def a_letter(store: RunStore) -> None:
    inbox.put(store.home, a_run("sent", minute=5))


SCENARIOS = [
    Scenario("the very first run", nothing, (lambda s: s.add(a_run("new1")), lambda s: s.append("new1", an_epoch(1)))),
    Scenario("add", two_runs, (lambda s: s.add(a_run("new1")), lambda s: s.add(a_run("new2", minute=3)))),
    Scenario("save", two_runs, (lambda s: s.save(replace(s.run("live"), status="paused", device="cpu")),)),
    Scenario("over", two_runs, (lambda s: s.save(a_run("live", minute=2, status="done")),)),
    Scenario("append", two_runs, (lambda s: s.append("live", an_epoch(3)), lambda s: s.append("live", an_epoch(4)))),
    Scenario("append after a torn line", a_torn_line, (lambda s: s.append("live", an_epoch(3)),)),
    Scenario("rewind", two_runs, (lambda s: s.rewind("live", 1), lambda s: s.append("live", an_epoch(2, seconds=9)))),
    Scenario("rewind and no more", two_runs, (lambda s: s.rewind("live", 1),)),
    Scenario("remove", two_runs, (lambda s: s.remove("done"),)),
    Scenario("hand over", two_runs, (a_letter, lambda s: s.receive())),
    Scenario("migrate", older_schema, (lambda s: s.add(a_run("new1")),)),
    Scenario("restore", damaged_results, (lambda s: s.add(a_run("new1")),), is_damaged=True),
    Scenario("restore from folders", no_results_nor_backup, (lambda s: s.add(a_run("new1")),), is_damaged=True),
]


@pytest.fixture(autouse=True)
def made_up_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second schema version, so that there is something to migrate."""

    def rename(tables: dict[str, Any]) -> None:
        for document in tables["runs"].values():
            document["model"] = document.pop("network")

    monkeypatch.setattr(schema, "SCHEMA", 2)
    monkeypatch.setitem(schema.MIGRATIONS, 1, rename)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_whatever_was_acknowledged_outlives_a_kill_and_a_power_cut_at_every_change(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = played_well(scenario, tmp_path, monkeypatch)
    for at, home in homes(scenario, tmp_path, monkeypatch):
        disk = FaultyDisk(home, at=at)
        monkeypatch.setattr(files, "disk", disk)
        acknowledged = 0
        try:
            store = RunStore.open(home)
            acknowledged = 1
            for step in scenario.steps:
                step(store)
                acknowledged += 1
            store.close()
        except PowerCutError:
            pass
        monkeypatch.setattr(files, "disk", QuickDisk())
        for survival in SURVIVALS:
            left = disk.survivor(survival, tmp_path / f"left-{at}-{survival}")
            (left / "owner.json").unlink(missing_ok=True)  # it names this process, which is meant to be dead
            where = f"{scenario}: {survival} at change {at}, {acknowledged} steps acknowledged"
            assert state(left, scenario.is_damaged) in states[acknowledged : acknowledged + 2], where
            opens_and_works(left)
        if not disk.was_hit:
            break


@pytest.mark.parametrize(("fault", "lasting"), [(NO_ROOM, True), (BROKEN, False)], ids=["full", "an error once"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_disk_that_refuses_is_told_in_one_line_and_can_be_tried_again(
    scenario: Scenario, fault: int, lasting: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = played_well(scenario, tmp_path, monkeypatch)
    for at, home in homes(scenario, tmp_path, monkeypatch):
        disk = FaultyDisk(home, at=at, fault=fault, lasting=lasting)
        monkeypatch.setattr(files, "disk", disk)
        try:
            store = RunStore.open(home)
        except StoreError as error:
            assert len(str(error).splitlines()) == 1
            assert state(home, scenario.is_damaged) in states[:2], f"{scenario}: opening, refused at change {at}"
            disk.at = 0
            store = RunStore.open(home)
        possible = [states[1]]
        for number, step in enumerate(scenario.steps, 1):
            before, after = states[number : number + 2]
            try:
                step(store)
                possible = [after]
            except StoreError as error:
                assert len(str(error).splitlines()) == 1
                found = state(home)
                assert found in (before, after), f"{scenario}: step {number} refused at change {at}"
                assert known(store) == found["runs"], "what the store knows is what the disk holds"
                disk.at = 0
                possible = [after] if tried_again(step, store) else [before, after]
        store.close()
        monkeypatch.setattr(files, "disk", QuickDisk())
        left = disk.survivor("the power was cut", tmp_path / f"left-{at}")
        assert state(left) in possible, f"{scenario}: refused at change {at}, then the power was cut"
        if not disk.was_hit and disk.at:
            break


def tried_again(step: Step, store: RunStore) -> bool:
    """Whether the step is acknowledged now; a run may be said to be there, or gone, already."""
    try:
        step(store)
    except (StoreError, LookupError):
        return False
    except Exception as error:
        assert "no run" in str(error)
        return False
    return True


def played_well(scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[State]:
    """The states before opening, after it, and after each step, on a disk that works."""
    monkeypatch.setattr(files, "disk", QuickDisk())
    home = tmp_path / "well" / "home"
    home.parent.mkdir()
    scenario.prepare(home)
    states = [state(home, scenario.is_damaged)]
    with RunStore.open(home) as store:
        states.append(state(home))
        for step in scenario.steps:
            step(store)
            states.append(state(home))
    return states


def homes(scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Path]]:
    """The same prepared home again and again, with the numbers from 1."""
    prepared = tmp_path / "prepared" / "home"
    prepared.parent.mkdir()
    scenario.prepare(prepared)
    for at in count(1):
        home = tmp_path / f"at-{at}" / "home"
        home.parent.mkdir()
        if prepared.exists():
            shutil.copytree(prepared, home)
        monkeypatch.setattr(files, "disk", QuickDisk())
        yield at, home


def state(home: Path, may_be_damaged: bool = False) -> State:
    """What a reader finds: the runs with their epochs, and what waits in the inbox."""
    with RunStore.open(home, write=False) as store:
        assert may_be_damaged or not store.notices
        runs = known(store)
    waiting = {path.stem for path in inbox.waiting(home)} - set(runs)
    for path in inbox.waiting(home):
        assert json.loads(path.read_bytes())
    return {"runs": runs, "waiting": waiting}


def known(store: RunStore) -> dict[str, tuple[Run, object]]:
    return {run.id: (run, store.epochs(run.id)) for run in store.runs()}


def opens_and_works(home: Path) -> None:
    """The next owner can open the home and go on with every run."""
    with RunStore.open(home) as store:
        for run in store.runs():
            assert run.status != "running"
            if not run.is_over:
                store.append(run.id, an_epoch(run.epochs_done + 1))
        store.add(a_run("next", minute=59))
        assert store.runs()[-1].id == "next"
