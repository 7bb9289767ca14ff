"""The user's words for a run, and runs that are deleted until the user thinks better of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from store.doctor import check
from store.runs import RunStore, StoreError, UnknownRun
from tests.store.samples import a_run, an_epoch


def test_labels_are_there_after_reopening(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run())
        assert store.label("a2b3", ["baseline", "wd"], "as published").tags == ("baseline", "wd")
    with RunStore.open(home, write=False) as store:
        assert (store.run("a2b3").tags, store.run("a2b3").note) == (("baseline", "wd"), "as published")


def test_saving_an_older_snapshot_does_not_take_labels_away(home: Path) -> None:
    with RunStore.open(home) as store:
        run = a_run()
        store.add(run)
        store.label(run.id, ["kept"], "kept, too")
        store.save(replace(run, status="paused"))
        now = store.run(run.id)
        assert (now.status, now.tags, now.note) == ("paused", ("kept",), "kept, too")


def test_what_was_set_aside_comes_back_as_it_was(home: Path) -> None:
    with RunStore.open(home) as store:
        for id in ("one", "two", "three"):
            store.add(a_run(id, status="done"))
            store.append(id, an_epoch(1))
        store.label("one", ["t"], "n")
        before = {run.id: run for run in store.runs()}
        store.set_aside(["one", "three"])
        assert [run.id for run in store.runs()] == ["two"]
        assert not store.folder("one").exists()
        assert check(home) == []
        assert {run.id for run in store.bring_back(["one", "three"])} == {"one", "three"}
        assert {run.id: run for run in store.runs()} == before
        assert len(store.epochs("three")) == 1
    with RunStore.open(home) as store:
        assert {run.id: run for run in store.runs()} == before


def test_an_emptied_trash_gives_nothing_back(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run(status="done"))
        store.set_aside(["a2b3"])
        store.empty_trash()
        with pytest.raises(UnknownRun):
            store.bring_back(["a2b3"])
        assert not (home / "trash").exists()
        assert store.runs() == []


def test_nothing_is_set_aside_when_one_of_the_runs_is_unknown(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run(status="done"))
        with pytest.raises(UnknownRun):
            store.set_aside(["a2b3", "none"])
        assert [run.id for run in store.runs()] == ["a2b3"]
        assert store.folder("a2b3").exists()


def test_the_backup_does_not_bring_back_what_was_set_aside(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run("keep"))
        store.add(a_run("gone", status="done"))
        store.set_aside(["gone"])
    (home / "results.json").write_text("damaged")
    with RunStore.open(home) as store:
        assert [run.id for run in store.runs()] == ["keep"]


def test_a_reader_changes_neither_labels_nor_trash(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run(status="done"))
    with RunStore.open(home, write=False) as store:
        for change in (lambda: store.label("a2b3", [], ""), lambda: store.set_aside(["a2b3"]), store.empty_trash):
            with pytest.raises(StoreError):
                change()
