"""What native code writes to descriptor 2 lands in the log, not on the screen."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

GUARDED = """
import logging, os, sys, threading, warnings
from pathlib import Path
from tui.guard import guarded_stderr
with guarded_stderr(Path(sys.argv[1])):
    os.write(2, b"a warning of native code\\n")
    print("Textual draws", file=sys.__stderr__, flush=True)
    warnings.warn("a warning of Python")
    def fail(): raise ValueError("in a thread")
    thread = threading.Thread(target=fail, name="worker"); thread.start(); thread.join()
print("back on the terminal", file=sys.stderr)
print("and here", file=sys.__stderr__)
"""


def run(log: Path) -> str:
    """Run the lines above; what reached the terminal."""
    done = subprocess.run([sys.executable, "-c", GUARDED, str(log)], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_the_terminal_gets_what_textual_draws_and_the_log_the_rest(tmp_path: Path) -> None:
    log = tmp_path / "home" / "cifar-tui.log"
    assert run(log).splitlines() == ["Textual draws", "back on the terminal", "and here"]
    written = log.read_text()
    assert "a warning of native code" in written
    assert "a warning of Python" in written
    assert "worker ended with an error" in written
    assert "ValueError: in a thread" in written


def test_a_log_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file" / "cifar-tui.log").splitlines()[0] == "Textual draws"


def test_the_guard_takes_its_log_handler_away_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from tui.guard import guarded_stderr

    before = list(logging.getLogger().handlers)
    with guarded_stderr(tmp_path / "cifar-tui.log"):
        assert len(logging.getLogger().handlers) == len(before) + 1
    assert logging.getLogger().handlers == before
