"""What a run says it ran with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import torch

from trainer.environment import commit_of, environment


def test_the_environment_can_be_stored_and_names_the_versions() -> None:
    known = msgspec.json.decode(msgspec.json.encode(environment()), type=dict[str, str])
    assert known["torch"] == torch.__version__
    assert {"python", "system"} <= known.keys()


def git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *words],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_the_commit_is_that_of_the_checkout_and_says_when_files_differ(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None
    git(tmp_path, "init")
    assert commit_of(tmp_path) is None, "nothing was committed yet"
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    commit = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    assert commit_of(tmp_path) == commit
    (tmp_path / "file").write_text("two")
    assert commit_of(tmp_path) == f"{commit} + changes"
