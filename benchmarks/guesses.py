"""How near the guesses come of how long a network takes that has never trained here (trainer/estimate.py).

    python benchmarks/guesses.py [GPU.json ...] [--cpu [PATTERN,...]]

From each network that is known, every other one is guessed: on the cards of the published table, on those that
benchmarks/gpu.py has measured (its OUTPUT.json), and with --cpu on this computer, where all networks, or those of the
patterns, are measured first, a few steps each (all: about twenty minutes on two cores). A guess of twice or half of
what it takes is wrong by a factor of 2.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median

from store.records import Recipe, Run
from trainer.device import keep_freed_memory, prepare_process
from trainer.estimate import Paces
from zoo import CARDS

RECIPE = Recipe()
ONE = "lenet"  # what a newcomer has trained first
SECONDS = 2.0  # of steps that are measured of each network


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="what benchmarks/gpu.py has written")
    parser.add_argument("--cpu", nargs="?", const="*", help="measure this computer, too: all networks, or these")
    options = parser.parse_args()
    prepare_process()
    keep_freed_memory()
    known: dict[str, dict[str, float]] = {}  # by device: the seconds of an epoch, or what is in proportion to them
    for card in CARDS.values():
        if card.published:
            known.setdefault(card.published.gpu, {})[card.id] = card.published.seconds
    for file in options.files:
        report = json.loads(file.read_text())
        rows = {row["model"]: row["epoch"] for row in report["rows"] if row["epoch"]}
        known.setdefault(report["card"], {}).update(rows)
    if options.cpu:
        chosen = [id for id in CARDS if any(fnmatchcase(id, pattern) for pattern in options.cpu.split(","))]
        known["CPU"] = {id: seconds_of_a_step(id) for id in chosen}
    for device, seconds in known.items():
        print(f"{device}, {len(seconds)} networks: {near(factors(device, seconds))}")
        if ONE in seconds:
            alone = sorted(factors(device, seconds, known=ONE))
            print(f"  from {ONE} alone, by a factor of {median(alone):.1f} (median), {alone[-1]:.1f} (worst)")


def factors(device: str, seconds: Mapping[str, float], known: str | None = None) -> list[float]:
    """By which factor each guess is wrong, always 1 or more."""
    found = []
    for one in [known] if known else seconds:
        run = Run(id=one, model=one, device=device, epochs_done=1, seconds=seconds[one], created=datetime.now(UTC))
        paces = Paces([run], device)
        for other in seconds:
            guess = paces.epoch(other, RECIPE)
            if other != one and guess:
                found.append(math.exp(abs(math.log(guess.seconds / seconds[other]))))
    return found


def near(wrong: list[float]) -> str:
    shares = {most: sum(one <= most for one in wrong) / len(wrong) for most in (2, 3)}
    return ", ".join(f"{100 * share:.0f}% within a factor of {most}" for most, share in shares.items())


def seconds_of_a_step(id: str) -> float:
    """A training step on this CPU, as a run would take it: the median of some."""
    import torch

    from trainer.batch import draw
    from trainer.data import load
    from trainer.job import begin
    from trainer.loop import train_step
    from trainer.source import Source

    data = load(Source("synthetic"), train_limit=10 * RECIPE.batch_size, test_limit=100)
    state, engine = begin(id, 0, RECIPE, data, torch.device("cpu"))
    drawn = engine.hold(draw(RECIPE, len(data.train), len(state.tally.losses), 0, 1))
    state.network.train()
    laps: list[float] = []
    while len(laps) < 4 or sum(laps) < SECONDS:
        state.step = len(laps) % len(state.tally.losses)
        began = time.perf_counter()
        engine.train(train_step, state, data, drawn, RECIPE)
        laps.append(time.perf_counter() - began)
    print(f"{id}: {1e3 * median(laps[1:]):.1f} ms, {engine.plan.in_words()}", flush=True)
    return median(laps[1:])


if __name__ == "__main__":
    main()
