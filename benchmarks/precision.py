"""Does a network learn as well in half precision? Trains it from several seeds in fp32 and in the other, in turn.

    python benchmarks/precision.py MODEL --data DIR|synthetic [--device cpu] [--precision bf16] [--seeds 3]
                                   [--epochs 10] [--train-limit 10000]

The published recipe, over so many epochs of so many images; a seed gives both the same initial weights, images and
order. It prints the test accuracies, best and last, of each training, then the mean over the seeds, the standard
deviation among them, and the mean difference with its standard error. A difference within twice that error is noise.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from store.records import Epoch, Recipe
from trainer.device import keep_freed_memory, prepare_process
from trainer.source import Source

if TYPE_CHECKING:
    import torch

    from trainer.data import DataSet


def accuracies(model: str, seed: int, recipe: Recipe, data: DataSet, device: torch.device) -> tuple[float, float, str]:
    """Of the test images: best and last; and how it was computed."""
    from trainer.job import begin
    from trainer.loop import fit

    state, engine = begin(model, seed, recipe, data, device)
    epochs = [news for news in fit(state, data, recipe, seed, engine) if isinstance(news, Epoch)]
    return max(one.test_accuracy for one in epochs), epochs[-1].test_accuracy, engine.plan.in_words()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["bf16", "fp16"], default="bf16")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--train-limit", type=int, default=10_000)
    options = parser.parse_args()

    prepare_process()  # before torch is imported
    import torch

    from trainer.data import load

    device = torch.device(options.device)
    source = Source("synthetic") if options.data == "synthetic" else Source("cifar10", Path(options.data))
    data = load(source, options.train_limit).to(device)
    keep_freed_memory()
    found: dict[str, list[tuple[float, float]]] = {"fp32": [], options.precision: []}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for precision, pairs in found.items():
            recipe = Recipe(epochs=options.epochs, train_limit=options.train_limit, precision=precision)
            best, last, plan = accuracies(options.model, seed, recipe, data, device)
            pairs.append((best, last))
            print(f"{options.model} seed {seed} {precision}: best {best:.2%}, last {last:.2%} ({plan})", flush=True)
    for place, which in enumerate(("best", "last")):
        figures = {name: [pair[place] for pair in pairs] for name, pairs in found.items()}
        words = [f"{name} {in_words(values)}" for name, values in figures.items()]
        differences = [other - full for full, other in zip(*figures.values(), strict=True)]
        error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else float("nan")
        print(f"{which}: {'; '.join(words)}; difference {statistics.mean(differences):+.2%} ± {error:.2%}")


def in_words(values: list[float]) -> str:
    """`74.90% (deviation 0.20%)`."""
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.2%} (deviation {deviation:.2%})"


if __name__ == "__main__":
    main()
