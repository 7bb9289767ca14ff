from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tinydb import TinyDB

from store import files, schema
from store.errors import DiskFull, StoreError
from store.runs import RunStore
from store.storage import AtomicStorage
from tests.store.faulty_disk import NO_ROOM, FaultyDisk, QuickDisk
from tests.store.samples import a_run, an_epoch


@pytest.fixture(params=[0o000, 0o777], ids=["everything open", "everything closed"])
def strange_umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def fill(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run("one"))
        store.append("one", an_epoch(1))
        store.add(a_run("two", minute=1))


def ids(store: RunStore) -> list[str]:
    return [run.id for run in store.runs()]


def everything(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_tinydb_itself_can_read_what_was_written(home: Path) -> None:
    fill(home)
    with TinyDB(home / "results.json", access_mode="r") as db:
        assert [document["id"] for document in db.table("runs")] == ["one", "two"]
        assert db.table("meta").all() == [{"schema": schema.SCHEMA}]


def test_the_backup_is_the_state_before(home: Path) -> None:
    fill(home)
    before = (home / "results.json").read_bytes()
    with RunStore.open(home) as store:
        store.add(a_run("three"))
    assert (home / "results.json.bak").read_bytes() == before


def test_where_there_are_no_hard_links_the_backup_is_a_copy(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLinks(QuickDisk):
        def link(self, old: Path, new: Path) -> None:
            raise PermissionError(1, "Operation not permitted", str(new))

    monkeypatch.setattr(files, "disk", NoLinks())
    fill(home)
    (home / "results.json").write_text("damaged")
    with RunStore.open(home) as store:
        assert ids(store) == ["one", "two"]


@pytest.mark.usefixtures("strange_umask")
def test_files_and_folders_are_for_their_user_alone_whatever_the_umask(home: Path) -> None:
    fill(home)
    (home / "results.json").write_text("damaged")
    with RunStore.open(home) as store:
        store.add(a_run("three"))
        for path in [home, *home.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 500, b"\xff\xfe", b'{"runs": NaN}', b"[" * 100_000])
def test_a_damaged_file_is_kept_aside_and_the_store_restored(home: Path, damage: bytes) -> None:
    fill(home)
    (home / "results.json").write_bytes(damage)
    with RunStore.open(home) as store:
        assert ids(store) == ["one", "two"]
        assert store.run("one").epochs_done == 1
        assert "results.json is damaged; runs rebuilt: 2" in store.notices[0]
        (aside,) = home.glob("results.json.damaged-*")
        assert aside.name in store.notices[1]
        assert aside.read_bytes() == damage
    with RunStore.open(home) as store:
        assert ids(store) == ["one", "two"] and store.notices == []


def test_two_damages_in_the_same_second_are_both_kept(home: Path) -> None:
    fill(home)
    for damage in ("first", "second"):
        (home / "results.json").write_text(damage)
        RunStore.open(home).close()
    assert sorted(path.read_text() for path in home.glob("results.json.damaged-*")) == ["first", "second"]


def test_a_run_that_the_backup_does_not_know_comes_from_its_folder(home: Path) -> None:
    fill(home)  # the backup is from before run two
    (home / "results.json").write_text("{")
    with RunStore.open(home) as store:
        assert "1 from results.json.bak, 1 from their own folders" in store.notices[0]
        assert store.run("two") == a_run("two", minute=1)


def test_without_a_backup_everything_comes_from_the_folders(home: Path) -> None:
    fill(home)
    (home / "results.json").write_text("{")
    (home / "results.json.bak").write_text("{")
    (home / "runs" / "one" / "run.json").write_text("{")
    with RunStore.open(home) as store:
        assert ids(store) == ["two"]
        assert any("run.json cannot be read" in notice for notice in store.notices)


def test_what_a_folder_says_is_newer_than_what_the_backup_says(home: Path) -> None:
    fill(home)
    with RunStore.open(home) as store:
        store.save(a_run("one", status="done"))
    (home / "results.json").write_text("{")
    with RunStore.open(home) as store:
        assert store.run("one").status == "done"


def test_a_missing_file_is_restored_as_well(home: Path) -> None:
    fill(home)
    (home / "results.json").unlink()
    with RunStore.open(home) as store:
        assert ids(store) == ["one", "two"]
        assert "results.json is missing" in store.notices[0]


def test_a_reader_shows_the_restored_store_and_leaves_the_damage_as_it_is(home: Path) -> None:
    fill(home)
    (home / "results.json").write_text("{")
    before = everything(home)
    with RunStore.open(home, write=False) as store:
        assert ids(store) == ["one", "two"] and store.notices
    assert everything(home) == before


FOREIGN = [
    "{}",
    "[]",
    "42",
    "null",
    '{"meta": {}, "runs": {}}',
    '{"meta": {"1": {"schema": 0}}, "runs": {}}',
    '{"meta": {"1": {"schema": true}}, "runs": {}}',
    '{"meta": {"1": {"schema": "1"}}, "runs": {}}',
    '{"meta": {"1": {"schema": 1}}, "runs": []}',
    '{"meta": {"1": {"schema": 1}}, "runs": {"x": {}}}',
    '{"meta": {"1": {"schema": 1}}, "runs": {"01": {}}}',
    '{"meta": {"1": {"schema": 1}}, "runs": {"1": 5}}',
    '{"_default": {"1": {"name": "somebody else\'s"}}}',
]


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("content", FOREIGN)
def test_json_that_is_not_ours_is_refused_by_name_and_left_untouched(home: Path, content: str, write: bool) -> None:
    fill(home)
    (home / "results.json").write_text(content)
    before = everything(home)
    with pytest.raises(StoreError, match=r"results\.json is not a results file of cifar-tui") as caught:
        RunStore.open(home, write=write)
    assert caught.value.status == 1 and str(home / "results.json") in str(caught.value)
    assert {path: content for path, content in everything(home).items() if "owner" not in path} == {
        path: content for path, content in before.items() if "owner" not in path
    }


@pytest.mark.parametrize("write", [True, False])
def test_a_newer_schema_is_refused_and_left_untouched(home: Path, write: bool) -> None:
    fill(home)
    path = home / "results.json"
    path.write_text(path.read_text().replace('"schema":1', '"schema":99'))
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer cifar-tui \(schema 99, this one knows 1\)"):
        RunStore.open(home, write=write)
    assert path.read_bytes() == before


def test_a_newer_backup_of_a_damaged_file_is_refused_too(home: Path) -> None:
    fill(home)
    backup = home / "results.json.bak"
    backup.write_text(backup.read_text().replace('"schema":1', '"schema":99'))
    (home / "results.json").write_text("{")
    with pytest.raises(StoreError, match="newer cifar-tui"):
        RunStore.open(home)
    assert (home / "results.json").read_text() == "{"


class TestMigration:
    @pytest.fixture(autouse=True)
    def newer_program(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A store of schema 1, and a program that knows 3: first `network` became `model`, then `seed` a number."""
        fill(home)
        for path in [home / "results.json", *home.glob("runs/*/run.json")]:
            path.write_text(path.read_text().replace('"model":', '"network":').replace('"seed":0', '"seed":"none"'))

        def name_models(tables: dict[str, Any]) -> None:
            for document in tables["runs"].values():
                document["model"] = document.pop("network")

        def count_seeds(tables: dict[str, Any]) -> None:
            for document in tables["runs"].values():
                document["seed"] = 7

        monkeypatch.setattr(schema, "SCHEMA", 3)
        monkeypatch.setattr(schema, "MIGRATIONS", {1: name_models, 2: count_seeds})

    def test_an_older_schema_is_brought_forward_step_by_step(self, home: Path) -> None:
        with RunStore.open(home) as store:
            assert [(run.model, run.seed) for run in store.runs()] == [("lenet", 7), ("lenet", 7)]
            assert store.notices == []
        assert json.loads((home / "results.json").read_text())["meta"]["1"] == {"schema": 3}
        assert json.loads((home / "results.json.bak").read_text())["meta"]["1"] == {"schema": 1}

    def test_a_reader_brings_it_forward_in_memory_only(self, home: Path) -> None:
        before = everything(home)
        with RunStore.open(home, write=False) as store:
            assert [(run.model, run.seed) for run in store.runs()] == [("lenet", 7), ("lenet", 7)]
        assert everything(home) == before

    def test_an_older_backup_and_older_folders_are_brought_forward_when_restoring(self, home: Path) -> None:
        (home / "results.json").replace(home / "results.json.bak")
        (home / "results.json").write_text("{")
        with RunStore.open(home) as store:
            assert [(run.model, run.seed) for run in store.runs()] == [("lenet", 7), ("lenet", 7)]

    def test_a_step_that_fails_leaves_the_file_untouched(self, home: Path) -> None:
        path = home / "results.json"
        path.write_text(path.read_text().replace('"network":', '"net":'))
        before = path.read_bytes()
        with pytest.raises(StoreError, match=r"results\.json could not be brought from schema 1 to 2"):
            RunStore.open(home)
        assert path.read_bytes() == before


def test_a_write_that_fails_leaves_the_tables_in_memory_as_on_the_disk(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(home)
    db = TinyDB(home / "results.json", storage=AtomicStorage)
    monkeypatch.setattr(files, "disk", FaultyDisk(home, at=1, fault=NO_ROOM, lasting=True))
    with pytest.raises(OSError, match="No space left"):
        db.table("runs").update({"status": "done"})
    assert [document["status"] for document in db.table("runs")] == ["queued", "queued"]


def test_a_full_disk_is_named_as_such(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunStore.open(home) as store:
        monkeypatch.setattr(files, "disk", FaultyDisk(home, at=1, fault=NO_ROOM, lasting=True))
        with pytest.raises(DiskFull, match="no space is left"):
            store.add(a_run())


def test_a_home_that_is_a_file_or_below_one_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="file") as caught:
            RunStore.open(home)
        assert "\n" not in str(caught.value) and str(tmp_path / "file") in str(caught.value)
    with pytest.raises(StoreError):
        RunStore.open(tmp_path / "file", write=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_told_in_one_line(home: Path) -> None:
    home.mkdir(mode=0o500)
    with pytest.raises(StoreError, match="no permission"):
        RunStore.open(home)


def test_results_that_are_a_folder_are_told_in_one_line(home: Path) -> None:
    (home / "results.json").mkdir(parents=True)
    for write in (True, False):
        with pytest.raises(StoreError, match=r"results\.json"):
            RunStore.open(home, write=write)
