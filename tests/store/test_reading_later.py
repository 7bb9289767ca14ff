"""Opening a store now and reading its runs in a moment."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread

import pytest

from store import recovery
from store.errors import StoreError
from store.runs import RunStore
from tests.store.samples import a_run


@pytest.fixture
def filled(home: Path) -> Path:
    """A home with two runs, one of which a dead owner left running."""
    with RunStore.open(home) as store:
        store.add(a_run())
        store.add(a_run("b1", status="running"))
    return home


def change(home: Path, **tables: object) -> None:
    path = home / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | tables))


def test_what_is_read_later_is_what_would_have_been_read_at_once(filled: Path) -> None:
    with RunStore.open(filled, read_later=True) as store:
        assert store.writable and not store.is_read
        later = store.runs()
        assert store.is_read
    with RunStore.open(filled) as store:
        assert store.is_read
        assert later == store.runs()
        assert store.run("b1").status == "interrupted"


def test_it_is_read_once_however_many_threads_ask_first(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    load = recovery.load

    def counted(home: Path) -> recovery.Loaded:
        read.append(home)
        return load(home)

    monkeypatch.setattr("store.recovery.load", counted)
    with RunStore.open(filled, read_later=True) as store:
        found: list[int] = []
        threads = [Thread(target=lambda: found.append(len(store.runs()))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [2] * 8
        assert read == [filled]


def test_a_file_that_is_damaged_is_mended_at_once(filled: Path) -> None:
    path = filled / "results.json"
    path.write_bytes(path.read_bytes()[:-20])
    with RunStore.open(filled, read_later=True) as store:
        assert store.is_read
        assert any("is damaged; runs rebuilt: 2" in notice for notice in store.notices)


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ({"meta": {"1": {"schema": 99}}}, "newer cifar-tui"),
        ({"meta": {}}, "not a results file"),
        ({"runs": {"one": {}}}, "not a results file"),
        ({"runs": {"1": []}}, "not a results file"),
        ({"runs": []}, "not a results file"),
    ],
)
@pytest.mark.parametrize("write", [True, False])
def test_a_file_that_is_not_ours_is_refused_at_once(
    filled: Path, tables: dict[str, object], why: str, write: bool
) -> None:
    change(filled, **tables)
    before = (filled / "results.json").read_bytes()
    with pytest.raises(StoreError, match=why):
        RunStore.open(filled, write=write, read_later=True)
    assert (filled / "results.json").read_bytes() == before
    (filled / "results.json").unlink()
    RunStore.open(filled).close()  # the lock was let go


def test_a_home_without_a_file_is_made_at_once(home: Path) -> None:
    with RunStore.open(home, read_later=True) as store:
        assert store.is_read
        assert (home / "results.json").exists()


def test_a_file_that_went_bad_meanwhile_is_refused_when_it_is_read(filled: Path) -> None:
    with RunStore.open(filled, read_later=True) as store:
        change(filled, meta={"1": {"schema": 99}})
        with pytest.raises(StoreError, match="newer cifar-tui"):
            store.runs()
