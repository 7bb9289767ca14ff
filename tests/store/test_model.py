"""The store against a plain dict, in histories that Hypothesis makes up: with restarts, power cuts and damage."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from store import files
from store.errors import StoreError, UnknownRun
from store.records import Epoch, Run, Status, summarise
from store.runs import RunStore
from tests.store.faulty_disk import NO_ROOM, SURVIVALS, FaultyDisk, PowerCutError, QuickDisk
from tests.store.samples import a_run, an_epoch

Model = dict[str, tuple[Run, list[Epoch]]]

pick = st.integers(0, 99)
WHAT = ["add", "append", "save", "rewind", "remove"]
soon = st.integers(1, 14)  # in how many changes of the disk something happens


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.generation = 0
        self.minute = 0
        self.model: Model = {}
        self.unsettled: set[str] = set()  # runs with a change that was begun and never acknowledged
        self.open_at(self.place / "0" / "home")

    @initialize()
    def a_first_run(self) -> None:
        self.change(*self.adding())

    @rule()
    def add(self) -> None:
        self.change(*self.adding())

    @precondition(lambda self: self.model)
    @rule(pick=pick, accuracy=st.floats(0, 1))
    def append(self, pick: int, accuracy: float) -> None:
        self.change(*self.appending(pick, accuracy))

    @precondition(lambda self: self.model)
    @rule(pick=pick, status=st.sampled_from(get_args(Status)))
    def save(self, pick: int, status: Status) -> None:
        self.change(*self.saving(pick, status))

    @precondition(lambda self: self.model)
    @rule(pick=pick, keep=st.integers(0, 4))
    def rewind(self, pick: int, keep: int) -> None:
        self.change(*self.rewinding(pick, keep))

    @precondition(lambda self: len(self.model) > 1)
    @rule(pick=pick)
    def remove(self, pick: int) -> None:
        self.change(*self.removing(pick))

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.open_at(self.disk.home)

    @rule(survival=st.sampled_from(sorted(SURVIVALS)))
    def crash_while_idle(self, survival: str) -> None:
        self.crash(survival)

    @precondition(lambda self: self.model)
    @rule(what=st.sampled_from(WHAT), pick=pick, soon=soon, data=st.data())
    def crash_in_the_middle(self, what: str, pick: int, soon: int, data: st.DataObject) -> None:
        action, after = self.some_change(what, pick)
        before = self.model
        self.disk.at = self.disk.changes + soon
        try:
            action()
        except PowerCutError:
            self.crash(data.draw(st.sampled_from(sorted(SURVIVALS))))
            self.model = interrupted(after if self.known() == interrupted(after) else before)
            self.unsettled |= {id for id in before | after if before.get(id) != after.get(id)}
        else:
            self.disk.at = 0
            self.settle(after)

    @precondition(lambda self: self.model)
    @rule(what=st.sampled_from(WHAT), pick=pick, soon=soon)
    def no_room(self, what: str, pick: int, soon: int) -> None:
        action, after = self.some_change(what, pick)
        self.disk.at, self.disk.fault, self.disk.lasting = self.disk.changes + soon, NO_ROOM, True
        try:
            action()
        except StoreError:
            self.disk.at = 0  # there is room again
            with suppress(UnknownRun):  # it is removed already
                action()
        self.settle(after)
        self.disk.at, self.disk.fault, self.disk.lasting = 0, "kill", False

    @rule(damage=st.binary(max_size=20).filter(lambda data: not data.strip().isdigit()))
    def damage_while_closed(self, damage: bytes) -> None:
        """The file is spoilt; the last change before is known to the runs' folders, and a removal to the backup."""
        self.store.close()
        (self.disk.home / "results.json").write_bytes(b"{" + damage)
        self.open_at(self.disk.home)
        assert self.store.notices
        for id in self.unsettled & set(self.known()):  # a folder is written before its row
            run, epochs = self.known()[id]
            assert id not in self.model or epochs == self.model[id][1]
            self.model[id] = run, epochs
        self.unsettled = set()

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        assert self.known() == self.model
        with RunStore.open(self.disk.home, write=False) as reader:
            assert {run.id: (run, reader.epochs(run.id)) for run in reader.runs()} == self.model

    def teardown(self) -> None:
        files.disk = QuickDisk()
        self.store.close()
        shutil.rmtree(self.place)

    # What changes the store, and what it should then hold.

    def some_change(self, what: str, pick: int) -> tuple[Callable[[], Any], Model]:
        """A change that is made in one step; an epoch of a run that is over takes two, its line and then the row."""
        if self.picked(pick)[0].is_over and what in {"append", "rewind"}:
            what = "save"
        match what:
            case "append":
                return self.appending(pick, 0.5)
            case "save":
                return self.saving(pick, "paused")
            case "rewind":
                return self.rewinding(pick, 1)
            case "remove":
                return self.removing(pick)
        return self.adding()

    def adding(self) -> tuple[Callable[[], Any], Model]:
        self.minute += 1
        run = a_run(self.store.new_id(), minute=self.minute)
        return lambda: self.store.add(run), self.model | {run.id: (run, [])}

    def appending(self, pick: int, accuracy: float) -> tuple[Callable[[], Any], Model]:
        run, epochs = self.picked(pick)
        epoch = an_epoch(len(epochs) + 1, test_accuracy=accuracy)
        after = [*epochs, epoch]
        return lambda: self.store.append(run.id, epoch), self.model | {run.id: (summarise(run, after), after)}

    def saving(self, pick: int, status: Status) -> tuple[Callable[[], Any], Model]:
        run, epochs = self.picked(pick)
        newer = replace(run, status=status, device="cpu")
        return lambda: self.store.save(newer), self.model | {run.id: (newer, epochs)}

    def rewinding(self, pick: int, keep: int) -> tuple[Callable[[], Any], Model]:
        run, epochs = self.picked(pick)
        after = epochs[:keep]
        return lambda: self.store.rewind(run.id, keep), self.model | {run.id: (summarise(run, after), after)}

    def removing(self, pick: int) -> tuple[Callable[[], Any], Model]:
        id = self.picked(pick)[0].id
        return lambda: self.store.remove(id), {known: row for known, row in self.model.items() if known != id}

    # How they are played.

    def picked(self, pick: int) -> tuple[Run, list[Epoch]]:
        return list(self.model.values())[pick % len(self.model)]

    def change(self, action: Callable[[], Any], after: Model) -> None:
        action()
        self.settle(after)

    def settle(self, after: Model) -> None:
        """A change is acknowledged. An epoch leaves run.json as it was; any other change writes or removes it."""
        for id in self.model | after:
            if id not in self.model or id not in after or self.model[id][0].status != after[id][0].status:
                self.unsettled.discard(id)
        self.model = after

    def crash(self, survival: str) -> None:
        self.generation += 1
        home = self.disk.survivor(survival, self.place / str(self.generation))
        files.disk = QuickDisk()
        self.store.close()
        self.open_at(home)
        assert self.store.notices == []

    def open_at(self, home: Path) -> None:
        home.parent.mkdir(exist_ok=True)
        files.disk = self.disk = FaultyDisk(home)
        self.store = RunStore.open(home)
        self.model = interrupted(self.model)

    def known(self) -> Model:
        return {run.id: (run, self.store.epochs(run.id)) for run in self.store.runs()}


def interrupted(model: Model) -> Model:
    """What the next owner makes of it."""
    return {
        id: (replace(run, status="interrupted") if run.status == "running" else run, epochs)
        for id, (run, epochs) in model.items()
    }


StoreMachine.TestCase.settings = settings(
    max_examples=50,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestTheStoreIsWhatTheModelSays = StoreMachine.TestCase
