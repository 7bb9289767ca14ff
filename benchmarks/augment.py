"""How fast a batch is augmented: ours, beside PIL in a DataLoader with two worker processes, as in the published code.

    python benchmarks/augment.py [--data DIR|synthetic] [--batches 100] [--rounds 5]

Both make the same kind of batch (128 images, crop, flip, normalise) from the same images, in turn, so that whatever
else the machine does meets both. Prints the median and the range of each over the rounds, and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from trainer.augment import MEAN, STD, augmented_batch, epoch_draws
from trainer.data import DataSet, load
from trainer.source import locate

BATCH = 128


class Pictures(Dataset[tuple[Tensor, int]]):
    """The images as torchvision's CIFAR10 gives them: one at a time, through PIL."""

    def __init__(self, data: DataSet) -> None:
        self.pixels: np.ndarray[Any, Any] = data.train.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels: list[int] = data.train.labels.tolist()
        self.transform = transforms.Compose([
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def ours(data: DataSet, batches: int, memory_format: torch.memory_format) -> float:
    """Seconds a batch, the draws of the epoch included in proportion."""
    begun = time.perf_counter()
    draws = epoch_draws(len(data.train), seed=0, epoch=1)
    drawing = time.perf_counter() - begun
    begun = time.perf_counter()
    for start in range(0, batches * BATCH, BATCH):
        augmented_batch(data.padded, data.train.labels, draws, start, start + BATCH, memory_format=memory_format)
    return (time.perf_counter() - begun) / batches + drawing * BATCH / len(data.train)


def plain(batches: Iterator[Any], count: int) -> float:
    """Seconds a batch while the workers are busy: without their start."""
    begun = time.perf_counter()
    for _ in range(count):
        next(batches)
    return (time.perf_counter() - begun) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    data = load(locate(options.data, Path.cwd()))
    loader = DataLoader(Pictures(data), batch_size=BATCH, shuffle=True, num_workers=2)
    seconds: dict[str, list[float]] = {"PIL, DataLoader, 2 workers": [], "ours": [], "ours, channels_last": []}
    for _ in range(options.rounds):
        batches = iter(loader)
        plain(batches, 5)  # the workers have started
        seconds["PIL, DataLoader, 2 workers"].append(plain(batches, options.batches))
        del batches  # ends the workers
        seconds["ours"].append(ours(data, options.batches, torch.contiguous_format))
        seconds["ours, channels_last"].append(ours(data, options.batches, torch.channels_last))
    base = statistics.median(seconds["PIL, DataLoader, 2 workers"])
    print(f"{data.name}, batches of {BATCH}, {torch.get_num_threads()} threads, {options.rounds} rounds")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(
            f"{name:<28}{1000 * median:8.2f} ms a batch ({1000 * min(values):.2f} to {1000 * max(values):.2f})"
            f"{base / median:8.1f}×"
        )


if __name__ == "__main__":
    main()
