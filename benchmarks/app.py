"""What the app costs: CPU until its first frame, and how long a key waits for its answer.

python benchmarks/app.py [--runs 10000] [--starts 9] [--keys 200]

Each is measured beside a bare Textual app (header, table, footer) in the same run, through a pseudo-terminal of 80×24,
with the real program: an empty home and one with many stored runs; idle, and while LeNet trains on the CPU in a thread
of the app. A key counts as answered when the row it moves to has been drawn. Linux and macOS.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import random
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from msgspec.structs import replace

from store import documents, files, recovery
from store.records import Recipe, Run
from store.runs import RunStore
from store.schema import new_tables
from tui.compare import model_name
from zoo import CARDS

ROWS, COLUMNS = 24, 80
TIMEOUT = 60.0  # seconds without an answer
MODELS = list(CARDS)[:20]  # as many as are seen at once

OURS = "from tui.cli import main; main()"
BARE = """
import sys
from textual.app import App
from textual.widgets import DataTable, Footer, Header
NAMES = sys.argv[1].split(",")
class Bare(App):
    BINDINGS = [("j", "down", "Down"), ("k", "up", "Up"), ("q", "quit", "Quit")]
    def compose(self):
        yield Header()
        yield DataTable(cursor_type="row")
        yield Footer()
    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("Model", "Params", "MACs", "Published", "Own best", "Year")
        for name in NAMES:
            table.add_row(name, "62,006", "651.7K", "74.74%", "74.7 ±0.5 ×2", "1998")
    def action_down(self):
        self.query_one(DataTable).action_cursor_down()
    def action_up(self):
        self.query_one(DataTable).action_cursor_up()
Bare().run()
"""
FIRST_FRAME = """
import os, time
from textual.drivers.linux_driver import LinuxDriver
_write = LinuxDriver.write
def _first(self, data):
    _write(self, data)
    if "AlexNet" in data:
        spent = time.process_time()
        with open(os.environ["FIRST_FRAME"], "w") as file:
            file.write(str(spent))
        os._exit(0)
LinuxDriver.write = _first
"""


@dataclass
class Terminal:
    """A program in a pseudo-terminal."""

    process: subprocess.Popen[bytes]
    master: int

    def press(self, key: str) -> None:
        os.write(self.master, key.encode())

    def read_until(self, text: str) -> float:
        """Read what is drawn until this text is among it. Returns the seconds that took."""
        begun, seen = time.perf_counter(), ""
        while text not in seen:
            left = begun + TIMEOUT - time.perf_counter()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise SystemExit(f"{text!r} was not drawn within {TIMEOUT:.0f} s; the last was {seen[-300:]!r}")
            seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(self.master, 65536).decode("utf-8", "replace"))
        return time.perf_counter() - begun

    def drain(self, seconds: float) -> None:
        """Read what is drawn for so long."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self.master], [], [], left)[0]:
                os.read(self.master, 65536)


@contextmanager
def terminal(code: str, arguments: list[str], environment: dict[str, str] | None = None) -> Iterator[Terminal]:
    """Run Python code in a pseudo-terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})}
    command = [sys.executable, "-c", code, *arguments]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=variables, start_new_session=True)
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def first_frame(code: str, arguments: list[str], folder: Path) -> float:
    """Seconds of CPU from the start of Python until the first frame with a table is drawn."""
    file = folder / "first-frame"
    file.unlink(missing_ok=True)
    with terminal(FIRST_FRAME + code, arguments, {"FIRST_FRAME": str(file)}) as program:
        while program.process.poll() is None:
            if select.select([program.master], [], [], 0.05)[0]:
                try:
                    os.read(program.master, 65536)
                except OSError:  # it has ended
                    break
        program.process.wait()
    return float(file.read_text())


def keys(program: Terminal, names: list[str], presses: int) -> list[float]:
    """Seconds from a key to the row it moves to, at human intervals. The cursor stands on the first name."""
    waits, place, by = [], 0, 1
    for _ in range(presses):
        program.drain(random.uniform(0.05, 0.25))
        by = -by if not 0 <= place + by < len(names) else by
        place += by
        program.press("j" if by > 0 else "k")
        waits.append(program.read_until(names[place]))
    return waits


def fill(home: Path, count: int) -> None:
    """A home with many finished runs, no two neighbours of the same model."""
    files.make_folder(home)
    tables = new_tables()
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(1, count + 1):
        run = Run(
            id=f"run-{number}",
            model=MODELS[-number % len(MODELS)],
            status="done",
            device="CPU",
            seed=number // len(MODELS),
            epochs_done=200,
            best_accuracy=0.9 + number % 97 / 1000,
            best_epoch=190,
            last_accuracy=0.9,
            seconds=900.0 + number % 89,
            created=began + timedelta(minutes=number),
        )
        tables["runs"][str(number)] = documents.to_document(run)
        documents.folder_of(home, run.id).mkdir(parents=True)
    recovery.write(home, recovery.Loaded(tables, is_new=True))


def queue_lenet(home: Path) -> str:
    """A long training of LeNet waits in this home. Returns its id."""
    with RunStore.open(home) as store:
        run = waiting_run(store)
        store.add(replace(run, position=1.0))
        return run.id


def waiting_run(store: RunStore) -> Run:
    return Run(id=store.new_id(), model="lenet", dataset="synthetic", created=datetime.now(UTC), recipe=Recipe())


def starts(home: Path, empty: Path, folder: Path, times: int, count: int) -> None:
    """Compare the CPU of the first frames, one after the other, so that what else the machine does strikes all."""
    programs: dict[str, Callable[[], float]] = {
        "a bare app": lambda: first_frame(BARE, [",".join(map(model_name, CARDS))], folder),
        "the app, an empty home": lambda: first_frame(OURS, ["--home", str(empty), "--data", "synthetic"], folder),
        f"the app, {count:,} runs": lambda: first_frame(OURS, ["--home", str(home), "--data", "synthetic"], folder),
    }
    spent: dict[str, list[float]] = {name: [] for name in programs}
    for measure in programs.values():
        measure()  # not counted: Python compiles what it imports for the first time
    for _ in range(times):
        for name, measure in programs.items():
            spent[name].append(measure())
    bare = median(spent["a bare app"])
    print(f"CPU until the first frame, median of {times}:")
    for name, values in spent.items():
        print(f"  {name:26} {1000 * median(values):6.0f} ms   ×{median(values) / bare:.2f}")


def show(what: str, waits: list[float]) -> None:
    ordered = sorted(waits)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    print(f"  {what:34} {1000 * median(ordered):6.1f} {1000 * p95:6.1f} {1000 * ordered[-1]:6.1f}", flush=True)


def latencies(home: Path, presses: int, count: int) -> None:
    """From a key to its answer: idle, then while LeNet trains."""
    names = [model_name(id, 26) for id in MODELS]
    print(f"milliseconds from a key to its answer, {presses} keys, {count:,} runs: median, 95th percentile, longest")
    with terminal(BARE, [",".join(names)]) as program:
        program.read_until(names[-1])
        program.drain(1.0)
        show("a bare app", keys(program, names, presses))
    arguments = ["--home", str(home), "--data", "synthetic", "--device", "cpu"]
    with terminal(OURS, arguments) as program:
        program.read_until(names[-1])
        program.drain(2.0)
        show("the catalogue, idle", keys(program, names, presses))
        show("the results, idle", results_keys(program, presses))
    id = queue_lenet(home)
    with terminal(OURS, arguments) as program:
        program.read_until(names[-1])
        lines = home / "runs" / id / "epochs.jsonl"
        while not lines.exists() or not lines.read_text():
            program.drain(0.5)
        show("the catalogue, while LeNet trains", keys(program, names, presses))
        show("the results, while LeNet trains", results_keys(program, presses))
        print(f"  {len(lines.read_text().splitlines())} epochs were trained meanwhile")


def results_keys(program: Terminal, presses: int) -> list[float]:
    """The same among the results, whose first rows are the newest runs."""
    program.press("3")
    program.drain(2.0)
    program.press("g")
    program.drain(0.5)
    program.press("G")  # the last row of the page, so that a run that trains, the first, is not among those named below
    program.drain(1.0)
    waits = []
    for place in range(presses):
        program.drain(random.uniform(0.05, 0.25))
        program.press("k" if place % 2 == 0 else "j")
        waits.append(program.read_until("%"))
    program.press("1")
    program.drain(1.0)
    return waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--starts", type=int, default=9)
    parser.add_argument("--keys", type=int, default=200)
    options = parser.parse_args()
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home, empty = folder / "home", folder / "empty"
        fill(home, options.runs)
        files.make_folder(empty)
        if options.starts:
            starts(home, empty, folder, options.starts, options.runs)
        if options.keys:
            latencies(home, options.keys, options.runs)


if __name__ == "__main__":
    main()
