"""The images as tensors: loaded once, kept as bytes, shared by every run on a device."""

from __future__ import annotations

import gc
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from store.errors import Problem
from store.records import DatasetName
from trainer.augment import BORDER
from trainer.device import give_back_memory
from trainer.source import Source, verify

PIXELS = torch.channels_last  # how images lie in memory: the three colours of a pixel side by side


@dataclass(frozen=True, slots=True)
class Images:
    """N labelled pictures."""

    images: Tensor  # (N, 3, 32, 32) uint8
    labels: Tensor  # (N,) int64

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class DataSet:
    """What a training needs of the data, on one device."""

    name: DatasetName
    classes: tuple[str, ...]  # the names of labels 0, 1, …
    train: Images
    test: Images
    padded: Tensor  # (N, 3, 40, 40) uint8: the training images in a black border. `train.images` is the inside of it

    def to(self, device: torch.device | str) -> DataSet:
        """The same on another device; itself where it is there already."""
        padded = self.padded.to(device)
        if padded is self.padded:
            return self
        train = Images(_inside(padded), self.train.labels.to(device))
        test = Images(self.test.images.to(device), self.test.labels.to(device))
        return replace(self, train=train, test=test, padded=padded)


def load(source: Source, train_limit: int | None = None, test_limit: int | None = None) -> DataSet:
    """The data set in memory, on the CPU; of each part only the first images when there is a limit.

    Problem when CIFAR-10 is missing or not the published one: no file is unpickled before all seven md5 sums match.
    """
    if source.folder is None:
        classes, train, test = _synthetic(train_limit, test_limit)
    else:
        if fault := verify(source):
            raise Problem(fault)
        classes, train, test = _cifar10(source.folder, train_limit, test_limit)
        gc.collect()  # importing torchvision leaves cycles of objects that keep what `_cifar10` held
        give_back_memory()
    data = assembled(source.name, classes, train, test)
    del train, test
    give_back_memory()
    return data


def assembled(name: DatasetName, classes: tuple[str, ...], train: Images, test: Images) -> DataSet:
    """A data set of these parts. The training images are copied."""
    # One copy of them stays in memory: the bordered one. Random crops are cut from it without another.
    size = train.images.shape[-1] + 2 * BORDER
    padded = torch.empty(len(train), 3, size, size, dtype=torch.uint8, memory_format=PIXELS).zero_()
    _inside(padded).copy_(train.images)
    test = Images(test.images.contiguous(memory_format=PIXELS), test.labels)
    return DataSet(name, classes, Images(_inside(padded), train.labels), test, padded)


def _inside(padded: Tensor) -> Tensor:
    return padded[:, :, BORDER:-BORDER, BORDER:-BORDER]


def _cifar10(folder: Path, train_limit: int | None, test_limit: int | None) -> tuple[tuple[str, ...], Images, Images]:
    # torchvision takes seconds to import and hundreds of MB: only here, when images are wanted. Its reader compares
    # the md5 sums of the six batches again before it unpickles the first, but that of batches.meta only afterwards;
    # `load` has compared all seven.
    from torchvision.datasets import CIFAR10

    def part(train: bool, limit: int | None) -> tuple[tuple[str, ...], Images]:
        try:
            read = CIFAR10(folder, train=train, download=False)
        except (OSError, RuntimeError) as error:  # changed since it was checked
            raise Problem(f"cannot read CIFAR-10 in {folder}: {error}") from error
        images = torch.from_numpy(read.data).permute(0, 3, 1, 2)[:limit]
        return tuple(read.classes), Images(images, torch.tensor(read.targets[:limit], dtype=torch.int64))

    classes, train = part(True, train_limit)
    return classes, train, part(False, test_limit)[1]


def _synthetic(train_limit: int | None, test_limit: int | None) -> tuple[tuple[str, ...], Images, Images]:
    from trainer import synthetic  # numpy arithmetic that a training on CIFAR-10 does not need

    def part(name: synthetic.Part, limit: int | None) -> Images:
        images, labels = synthetic.make(name, limit)
        return Images(torch.from_numpy(images), torch.from_numpy(labels))

    return synthetic.CLASSES, part("train", train_limit), part("test", test_limit)
