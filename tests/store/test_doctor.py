from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace

from store import files
from store.doctor import check, repair
from store.errors import StoreError
from store.owner import StoreInUse
from store.runs import RunStore
from tests.store.faulty_disk import SURVIVALS, FaultyDisk, PowerCutError, QuickDisk
from tests.store.samples import a_run, an_epoch


@pytest.fixture
def filled(home: Path) -> Path:
    fill(home)
    return home


def fill(home: Path) -> None:
    with RunStore.open(home) as store:
        for minute, id in enumerate(("one", "two", "three")):
            store.add(a_run(id, minute=minute))
            store.append(id, an_epoch(1))
            store.append(id, an_epoch(2))
        store.save(a_run("one", status="done"))


def add_to(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def drop_row(home: Path) -> None:
    """Leave run two's folder without its row."""
    shutil.copytree(home / "runs/two", home / "two")
    with RunStore.open(home) as store:
        store.remove("two")
    (home / "two").rename(home / "runs/two")


def add_late_epoch(home: Path) -> None:
    """Leave an epoch of a run that is over untold: its owner was killed between the line and the row."""
    with RunStore.open(home) as store:
        store._rows.put(replace(store.run("one"), epochs_done=1))


def spoil_row(home: Path) -> None:
    path = home / "results.json"
    path.write_text(path.read_text().replace('"id":"two","model":"lenet"', '"id":"two","model":[]'))


MENDABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "results damaged": (lambda home: (home / "results.json").write_text("{"), "results.json is damaged"),
    "results missing": (lambda home: (home / "results.json").unlink(), "results.json is missing"),
    "torn line": (lambda home: add_to(home / "runs/two/epochs.jsonl", '{"ep'), "cannot be read after epoch 2"),
    "damaged line": (lambda home: add_to(home / "runs/one/epochs.jsonl", "x\n"), "cannot be read after epoch 2"),
    "folder without row": (drop_row, "belongs to no row"),
    "empty folder": (lambda home: (home / "runs/left").mkdir(0o700), "belongs to no row"),
    "row without folder": (lambda home: shutil.rmtree(home / "runs/one"), "run one has no folder"),
    "no run.json": (lambda home: (home / "runs/one/run.json").unlink(), "run.json is missing or damaged"),
    "damaged run.json": (lambda home: (home / "runs/one/run.json").write_text("{"), "run.json is missing or damaged"),
    "row that is no run": (spoil_row, "row 2 of"),
    "row behind": (add_late_epoch, "holds 2 epochs, and its row tells of 1"),
    "half-written": (lambda home: (home / "runs/two/checkpoint.pt.tmp").touch(0o600), "left half-written"),
    "open to others": (lambda home: (home / "results.json").chmod(0o644), "open to other users"),
    "home writable": (lambda home: home.chmod(0o777), "can be written by other users"),
}


def test_a_good_home_and_no_home_have_no_findings(filled: Path, tmp_path: Path) -> None:
    assert check(filled) == [] and repair(filled) == []
    assert check(tmp_path / "nowhere") == [] and not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", MENDABLE)
def test_what_is_wrong_is_found_and_mended_and_every_run_is_there(filled: Path, name: str) -> None:
    damage, expected = MENDABLE[name]
    with RunStore.open(filled, write=False) as store:
        before = store.runs()
    damage(filled)
    content = {path: path.read_bytes() for path in filled.rglob("*") if path.is_file()}
    findings = check(filled)
    assert len(findings) == 1 and expected in findings[0].what and findings[0].mend
    assert content == {path: path.read_bytes() for path in filled.rglob("*") if path.is_file()}
    lines = repair(filled)
    assert lines and not any("not mended" in line or "\n" in line for line in lines)
    assert check(filled) == []
    with RunStore.open(filled) as store:
        assert store.runs() == before


def test_what_cannot_be_mended_is_said_so(filled: Path) -> None:
    shutil.rmtree(filled / "runs/two")
    (filled / "runs/two").mkdir(0o700)
    (filled / "runs/two/weights.safetensors").touch(0o600)
    with RunStore.open(filled) as store:
        store._rows.remove("two")
    lines = repair(filled)
    assert len(lines) == 1 and lines[0].startswith("not mended:") and "runs/two" in lines[0]
    assert (filled / "runs/two/weights.safetensors").exists()


def test_lost_lines_of_a_finished_run_are_found_and_its_row_keeps_what_it_says(filled: Path) -> None:
    path = filled / "runs/one/epochs.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    assert ["holds 1 epochs, and its row tells of 2" in finding.what for finding in check(filled)] == [True]
    repair(filled)
    with RunStore.open(filled) as store:
        store.save(store.run("one"))
        assert store.run("one").epochs_done == 2


def test_a_foreign_file_is_found_and_repairing_leaves_it_untouched(filled: Path) -> None:
    (filled / "results.json").write_text('{"somebody": "else"}')
    (finding,) = check(filled)
    assert "not a results file of cifar-tui" in finding.what and finding.mend is None
    with pytest.raises(StoreError, match="not a results file"):
        repair(filled)
    assert (filled / "results.json").read_text() == '{"somebody": "else"}'


def test_beside_an_owner_it_only_looks(filled: Path) -> None:
    with RunStore.open(filled):
        (filled / "results.json.tmp").touch(0o600)  # the owner is in the middle of something
        assert check(filled) == []
        with pytest.raises(StoreInUse):
            repair(filled)


def test_repairing_that_is_killed_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = tmp_path / "prepared"
    fill(prepared)
    with RunStore.open(prepared, write=False) as store:
        before = store.runs()
    for name in ("folder without row", "damaged line", "results damaged"):
        MENDABLE[name][0](prepared)
    (prepared / "runs/three/run.json").unlink()
    for at in count(1):
        home = tmp_path / f"at-{at}" / "home"
        shutil.copytree(prepared, home)
        disk = FaultyDisk(home, at=at)
        monkeypatch.setattr(files, "disk", disk)
        with suppress(PowerCutError):
            repair(home)
        monkeypatch.setattr(files, "disk", QuickDisk())
        for survival in SURVIVALS:
            left = disk.survivor(survival, tmp_path / f"left-{at}-{survival}")
            repair(left)
            assert [finding.what for finding in check(left)] == []
            with RunStore.open(left) as store:
                assert store.runs() == before
        if not disk.was_hit:
            break
