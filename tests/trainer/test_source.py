from __future__ import annotations

import errno
import gzip
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from store.errors import Problem, UsageProblem
from tests.trainer.fake_cifar import contents, packed, publish, write
from trainer.cifar10 import FOLDER
from trainer.source import Source, import_from, locate, verify


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.delenv("CIFAR_TUI_DATA", raising=False)
    files = contents()
    publish(files, monkeypatch)
    return files


def empty(tmp_path: Path) -> Source:
    return Source("cifar10", tmp_path / "new" / "data")


def test_the_option_comes_before_the_environment_before_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIFAR_TUI_DATA", str(tmp_path / "env"))
    assert locate(str(tmp_path / "option"), tmp_path).folder == tmp_path / "option"
    assert locate(None, tmp_path).folder == tmp_path / "env"
    monkeypatch.delenv("CIFAR_TUI_DATA")
    assert locate(None, tmp_path).folder == tmp_path / "data"
    assert locate("synthetic", tmp_path) == Source("synthetic")


def test_the_folder_of_the_batches_may_be_named_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate(str(tmp_path / FOLDER), tmp_path).folder == tmp_path
    (tmp_path / FOLDER).mkdir()
    monkeypatch.chdir(tmp_path / FOLDER)
    assert locate(".", tmp_path).folder == tmp_path


def test_a_folder_is_remembered_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("images", Path("home")).folder == tmp_path / "images"


def test_the_home_of_nobody_is_a_usage_problem(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="~no-such-user-here"):
        locate("~no-such-user-here/data", tmp_path)


def test_missing_images_are_said_in_one_line_with_three_ways_out(tmp_path: Path, files: dict[str, bytes]) -> None:
    line = empty(tmp_path).missing()
    assert line is not None and "\n" not in line
    for way in ("cifar-tui data download", "cifar-tui data import PATH", "--data synthetic", str(tmp_path)):
        assert way in line


def test_a_file_that_is_short_or_absent_is_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    source = Source("cifar10", write(files, tmp_path))
    assert source.missing() is None
    (tmp_path / FOLDER / "data_batch_4").unlink()
    assert "data_batch_4 is missing" in (source.missing() or "")
    (tmp_path / FOLDER / "data_batch_4").write_bytes(b"short")
    assert "data_batch_4 has 5 bytes" in (source.missing() or "")


def test_a_folder_that_cannot_be_looked_into_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    assert f"cannot read {tmp_path / FOLDER}: Permission denied" in (Source("cifar10", tmp_path).missing() or "")


def test_the_synthetic_images_are_never_missing() -> None:
    assert Source("synthetic").missing() is None
    assert verify(Source("synthetic")) is None


def test_verify_finds_one_changed_byte(tmp_path: Path, files: dict[str, bytes]) -> None:
    source = Source("cifar10", write(files, tmp_path))
    heard: list[tuple[int, int]] = []
    assert verify(source, lambda done, total: heard.append((done, total))) is None
    assert len(heard) == 7
    changed = bytearray(files["batches.meta"])
    changed[-1] ^= 1
    (tmp_path / FOLDER / "batches.meta").write_bytes(changed)
    assert source.missing() is None
    assert "damaged, batches.meta has md5" in (verify(source) or "")


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_an_archive_is_imported_for_its_owner_alone(tmp_path: Path, files: dict[str, bytes], mode: str) -> None:
    (tmp_path / "cifar.tar.gz").write_bytes(packed(files, mode=mode))
    source = empty(tmp_path)
    assert import_from(tmp_path / "cifar.tar.gz", source)
    assert verify(source) is None
    assert source.folder is not None
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (source.folder / FOLDER).iterdir()}
    assert modes == {0o600}
    for folder in (source.folder / FOLDER, source.folder, source.folder.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in source.folder.iterdir()] == [FOLDER]


@pytest.mark.parametrize("inside", ["", FOLDER])
def test_a_folder_is_imported_whether_it_holds_the_batches_or_is_their_folder(
    tmp_path: Path, files: dict[str, bytes], inside: str
) -> None:
    heard: list[int] = []
    source = empty(tmp_path)
    there = write(files, tmp_path / "there")
    assert import_from(there / inside, source, lambda done, total: heard.append(done))
    assert verify(source) is None
    assert heard[-1] == sum(len(content) for content in files.values())


def test_what_is_there_and_intact_is_left_alone(tmp_path: Path, files: dict[str, bytes]) -> None:
    source = Source("cifar10", write(files, tmp_path / "here"))
    before = (tmp_path / "here" / FOLDER / "test_batch").stat().st_ino
    assert not import_from(write(files, tmp_path / "there"), source)
    assert (tmp_path / "here" / FOLDER / "test_batch").stat().st_ino == before


def test_a_damaged_file_is_replaced_and_other_files_stay(tmp_path: Path, files: dict[str, bytes]) -> None:
    source = Source("cifar10", write(files, tmp_path / "here"))
    (tmp_path / "here" / FOLDER / "data_batch_2").write_bytes(b"broken")
    (tmp_path / "here" / FOLDER / "mine.txt").write_text("mine")
    assert import_from(write(files, tmp_path / "there"), source)
    assert verify(source) is None
    assert (tmp_path / "here" / FOLDER / "mine.txt").read_text() == "mine"


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


HOSTILE = {
    "a path that leads out": member("../evil", size=4),
    "a path that leads out in the middle": member(f"{FOLDER}/../../evil", size=4),
    "an absolute path": member("/tmp/evil", size=4),
    "a symbolic link": member(f"{FOLDER}/data_batch_1", tarfile.SYMTYPE, "/etc/passwd"),
    "a symbolic link to a folder": member(FOLDER, tarfile.SYMTYPE, ".."),
    "a hard link": member(f"{FOLDER}/batches.meta", tarfile.LNKTYPE, "/etc/passwd"),
    "a device": member("zero", tarfile.CHRTYPE),
    "a fifo": member(f"{FOLDER}/test_batch", tarfile.FIFOTYPE),
}


def assert_refused(path: Path, source: Source, says: str) -> None:
    with pytest.raises(Problem, match=says) as caught:
        import_from(path, source)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert source.folder is not None
    assert not source.folder.exists() or list(source.folder.iterdir()) == []


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_refused_whole(tmp_path: Path, files: dict[str, bytes], what: str) -> None:
    (tmp_path / "bad.tar.gz").write_bytes(packed(files, HOSTILE[what]))
    assert_refused(tmp_path / "bad.tar.gz", empty(tmp_path), "leads out of the archive")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tar.gz", "new"]


def test_members_that_are_harmless_and_not_ours_are_passed_over(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "cifar.tar.gz").write_bytes(packed(files, member(f"{FOLDER}/readme.html", size=88), member("._x")))
    source = empty(tmp_path)
    assert import_from(tmp_path / "cifar.tar.gz", source)
    assert source.folder is not None and not (source.folder / FOLDER / "readme.html").exists()


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.unpack.TOTAL_BYTES", sum(len(content) for content in files.values()))
    (tmp_path / "bomb.tar.gz").write_bytes(packed(files, member("zeros", size=3_000_000)))
    assert_refused(tmp_path / "bomb.tar.gz", empty(tmp_path), "far more than CIFAR-10")


def test_what_is_no_whole_archive_of_cifar10_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    whole = packed(files)
    changed = {**files, "data_batch_5": bytes(len(files["data_batch_5"]))}
    for content, says in (
        (b"<html>404</html>", "is not CIFAR-10 as a whole tar.gz"),
        (b"", "is not CIFAR-10 as a whole tar.gz"),
        (gzip.compress(b"no tar in here" * 100), "invalid header"),
        (whole[: len(whole) // 2], "ended before the end-of-stream"),
        (packed(files, mode="w")[:100_000], "unexpected end of data"),
        (packed({name: files[name] for name in files if name != "data_batch_3"}), "data_batch_3 is missing"),
        (packed(changed), "data_batch_5 has md5"),
        (packed({**files, "test_batch": b"short"}), "is not one file of"),
        (packed(files, member(f"{FOLDER}/test_batch", size=len(files["test_batch"]))), "is not one file of"),
    ):
        (tmp_path / "bad.tar.gz").write_bytes(content)
        assert_refused(tmp_path / "bad.tar.gz", empty(tmp_path), says)


def test_a_folder_without_the_batches_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "photos").mkdir()
    assert_refused(tmp_path / "photos", empty(tmp_path), "not the python version of CIFAR-10, batches.meta is missing")


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert_refused(tmp_path / "nowhere.tar.gz", empty(tmp_path), "there is no file or folder")


def test_the_synthetic_images_cannot_be_imported(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="synthetic"):
        import_from(tmp_path, Source("synthetic"))


def test_a_file_where_the_data_folder_should_be_is_said_so(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(Problem, match=f"cannot write to {tmp_path / 'data'}"):
        import_from(write(files, tmp_path / "there"), Source("cifar10", tmp_path / "data"))
    assert (tmp_path / "data").read_text() == "a file"


def test_a_disk_that_is_too_full_is_said_before_anything_is_written(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, source = write(files, tmp_path / "there"), empty(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1_000_000))
    with pytest.raises(Problem, match="1 MB free and 186 MB are needed"):
        import_from(there, source)


def test_a_disk_that_fills_up_leaves_nothing_behind(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(done: int, total: int) -> None:
        if done > total // 1_000_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    there, source = write(files, tmp_path / "there"), empty(tmp_path)
    with pytest.raises(Problem, match=r"the disk of .* is full"):
        import_from(there, source, fill_up)
    assert source.folder is not None and list(source.folder.iterdir()) == []


def test_an_interrupted_import_leaves_nothing_behind(tmp_path: Path, files: dict[str, bytes]) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "cifar.tar.gz").write_bytes(packed(files))
    source = empty(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        import_from(tmp_path / "cifar.tar.gz", source, interrupt)
    assert source.folder is not None and list(source.folder.iterdir()) == []


def test_looking_for_the_images_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, trainer.source, trainer.download; print({'torch', 'torchvision', 'numpy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
