"""What befalls real processes: kills, closed terminals, a second program at the same home, a strange umask."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from store import inbox
from store.records import Recipe
from store.runs import RunStore
from tests.store.samples import a_run
from tests.test_command_line import PROGRAM, SMALL, array, call, environment

IN_A_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from tui.cli import main; main()"
LONG = ["--data", "synthetic", "--device", "cpu", "train", "lenet", "--epochs", "2000", *SMALL]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def wait_until(true: Callable[[], object], what: str) -> None:
    for _ in range(1200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited in vain until {what}")


def epochs_of(home: Path) -> int:
    """How many lines all runs of a home have."""
    return sum(path.read_bytes().count(b"\n") for path in home.glob("runs/*/epochs.jsonl"))


@contextmanager
def training(home: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A headless training that has finished an epoch and will not end by itself soon."""
    process = subprocess.Popen(
        [*PROGRAM, *(words or LONG)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home),
    )
    before = epochs_of(home)
    try:
        wait_until(lambda: epochs_of(home) > before or process.poll() is not None, "it trains")
        assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.communicate()


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, home: Path, *words: str) -> None:
        self.master, self.slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", IN_A_TERMINAL, *words],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=environment(home) | {"TERM": "xterm-256color"},
            start_new_session=True,
        )
        self.shown = b""
        self._enough = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._enough.is_set():
            if select.select([self.master], [], [], 0.05)[0]:
                self.shown += os.read(self.master, 65536)

    def freeze(self) -> None:
        """Take no more of what the program draws."""
        self._enough.set()
        self._reader.join()
        wait_until(lambda: not select.select([], [self.slave], [], 0)[1], "the terminal is full")

    def hang_up(self) -> None:
        """Close the terminal, as an ssh connection that breaks does: its programs get SIGHUP, and cannot write."""
        self._enough.set()
        self._reader.join()
        os.close(self.master)
        self.master = -1

    def end(self) -> int:
        """The exit status."""
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            self._enough.set()
            self._reader.join()
            os.close(self.slave)
            if self.master >= 0:
                os.close(self.master)


# A second program at the same home


def test_train_beside_an_owner_hands_its_runs_over_and_the_owner_takes_them_in(home: Path) -> None:
    with training(home) as owner:
        second = call(home, "--data", "synthetic", "train", "lenet", "vgg11", "--seeds", "2", "--epochs", "1", *SMALL)
        assert second.returncode == 0, second.stderr
        lines = second.stdout.splitlines()
        assert len(lines) == 4 and all(f"handed over to process {owner.pid} on host " in line for line in lines)
        ids = [line.split()[1].rstrip(":") for line in lines]
        wait_until(lambda: not inbox.waiting(home), "the owner takes them in")
        queued = sorted(array(home, "queue"), key=lambda run: ids.index(run["id"]) if run["id"] in ids else -1)
        assert [run["status"] for run in queued] == ["running", *["queued"] * 4]
        assert [(run["id"], run["model"], run["seed"]) for run in queued[1:]] == [
            (ids[0], "lenet", 0), (ids[1], "lenet", 1), (ids[2], "vgg11", 0), (ids[3], "vgg11", 1)
        ]  # fmt: skip
        owner.send_signal(signal.SIGTERM)
        assert owner.wait(60) == 130
    with RunStore.open(home) as store:
        waiting = sorted((run for run in store.runs() if run.status == "queued"), key=lambda run: run.position)
        assert [run.id for run in waiting] == ids


def test_what_was_handed_over_to_an_owner_that_died_is_trained_by_the_next(home: Path) -> None:
    with RunStore.open(home) as store:
        second = call(home, "--data", "synthetic", "train", "lenet", "--epochs", "1", *SMALL, "--json")
        assert second.returncode == 0, second.stderr
        (event,) = map(json.loads, second.stdout.splitlines())
        assert (event["event"], event["status"], event["model"]) == ("run", "queued", "lenet")
        assert store.runs() == []
        assert [run["id"] for run in array(home, "queue")] == [event["run"]], "it is seen where it waits"
    assert call(home, "resume").returncode == 0
    assert [(run["id"], run["status"]) for run in array(home, "results")] == [(event["run"], "done")]


def test_resume_beside_an_owner_names_it(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run())
        done = call(home, "resume")
        assert done.returncode == 3
        assert done.stderr.startswith(f"cifar-tui: the store {home} is in use by process {os.getpid()} on host ")
        assert done.stderr.count("\n") == 1 and not done.stdout


def test_an_owner_that_was_killed_blocks_nobody(home: Path) -> None:
    with training(home) as owner:
        assert call(home, "resume").returncode == 3
        owner.kill()
        owner.wait()
        assert (home / "owner.json").exists(), "it could not tidy up"
        done = call(home, "--data", "synthetic", "train", "lenet", "--epochs", "1", *SMALL)
        assert done.returncode == 0 and "handed over" not in done.stdout and "done in" in done.stdout


# Closed terminals, and whoever asks a program to end


@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP", "hang up", "q"])
def test_the_app_saves_what_trains_whoever_ends_it_and_goes_on_later(how: str, home: Path) -> None:
    recipe = Recipe(epochs=2000, train_limit=512, test_limit=100)
    inbox.put(home, replace(a_run(), dataset="synthetic", recipe=recipe))
    app = Terminal(home, "--device", "cpu")
    wait_until(lambda: epochs_of(home) or app.process.poll() is not None, "the app trains")
    if how == "hang up":
        app.hang_up()
    elif how == "q":
        os.write(app.master, b"q")
    else:
        app.process.send_signal(getattr(signal, how))
    assert app.end() == (0 if how == "q" else 130), app.shown[-2000:]
    (run,) = array(home, "queue")
    assert run["status"] == "interrupted" and run["epochs_done"] >= 1
    if how in ("SIGTERM", "q"):
        assert b"saved in epoch" in app.shown
    before = epochs_of(home)
    with training(home, "resume"):
        assert epochs_of(home) > before
    (run,) = array(home, "queue")
    assert run["notice"] is None, "nothing was damaged"


def test_an_app_whose_terminal_takes_no_more_saves_all_the_same(home: Path) -> None:
    """As when an ssh connection freezes: the app waits until its frame is drawn, which it never is."""
    recipe = Recipe(epochs=2000, train_limit=512, test_limit=100)
    inbox.put(home, replace(a_run(), dataset="synthetic", recipe=recipe))
    app = Terminal(home, "--device", "cpu")
    wait_until(lambda: epochs_of(home) or app.process.poll() is not None, "the app trains")
    app.freeze()
    before = epochs_of(home)
    app.process.send_signal(signal.SIGTERM)
    assert app.end() == 130
    (run,) = array(home, "queue")
    assert run["status"] == "interrupted" and run["epochs_done"] >= before


def test_a_headless_training_in_a_terminal_that_hangs_up_saves(home: Path) -> None:
    terminal = Terminal(home, *LONG)
    wait_until(lambda: epochs_of(home) or terminal.process.poll() is not None, "it trains")
    terminal.hang_up()
    assert terminal.end() == 130
    (run,) = array(home, "queue")
    assert run["status"] == "interrupted"


def test_a_training_whose_reader_has_seen_enough_saves(home: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, *LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(home)
    )
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(60) == 130 and "Traceback" not in errors and errors.count("\n") <= 1
    (run,) = array(home, "queue")
    assert run["status"] == "interrupted"


# Who may read it


def test_whatever_the_umask_a_training_leaves_nothing_that_others_may_read(home: Path) -> None:
    words = ["--data", "synthetic", "--device", "cpu", "train", "lenet", "--epochs", "2", *SMALL]
    done = subprocess.run([*PROGRAM, *words], env=environment(home), umask=0, capture_output=True, timeout=120)
    assert done.returncode == 0
    failed = subprocess.run(
        [*PROGRAM, *words, "--set", "learning_rate=100"], env=environment(home), umask=0, capture_output=True
    )
    assert failed.returncode == 1, "it leaves a log"
    with training(home) as process:
        assert "handed over" in call(home, *words).stdout
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    files = [home, *home.rglob("*")]
    assert {path.name for path in files} >= {"results.json", "log.txt", "checkpoint.pt", "last.safetensors", "inbox"}
    wrong = {str(path): oct(path.stat().st_mode) for path in files if path.stat().st_mode & 0o077}
    assert not wrong
