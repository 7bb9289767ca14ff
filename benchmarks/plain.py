"""The training loop as one writes it first, to measure ours against: nothing here is slow on purpose, nothing is tuned.

    python benchmarks/plain.py resnet18 --data DIR|synthetic [--device cpu] [--seconds 10]

The published recipe with torchvision's CIFAR10 and its PIL transforms, a DataLoader with two worker processes, eager
float32, and the loss read with `.item()` at every step. Only the network is ours. It prints one line of JSON (the
fields of trainer/bench.py's `Speed`); `cifar-tui bench` starts it and our own training in turn.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import zoo

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)

FOR_TRAINING = transforms.Compose([
    transforms.RandomCrop(32, padding=4),
    transforms.RandomHorizontalFlip(),
    transforms.ToTensor(),
    transforms.Normalize(MEAN, STD),
])  # fmt: skip
FOR_TESTING = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])


class Synthetic(Dataset[tuple[Any, int]]):
    """The made-up images as torchvision's CIFAR10 gives its own: one at a time, as a PIL image for the transform."""

    def __init__(self, train: bool, transform: Callable[[Any], Any]) -> None:
        from trainer import synthetic

        images, labels = synthetic.make("train" if train else "test")
        self.images, self.labels, self.transform = images.transpose(0, 2, 3, 1).copy(), labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def pictures(data: str, train: bool) -> Dataset[tuple[Any, int]]:
    transform = FOR_TRAINING if train else FOR_TESTING
    if data == "synthetic":
        return Synthetic(train, transform)
    real: Dataset[tuple[Any, int]] = torchvision.datasets.CIFAR10(data, train=train, transform=transform)
    return real


def train(
    network: nn.Module,
    loader: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    watch: Watch,
) -> tuple[float, float]:
    """One epoch: mean loss and accuracy."""
    network.train()
    criterion = nn.CrossEntropyLoss()
    total_loss, correct, total = 0.0, 0, 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        scores = network(images)
        loss = criterion(scores, labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(labels)
        correct += (scores.argmax(1) == labels).sum().item()
        total += len(labels)
        if watch.has_enough(len(labels)):
            break
    return total_loss / total, correct / total


@torch.no_grad()
def test(
    network: nn.Module, loader: Iterable[tuple[Tensor, Tensor]], device: torch.device, watch: Watch
) -> tuple[float, float]:
    """The test images: mean loss and accuracy."""
    network.eval()
    criterion = nn.CrossEntropyLoss()
    total_loss, correct, total = 0.0, 0, 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        scores = network(images)
        total_loss += criterion(scores, labels).item() * len(labels)
        correct += (scores.argmax(1) == labels).sum().item()
        total += len(labels)
        if watch.has_enough(len(labels)):
            break
    return total_loss / total, correct / total


class Watch:
    """Times images as they pass: not those of the first `warm_up` batches, and no more when `seconds` have passed."""

    def __init__(self, warm_up: int, seconds: float) -> None:
        self.warm_up, self.seconds = warm_up, seconds
        self.batches = self.images = 0
        self.begun = self.now = time.perf_counter()

    def has_enough(self, images: int) -> bool:
        self.batches += 1
        self.now = time.perf_counter()
        if self.batches <= self.warm_up:
            self.begun = self.now
            return False
        self.images += images
        return self.now - self.begun >= self.seconds

    @property
    def images_per_second(self) -> float:
        return self.images / (self.now - self.begun)


def peak_memory() -> int | None:
    """Bytes that this process had resident at most; its loader workers, which share most of them, are not counted."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None  # not Linux
    return next(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=10.0, help="to train, and half as many to test; 0: one epoch")
    parser.add_argument("--warm-up", type=int, default=3, help="batches that are not timed")
    options = parser.parse_args()
    device = torch.device(options.device)

    train_loader = DataLoader(pictures(options.data, True), batch_size=128, shuffle=True, num_workers=2)
    test_loader = DataLoader(pictures(options.data, False), batch_size=100, num_workers=2)
    network = zoo.build(options.model).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    whole = options.seconds == 0
    seconds = float("inf") if whole else options.seconds
    begun = time.perf_counter()
    training, testing = Watch(options.warm_up, seconds), Watch(1, seconds / 2)
    train(network, train_loader, optimizer, device, training)
    test(network, test_loader, device, testing)
    epoch = time.perf_counter() - begun
    if not whole:
        epoch = 50_000 / training.images_per_second + 10_000 / testing.images_per_second
    print(
        json.dumps({
            "train_images_per_second": training.images_per_second,
            "test_images_per_second": testing.images_per_second,
            "epoch_seconds": epoch,
            "whole": whole,
            "peak_memory": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory(),
            "plan": f"fp32, {torch.get_num_threads()} threads",
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
