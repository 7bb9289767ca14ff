from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from store.errors import Problem, UsageProblem
from tests.trainer.fake_cifar import contents, packed, publish, write
from trainer.cifar10 import FOLDER
from trainer.source import Source
from tui.commands.data import data
from tui.session import Session


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.delenv("CIFAR_TUI_DATA", raising=False)
    files = contents()
    publish(files, monkeypatch)
    return files


def invoke(home: Path, *words: str, named: str | None = None) -> Result:
    """`cifar-tui --data NAMED data WORDS...`. What it raises, other than its exit, is raised here."""
    return CliRunner().invoke(data, words, obj=Session(home, named), catch_exceptions=False)


def test_status_of_intact_images_says_where_they_are(tmp_path: Path, files: dict[str, bytes]) -> None:
    write(files, tmp_path / "data")
    for words in ([], ["status"]):
        result = invoke(tmp_path, *words)
        assert result.exit_code == 0
        assert f"CIFAR-10 in {tmp_path / 'data'}: intact, 7 files" in result.output


def test_status_of_missing_images_names_the_ways_out_and_fails(tmp_path: Path, files: dict[str, bytes]) -> None:
    result = invoke(tmp_path, "status")
    assert result.exit_code == 1
    assert "cifar-tui data download" in result.output and "--data synthetic" in result.output


def test_status_finds_a_damaged_file(tmp_path: Path, files: dict[str, bytes]) -> None:
    write(files, tmp_path / "data")
    (tmp_path / "data" / FOLDER / "test_batch").write_bytes(bytes(len(files["test_batch"])))
    result = invoke(tmp_path, "status")
    assert result.exit_code == 1 and "test_batch has md5" in result.output


def test_status_tells_of_an_unfinished_download(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cifar-10-python.tar.gz.part").write_bytes(bytes(30_000_000))
    assert "30.0 MB" in invoke(tmp_path, "status").output


def test_status_in_json_is_an_object_for_programs(tmp_path: Path, files: dict[str, bytes]) -> None:
    result = invoke(tmp_path, "status", "--json")
    status = json.loads(result.output)
    assert status["dataset"] == "cifar10" and status["folder"] == str(tmp_path / "data")
    assert status["intact"] is False and status["downloaded"] == 0
    assert "is not in" in status["problem"]
    assert result.exit_code == 1
    synthetic = json.loads(invoke(tmp_path, "status", "--json", named="synthetic").output)
    assert synthetic == {"dataset": "synthetic", "folder": None, "intact": True, "problem": None, "downloaded": 0}


def test_status_says_that_the_synthetic_images_are_not_cifar10(tmp_path: Path) -> None:
    assert "not CIFAR-10" in invoke(tmp_path, "status", named="synthetic").output


def test_an_import_says_where_the_images_are_now(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "cifar.tar.gz").write_bytes(packed(files))
    result = invoke(tmp_path, "import", str(tmp_path / "cifar.tar.gz"))
    assert result.exit_code == 0
    assert f"CIFAR-10 is in {tmp_path / 'data'}" in result.stdout
    again = invoke(tmp_path, "import", str(tmp_path / "cifar.tar.gz"))
    assert again.exit_code == 0 and "already" in again.stdout


def test_a_bad_import_is_a_problem_for_the_command_line_to_say(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(Problem, match="nowhere"):
        invoke(tmp_path, "import", str(tmp_path / "nowhere"))
    with pytest.raises(UsageProblem, match="https"):
        invoke(tmp_path, "download", "--url", "http://example.org/cifar.tar.gz")


def test_an_import_needs_a_path(tmp_path: Path) -> None:
    assert invoke(tmp_path, "import").exit_code == 2


def test_a_download_goes_to_the_data_folder_and_tells_of_its_progress(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(source: Source, url: str | None, **hears: object) -> bool:
        assert (source.folder, url) == (tmp_path / "data", "https://example.org/c.tar.gz")
        hears["say"]("example.org: HTTP 404")  # type: ignore[operator] # what the command gives
        for done in range(0, 101, 5):
            hears["progress"](done, 100)  # type: ignore[operator]
        return True

    monkeypatch.setattr("trainer.download.download", fetch)
    result = invoke(tmp_path, "download", "--url", "https://example.org/c.tar.gz")
    assert result.exit_code == 0
    assert "example.org: HTTP 404" in result.stderr
    assert [line for line in result.stderr.splitlines() if "%" in line][-1] == "downloading: 100% of 100 B"
    assert result.stderr.count("%") == 10  # a line every tenth where nobody watches
    assert "is in" in result.stdout


def test_ctrl_c_ends_a_download_with_one_line_and_status_130(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*arguments: object, **hears: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("trainer.download.download", fetch)
    result = invoke(tmp_path, "download")
    assert result.exit_code == 130
    assert result.stderr == "interrupted: the same command goes on from there\n"


def test_the_data_commands_import_neither_torch_nor_textual() -> None:
    code = "import sys, tui.commands.data; print({'torch', 'torchvision', 'numpy', 'textual'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
