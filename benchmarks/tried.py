"""What each way of computing a training step on the CPU gains or costs, one by one.

    python benchmarks/tried.py [MODEL]... [--rounds 3] [--seconds 4] [--only WAY]

Each way differs from ours in one thing, and is measured in a fresh process right after ours, round by round. The figure
is how many times as fast as ours it is, the median of the rounds with the least and the most: below 1 it does not pay.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from msgspec import to_builtins

ROOT = Path(__file__).parents[1]
WAYS = {
    "the network alone": "scores and gradients of one batch and nothing else: what could still be gained at most",
    "contiguous": "images in memory colour by colour",
    "channels_last": "images in memory pixel by pixel",
    "not in pairs": "convolutions to and from few channels one column at a time",
    "torch's depthwise gradients": "all of them by oneDNN, as it has them",
    "merged groups": "small groups of convolutions several at a time, as a GPU may do it",
    "freed memory is not kept": "glibc's allocator as it comes",
    "threads never sleep": "GNU OpenMP's default: they spin while they wait for each other",
    "threads sleep at once": "OMP_WAIT_POLICY=passive",
    "one thread": "instead of one a core",
    "fp32": "everything in float32",
    "bf16": "convolutions and matrix products in bfloat16",
    "torch.compile": "the network through Inductor",
    "without oneDNN": "torch's own convolutions",
    "torch's SGD": "its fused one, called as usual",
    "foreach": "torch's usual SGD, which is not fused",
}
WITHOUT = {"not in pairs": "pairs", "torch's depthwise gradients": "depthwise"}  # of a plan
ENVIRONMENT = {
    "threads never sleep": {"GOMP_SPINCOUNT": "1000000000"},
    "threads sleep at once": {"OMP_WAIT_POLICY": "passive"},
}


def seconds_per_step(model: str, way: str, seconds: float, plan: dict[str, Any]) -> dict[str, Any]:
    """Measured here, in this process. Without a plan one is chosen, as a training does."""
    from trainer.device import keep_freed_memory, prepare_process

    prepare_process()
    import torch
    from torch.nn.functional import cross_entropy

    from store.records import Recipe
    from trainer.batch import Place, draw, training_batch
    from trainer.data import load
    from trainer.job import begin
    from trainer.loop import steps_of, train_step
    from trainer.plan import Plan
    from trainer.source import Source

    recipe = Recipe(train_limit=4096, test_limit=100)
    data = load(Source("synthetic"), recipe.train_limit, recipe.test_limit)
    if way != "freed memory is not kept":
        keep_freed_memory()
    threads = torch.get_num_threads()
    if way in {"contiguous", "channels_last"}:
        plan = plan | {"layout": way}
    if way == "merged groups":
        plan = plan | {"merged": True}
    if way in WITHOUT:
        plan = plan | {WITHOUT[way]: False}
    if way in {"fp32", "bf16"}:
        plan = plan | {"precision": way}
    state, engine = begin(model, 0, recipe, data, torch.device("cpu"), Plan.stored(plan) if plan else None)
    engine.threads = None  # it would look for a better number
    torch.set_num_threads(1 if way == "one thread" else threads)
    if way == "torch.compile":
        state.network.compile(dynamic=False)
    if way in {"torch's SGD", "foreach"}:
        state.optimizer = torch.optim.SGD(
            state.network.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=way != "foreach",
            foreach=way == "foreach",
        )
    drawn = draw(recipe, len(data.train), steps_of(data.train, recipe), seed=0, epoch=1)
    state.network.train()
    whole = Place(slice(0, recipe.batch_size), 0)
    batch, labels = training_batch(data, drawn, recipe, whole, engine.form)
    laps: list[float] = []
    with torch.backends.mkldnn.flags(enabled=False) if way == "without oneDNN" else nullcontext():
        for step in range(1_000_000):
            number = step % steps_of(data.train, recipe)
            begun = time.perf_counter()
            rows = slice(number * recipe.batch_size, (number + 1) * recipe.batch_size)
            if way == "the network alone":
                state.optimizer.zero_grad()
                cross_entropy(engine.scores(state.network, batch), labels).backward()
            else:
                train_step(state, data, drawn, recipe, engine, Place(rows, number))
            laps.append(time.perf_counter() - begun)
            if step >= 4 and sum(laps[2:]) > seconds:
                break
    return {"seconds": statistics.median(laps[2:]), "plan": to_builtins(engine.plan), "words": engine.plan.in_words()}


def measured(model: str, way: str, seconds: float, plan: dict[str, Any] | None = None) -> dict[str, Any]:
    """The same, in a fresh process."""
    words = [sys.executable, __file__, model, "--here", way]
    words += ["--seconds", str(seconds), "--plan", json.dumps(plan or {})]
    around = os.environ | {"PYTHONPATH": str(ROOT)} | ENVIRONMENT.get(way, {})
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=around)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", nargs="*", default=["lenet", "mobilenetv2"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--only", choices=WAYS, action="append", help="only this way; may be given again")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--plan", type=json.loads, default={}, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here is not None:
        print(json.dumps(seconds_per_step(options.models[0], options.here, options.seconds, options.plan)))
        return
    for model in options.models:
        ours = measured(model, "ours", options.seconds)
        plan = ours["plan"]
        print(f"{model}: ours {ours['seconds'] * 1000:.1f} ms a step of 128 images ({ours['words']})")
        for way in options.only or WAYS:
            if way in plan.values() or (way in WITHOUT and not plan[WITHOUT[way]]):
                continue  # that is ours
            ratios = []
            for _ in range(options.rounds):
                base = measured(model, "ours", options.seconds, plan)["seconds"]
                ratios.append(base / measured(model, way, options.seconds, plan)["seconds"])
            least, most = min(ratios), max(ratios)
            print(f"  {statistics.median(ratios):5.2f}× ({least:.2f}–{most:.2f})  {way}: {WAYS[way]}", flush=True)


if __name__ == "__main__":
    main()
