"""Does every network of the catalogue train from the command line, and without a warning?

    python benchmarks/every_model.py [--only PATTERN] [--small-above MACS] [--nice N]

Trains each for one epoch on the stand-in data, on the CPU, in a process of its own whose Python warnings are errors:
512 images, and 200 to test on. A network of more than `--small-above` MACs gets 128 and 50, so that the largest
take minutes and not an hour. A network fails when its command does not end with status 0, says anything on stderr,
leaves a line in the log, or its run is not done. The smallest come first. The exit status is 1 when one fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from fnmatch import fnmatchcase
from pathlib import Path

from zoo import CARDS, Card

ROOT = Path(__file__).parents[1]
PROGRAM = "from tui.cli import main; main()"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="a pattern of ids")
    parser.add_argument("--small-above", type=float, default=1e9, help="MACs above which fewer images are used")
    parser.add_argument("--nice", type=int, default=0, help="how far to step back behind other programs")
    options = parser.parse_args()
    os.nice(options.nice)
    cards = sorted((card for card in CARDS.values() if fnmatchcase(card.id, options.only)), key=lambda card: card.macs)
    failed = 0
    for card in cards:
        images = (128, 50) if card.macs > options.small_above else (512, 200)
        began = time.monotonic()
        faults = train(card, *images)
        failed += bool(faults)
        verdict = "; ".join(faults) or "ok"
        print(f"{card.id:<18} {images[0]:>4} {images[1]:>4} {time.monotonic() - began:7.1f} s  {verdict}", flush=True)
    print(f"{len(cards)} networks, {failed} failed")
    return 1 if failed else 0


def train(card: Card, train_limit: int, test_limit: int) -> list[str]:
    """Train one network for one epoch. Returns what was not as it should be."""
    with tempfile.TemporaryDirectory() as home:
        words = ["--home", home, "--data", "synthetic", "--device", "cpu", "train", card.id, "--epochs", "1", "--json"]
        words += ["--set", f"train_limit={train_limit}", "--set", f"test_limit={test_limit}"]
        command = [sys.executable, "-W", "error", "-c", PROGRAM, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        faults = [f"exit status {done.returncode}"] if done.returncode else []
        faults += [f"stderr: {done.stderr!r}"] if done.stderr else []
        log = Path(home, "cifar-tui.log")
        faults += [f"log: {log.read_text(encoding='utf-8')}"] if log.exists() and log.stat().st_size else []
    events = [json.loads(line) for line in done.stdout.splitlines()]
    runs = [event for event in events if event["event"] == "run"]
    if not runs or runs[-1]["status"] != "done" or runs[-1]["params"] != card.params:
        faults.append(f"the run ended as {runs[-1] if runs else 'nothing'}")
    return faults


if __name__ == "__main__":
    sys.exit(main())
