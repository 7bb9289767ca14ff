from __future__ import annotations

import math
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from store import files, ids
from store.errors import Problem, StoreError, UnknownRun
from store.records import Recipe
from store.runs import RunStore
from tests.store.faulty_disk import QuickDisk
from tests.store.samples import BEGAN, a_run, an_epoch


def test_a_run_that_was_added_is_there_after_reopening(home: Path) -> None:
    run = replace(a_run(), recipe=Recipe(epochs=3, exact=True, train_limit=100), seed=2**63 - 1, plan="fp32")
    with RunStore.open(home) as store:
        store.add(run)
    with RunStore.open(home) as store:
        assert store.runs() == [run]


def test_a_saved_run_replaces_the_one_before(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run())
        store.save(a_run(status="failed", model="lenet"))
        assert [run.status for run in store.runs()] == ["failed"]
    with RunStore.open(home, write=False) as store:
        assert [run.status for run in store.runs()] == ["failed"]


def test_the_epochs_of_a_run_in_flight_are_told_without_saving_it(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run())
        for number, accuracy in [(1, 0.25), (2, 0.75), (3, 0.5)]:
            store.append("a2b3", an_epoch(number, test_accuracy=accuracy))
        with RunStore.open(home, write=False) as reader:
            for run in (store.run("a2b3"), reader.run("a2b3")):
                assert (run.epochs_done, run.best_accuracy, run.best_epoch, run.last_accuracy) == (3, 0.75, 2, 0.5)
                assert run.seconds == 4.5


def test_a_run_that_ends_is_kept_with_what_its_epochs_tell(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run())
        store.append("a2b3", an_epoch(1, test_accuracy=0.5))
        store.save(a_run(status="done"))
        store.folder("a2b3").joinpath("epochs.jsonl").unlink()  # so it does not come from there any more
        assert store.run("a2b3").best_accuracy == 0.5
    with RunStore.open(home) as store:
        assert store.run("a2b3").best_accuracy == 0.5


def test_a_last_epoch_after_the_run_was_stopped_is_told_by_its_row(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run())
        store.save(a_run(status="stopped"))
        store.append("a2b3", an_epoch(1, test_accuracy=0.5))
        assert store.run("a2b3").best_accuracy == 0.5


def test_runs_are_listed_oldest_first_whatever_the_order_of_adding(home: Path) -> None:
    with RunStore.open(home) as store:
        for id, minute in [("c", 3), ("a", 1), ("b", 2)]:
            store.add(a_run(id, minute=minute))
        store.add(replace(a_run("n"), created=(BEGAN + timedelta(days=9)).replace(tzinfo=None)))
        assert [run.id for run in store.runs()] == ["a", "b", "c", "n"]


def test_a_run_left_running_by_a_dead_owner_is_interrupted(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run("live", status="running"))
        store.add(a_run("idle", status="paused", minute=1))
        with RunStore.open(home, write=False) as beside:
            assert [run.status for run in beside.runs()] == ["running", "paused"]
    with RunStore.open(home, write=False) as reader:
        assert [run.status for run in reader.runs()] == ["interrupted", "paused"]
    with RunStore.open(home) as store:
        assert [run.status for run in store.runs()] == ["interrupted", "paused"]


def test_an_id_cannot_be_added_twice(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run())
        with pytest.raises(StoreError, match="a2b3 already"):
            store.add(a_run(model="resnet18"))
        assert store.run("a2b3").model == "lenet"


def test_saving_a_run_that_was_never_added_is_refused(home: Path) -> None:
    with RunStore.open(home) as store, pytest.raises(UnknownRun):
        store.save(a_run())


def test_a_removed_run_is_gone_with_its_folder_and_also_from_the_backup(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run("keep"))
        store.add(a_run("gone", minute=1))
        store.append("gone", an_epoch(1))
        store.folder("gone").joinpath("deeper").mkdir()
        store.folder("gone").joinpath("deeper", "file").touch()
        store.remove("gone")
        assert [run.id for run in store.runs()] == ["keep"]
        assert not store.folder("gone").exists()
    (home / "results.json").write_text("damaged")
    with RunStore.open(home) as store:
        assert [run.id for run in store.runs()] == ["keep"]


def test_removing_does_not_follow_a_link_out_of_the_folder(home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    with RunStore.open(home) as store:
        store.add(a_run())
        store.folder("a2b3").joinpath("link").symlink_to(outside)
        store.remove("a2b3")
    assert (outside / "precious").exists()


@pytest.mark.parametrize("id", ["../../etc", "", "a/b", ".", "-x", "a" * 65, "ä"])
def test_an_id_that_is_no_plain_name_never_becomes_a_path(home: Path, id: str) -> None:
    with RunStore.open(home) as store:
        with pytest.raises(Problem):
            store.add(a_run(id))
        with pytest.raises(UnknownRun):
            store.folder(id)
        assert list((home / "runs").iterdir()) == []


def test_a_run_is_found_by_an_unambiguous_beginning_of_its_id(home: Path) -> None:
    with RunStore.open(home) as store:
        for id in ("k3", "k3xy", "m7ab", "m7cd"):
            store.add(a_run(id))
        assert store.run("k3").id == "k3"
        assert store.run("k3x").id == "k3xy"
        with pytest.raises(UnknownRun, match="2 runs begin with 'm7': m7ab, m7cd"):
            store.run("m7")
        with pytest.raises(UnknownRun, match="did you mean m7ab"):
            store.run("m7bb")
        with pytest.raises(UnknownRun, match="the runs of model lenet are k3, k3xy, m7ab, m7cd"):
            store.run("lenet")
        with pytest.raises(UnknownRun):
            store.run("")


def test_new_ids_can_be_typed_and_are_free(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunStore.open(home) as store:
        for id in {store.new_id() for _ in range(200)}:
            assert 4 <= len(id) <= 5 and id[0].isalpha() and id == id.lower() and not set(id) & set("01ilo")
        store.add(a_run("taken"))
        store.folder("folder").mkdir()
        (home / "inbox").mkdir()
        (home / "inbox" / "letter.json").touch()
        monkeypatch.setattr(ids, "candidates", lambda: iter(["taken", "folder", "letter", "free"]))
        assert store.new_id() == "free"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_write_is_refused(home: Path, number: float) -> None:
    with RunStore.open(home) as store:
        store.add(a_run())
        with pytest.raises(StoreError, match="last_accuracy is"):
            store.save(replace(a_run(status="done"), last_accuracy=number))
        with pytest.raises(StoreError, match="learning_rate is"):
            store.save(replace(a_run(), recipe=Recipe(learning_rate=number)))
        with pytest.raises(StoreError, match="test_loss is"):
            store.append("a2b3", replace(an_epoch(1), test_loss=number))
        assert store.runs() == [a_run()]


def test_a_record_that_could_not_be_read_back_is_not_written(home: Path) -> None:
    with RunStore.open(home) as store:
        with pytest.raises(StoreError, match="seed"):
            store.add(a_run(seed=-1))
        assert store.runs() == []


def test_a_reader_makes_and_changes_nothing(home: Path) -> None:
    with RunStore.open(home, write=False) as store:
        assert store.runs() == []
        with pytest.raises(StoreError, match="for reading only"):
            store.add(a_run())
        with pytest.raises(StoreError, match="for reading only"):
            store.append("a2b3", an_epoch(1))
    assert not home.exists()


def test_a_reader_follows_the_owner(home: Path) -> None:
    with RunStore.open(home, write=False) as reader, RunStore.open(home) as store:
        store.add(a_run())
        assert reader.refresh() and [run.id for run in reader.runs()] == ["a2b3"]
        assert not reader.refresh()
        store.append("a2b3", an_epoch(1))
        assert not reader.refresh() and reader.run("a2b3").epochs_done == 1
        store.append("a2b3", an_epoch(2))
        store.rewind("a2b3", 1)
        assert reader.epochs("a2b3") == [an_epoch(1)]
        store.save(a_run(status="done"))
        assert reader.refresh() and reader.run("a2b3").status == "done"


def test_a_document_that_is_no_run_is_left_alone_and_told(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run("good"))
        store.add(a_run("bad", minute=1))
        store.add(a_run("next", minute=2))
    path = home / "results.json"
    path.write_text(path.read_text().replace('"id":"bad","model":"lenet"', '"id":"bad","model":42,"later":"kept"'))
    with RunStore.open(home) as store:
        assert [run.id for run in store.runs()] == ["good", "next"]
        assert len(store.notices) == 1 and "row 2" in store.notices[0] and "bad" in store.notices[0]
        store.save(a_run("good", status="done"))
    assert '"model":42,"later":"kept"' in path.read_text()


def test_a_key_that_we_do_not_know_is_dropped_when_reading_and_stays_in_the_file(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run())
    path = home / "results.json"
    path.write_text(path.read_text().replace('"model":"lenet"', '"model":"lenet","colour":"red"'))
    with RunStore.open(home) as store:
        assert store.runs() == [a_run()]
        store.save(a_run(status="done"))
    assert '"colour":"red"' in path.read_text()


def test_an_epoch_does_not_touch_the_results(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed: list[str] = []

    class Watched(QuickDisk):
        def create(self, path: Path) -> int:
            changed.append(path.name)
            return super().create(path)

    with RunStore.open(home) as store:
        store.add(a_run())
        monkeypatch.setattr(files, "disk", Watched())
        store.append("a2b3", an_epoch(1))
        store.append("a2b3", an_epoch(2))
    assert changed == ["epochs.jsonl", "epochs.jsonl"]


def test_threads_of_the_owner_may_add_and_append_at_once(home: Path) -> None:
    with RunStore.open(home) as store:
        problems: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for number in range(5):
                    store.add(a_run(f"{name}{number}"))
                    for epoch in range(1, 4):
                        store.append(f"{name}{number}", an_epoch(epoch))
                        assert len(store.epochs(f"{name}{number}")) == epoch
                        assert all(run.epochs_done <= 3 for run in store.runs())
                    store.save(a_run(f"{name}{number}", status="done"))
            except BaseException as error:
                problems.append(error)

        workers = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert problems == []
    with RunStore.open(home) as store:
        assert [(run.status, run.epochs_done) for run in store.runs()] == [("done", 3)] * 20
