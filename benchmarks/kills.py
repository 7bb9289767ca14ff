"""Is anything lost when training is killed? SIGKILL at random moments of `train` and `resume`, again and again.

    python benchmarks/kills.py [--kills 100] [--seed 0] [--home DIR]

Each round starts `train` (when nothing waits) or `resume`, and kills it: half of the rounds at any moment from its
start, the others after it has told of an epoch. After each kill, fresh processes must open the store, and whatever the
killed one had acknowledged on its standard output must be there: every run, and every epoch with the same figures. In
the end all runs must finish with the same weights, to the last bit, and the same figures as a run that nobody killed.
The training is LeNet on a few stand-in images in exact mode, on the CPU. The exit status is 1 when anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PROGRAM = [sys.executable, "-c", "from tui.cli import main; main()"]
OPTIONS = ["--data", "synthetic", "--device", "cpu"]
TRAINING = ["train", "lenet", "--epochs", "12", "--json"]
TRAINING += [word for setting in ("exact=true", "train_limit=1920", "test_limit=500") for word in ("--set", setting)]
RESUMING = ["resume", "--json"]
TIMED = {"seconds", "images_per_second"}  # the figures of an epoch that no two runs share


class Lost(Exception):
    """Something that was acknowledged is not there, or differs."""


class Home:
    """A results folder, and what was acknowledged of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder.with_name(f"{folder.name}.output")
        self.runs: set[str] = set()
        self.epochs: dict[tuple[str, int], dict[str, Any]] = {}

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        environment = os.environ | {"CIFAR_TUI_HOME": str(self.folder), "PYTHONPATH": str(ROOT)}
        with self.output.open("wb") as output:
            return subprocess.Popen([*PROGRAM, *OPTIONS, *words], stdout=output, env=environment)

    def finish(self, words: list[str]) -> str:
        """Run a command to its end. Raises Lost when it fails."""
        if status := self.start(words).wait():
            raise Lost(f"{' '.join(words)} ended with status {status}")
        return self.output.read_text()

    def told(self) -> list[dict[str, Any]]:
        """What the last process has said so far; a last line may be torn."""
        whole = self.output.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def hear(self) -> None:
        """Remember what the last process acknowledged. An epoch that is told again must be the same again."""
        for event in self.told():
            if event["event"] == "run":
                self.runs.add(event["id"])
            elif event["event"] == "epoch":
                key, figures = (event["run"], event["epoch"]), timeless(event)
                if self.epochs.setdefault(key, figures) != figures:
                    raise Lost(f"epoch {event['epoch']} of {event['run']} was {self.epochs[key]}, is {figures}")

    def check(self) -> list[dict[str, Any]]:
        """Raises Lost unless all that was acknowledged is there. Returns the runs."""
        found = {run["id"]: run for word in ("results", "queue") for run in json.loads(self.finish([word, "--json"]))}
        if missing := self.runs - found.keys():
            raise Lost(f"runs are missing: {', '.join(sorted(missing))}")
        lines = {id: epochs_of(self.folder, id) for id in found}
        for (id, epoch), figures in self.epochs.items():
            there = lines[id].get(epoch)
            if there is None:
                raise Lost(f"epoch {epoch} of {id} is missing")
            if any(figures[name] != there[name] for name in there):
                raise Lost(f"epoch {epoch} of {id} was {figures}, is {there}")
        return list(found.values())


def timeless(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if name not in TIMED}


def epochs_of(home: Path, id: str) -> dict[int, dict[str, Any]]:
    """The epochs in a run's file, by number; a last line may be torn."""
    file = home / "runs" / id / "epochs.jsonl"
    whole = file.read_text().rpartition("\n")[0] if file.exists() else ""
    return {line["epoch"]: timeless(line) for line in map(json.loads, whole.splitlines())}


def outcome(home: Path, id: str) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """What a finished run leaves: its epochs, and the checksums of its weights."""
    folder = home / "runs" / id
    return epochs_of(home, id), [
        hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest() for name in ("best", "last")
    ]


def kill_once(home: Home, words: list[str], chance: random.Random, usual: float) -> bool:
    """Start a command and kill it at a random moment. False when it ended before, by itself and well."""
    process = home.start(words)
    if chance.random() < 0.5:
        while process.poll() is None and not any(event["event"] == "epoch" for event in home.told()):
            time.sleep(0.01)
        wait = chance.uniform(0, usual / 3)
    else:
        wait = chance.uniform(0, usual)
    try:
        status = process.wait(wait)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        home.hear()
        return True
    if status:
        raise Lost(f"{' '.join(words)} ended with status {status}")
    home.hear()
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--home", type=Path, help="a folder that is not there yet, to look at afterwards")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        home = Home(options.home or Path(temporary) / "killed")
        reference = Home(Path(temporary) / "reference")
        began = time.monotonic()
        reference.finish(TRAINING)
        usual = time.monotonic() - began
        kills = rounds = 0
        try:
            while kills < options.kills:
                waits = any(run["status"] in {"queued", "running", "interrupted"} for run in home.check())
                rounds += 1
                kills += kill_once(home, RESUMING if waits else TRAINING, chance, usual)
                print(f"\r{kills} kills, {len(home.runs)} runs, {len(home.epochs)} epochs told", end="", flush=True)
            home.check()
            home.finish(RESUMING)
            home.hear()
            runs = home.check()
            (model,) = (run["id"] for run in reference.check())
            wanted = outcome(reference.folder, model)
            for run in runs:
                if run["status"] != "done":
                    raise Lost(f"run {run['id']} is {run['status']}")
                if outcome(home.folder, run["id"]) != wanted:
                    raise Lost(f"run {run['id']} did not end as the run that nobody killed")
        except Lost as lost:
            print(f"\nafter {kills} kills: {lost}")
            return 1
    print(
        f"\n{kills} kills in {rounds} rounds: {len(runs)} runs, all done, {len(home.epochs)} epochs told, none lost; "
        "every weight and figure as without a kill"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
