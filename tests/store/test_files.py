from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from store import files
from store.errors import DiskFull, StoreError


def test_the_real_disk_waits_for_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: waited.append(os.fstat(fd).st_ino))
    monkeypatch.setattr(files, "disk", files.Disk())
    files.replace(tmp_path / "file", b"content")
    assert waited == [(tmp_path / "file").stat().st_ino, tmp_path.stat().st_ino]


def test_a_write_that_is_cut_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: whole(fd, bytes(data)[:3], offset))
    files.replace(tmp_path / "file", b"more than three bytes")
    assert (tmp_path / "file").read_bytes() == b"more than three bytes"


def test_replacing_that_fails_leaves_the_old_content_and_nothing_beside_it(tmp_path: Path) -> None:
    files.replace(tmp_path / "file", b"old")
    with pytest.raises(RuntimeError), files.replacing(tmp_path / "file") as file:
        file.write(b"new")
        raise RuntimeError
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_a_second_name_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    for name in ("one", "other"):
        files.replace(tmp_path / name, name.encode())
    with pytest.raises(FileExistsError):
        files.second_name(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == b"other"


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, DiskFull, "no space is left for /home/x"),
        (errno.EDQUOT, DiskFull, "no space is left for /home/x"),
        (errno.EROFS, StoreError, "/home/x is on a read-only file system"),
        (errno.EACCES, StoreError, "no permission to use /home/x"),
        (errno.ENOTDIR, StoreError, "/home/x is a file, or lies below one"),
        (errno.EIO, StoreError, "cannot use /home/x: Input/output error"),
    ],
)
def test_what_the_system_refuses_is_said_in_one_line(number: int, kind: type[StoreError], words: str) -> None:
    with pytest.raises(kind) as caught, files.explained(Path("/home/x")):
        raise OSError(number, os.strerror(number))
    assert str(caught.value).startswith(words) and "\n" not in str(caught.value)
