from __future__ import annotations

import os
from pathlib import Path

import pytest

from store import files
from store.errors import Problem, UsageProblem
from trainer.export.place import place, place_folder, required


def test_a_product_takes_no_place_that_is_taken_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    assert place(path, "one") == path
    with pytest.raises(UsageProblem, match=r"table\.csv is there already: --force replaces it"):
        place(path, "two")
    assert path.read_text() == "one"
    place(path, "two", force=True)
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_product_is_readable_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert place(tmp_path / "one", "x").stat().st_mode & 0o777 == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_a_place_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="there is no folder"):
        place(tmp_path / "no" / "one", "x")
    with pytest.raises(UsageProblem, match="is a folder: name a file"):
        place(tmp_path, "x", force=True)


def test_a_disk_that_refuses_leaves_the_old_product_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place(tmp_path / "one", "old")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.disk, "write", full)
    with pytest.raises(Problem, match="No space left on device"):
        place(path, "new", force=True)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_swapped_in_whole(tmp_path: Path) -> None:
    folder = place_folder(tmp_path / "events", lambda beside: (beside / "one").write_text("1"))
    with pytest.raises(UsageProblem, match="--force"):
        place_folder(folder, lambda beside: None)
    place_folder(folder, lambda beside: (beside / "two").write_text("2"), force=True)
    assert [path.name for path in folder.iterdir()] == ["two"]

    def fails(beside: Path) -> None:
        (beside / "half").write_text("")
        raise OSError(28, "No space left on device")

    with pytest.raises(Problem, match="No space left"):
        place_folder(folder, fails, force=True)
    assert [path.name for path in folder.iterdir()] == ["two"] and list(tmp_path.iterdir()) == [folder]


def test_what_an_extra_brings_is_named_when_it_is_missing() -> None:
    with pytest.raises(Problem, match=r"pip install 'cifar-tui\[onnx\]'"):
        required("no_such_module_of_ours", "onnx")
