"""What a trained network can do: accuracy class by class, what it takes for what, and how fast it answers."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from statistics import median

import torch
from msgspec import Struct
from torch import Tensor, nn
from torch.nn import functional as F

from store.errors import Problem
from store.records import DatasetName, Step
from trainer.augment import normalised
from trainer.data import DataSet, load
from trainer.engine import Engine, device_in_words, find_device
from trainer.loop import Clock
from trainer.plan import Plan
from trainer.source import Source
from trainer.state import Weights
from trainer.weights import network_with

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The names of CIFAR-10's labels 0 … 9, as its batches.meta has them."""

REPEATS = 30  # passes of one image, of which the latency is the median
WARM_UP = 5  # passes before them, which pay for what a device does only once


class Mistake(Struct, frozen=True, kw_only=True):
    """A test image that was taken for something else."""

    place: int  # among the test images, from 0
    true: int  # label
    predicted: int  # label
    confidence: float  # the probability that the network gave to the predicted class
    pixels: bytes  # 3 × 32 × 32: red, green, blue, each row by row


class Evaluation(Struct, frozen=True, kw_only=True):
    """A network on the test images."""

    dataset: DatasetName
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]  # images: a row for each true class, a column for each predicted one
    loss: float  # mean cross-entropy
    seconds: float  # of one pass over all images
    latency: float  # seconds for a batch of one image, the median of `repeats`
    repeats: int
    device: str  # in words
    worst: tuple[Mistake, ...] = ()  # the most confident mistakes, the worst first; as many as were asked for

    @property
    def images(self) -> int:
        return sum(map(sum, self.confusion))

    @property
    def accuracy(self) -> float:
        return sum(row[label] for label, row in enumerate(self.confusion)) / self.images

    @property
    def class_accuracies(self) -> list[float | None]:
        """Of the images of each class, which fraction was recognised; None for a class without images."""
        return [row[label] / sum(row) if sum(row) else None for label, row in enumerate(self.confusion)]

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds

    def mistakes(self, count: int) -> list[tuple[str, str, int]]:
        """The most frequent ones: true class, predicted class, images."""
        pairs = [
            (self.classes[true], self.classes[predicted], images)
            for true, row in enumerate(self.confusion)
            for predicted, images in enumerate(row)
            if true != predicted and images
        ]
        return sorted(pairs, key=lambda pair: -pair[2])[:count]


def classes_of(dataset: DatasetName) -> tuple[str, ...]:
    """The names of a data set's labels, known without its images."""
    if dataset == "cifar10":
        return CIFAR10
    from trainer.synthetic import CLASSES

    return CLASSES


@torch.no_grad()
def evaluate(network: nn.Module, data: DataSet, engine: Engine, worst: int = 0) -> Generator[Step, None, Evaluation]:
    """Pass over the test images of `data` once; network and data are on the engine's device. Of the mistakes, the
    `worst` most confident ones are kept.

    The loss is summed as trainer.loop.evaluate sums it. Raises Problem when the loss is not finite.
    """
    images, labels, classes = data.test.images, data.test.labels, len(data.classes)
    confusion = torch.zeros(classes * classes, dtype=torch.int64, device=engine.device)
    loss = torch.zeros((), dtype=torch.float64, device=engine.device)
    mistakes = Mistakes(worst)
    batch = engine.test_batch
    steps = math.ceil(len(labels) / batch)
    network.eval()
    scores_of(network, images[:batch], engine)  # to warm up
    finish(engine.device)
    clock, seconds = Clock(), 0.0
    for step in range(steps):
        chosen = slice(step * batch, (step + 1) * batch)
        scores = scores_of(network, images[chosen], engine)  # (B, classes)
        loss += F.cross_entropy(scores, labels[chosen], reduction="sum")
        pairs = labels[chosen] * classes + scores.argmax(1)  # (B,)
        confusion += torch.bincount(pairs, minlength=classes * classes)
        mistakes.add(scores, labels[chosen], first=chosen.start)
        if step == steps - 1:
            finish(engine.device)
        seconds += clock.lap()
        if clock.is_due():
            yield Step(epoch=0, phase="test", step=step + 1, steps=steps)
            clock.start()
    if not loss.isfinite():
        raise Problem("the scores of this network are not finite numbers: its weights are damaged")
    return Evaluation(
        dataset=data.name,
        classes=data.classes,
        confusion=tuple(map(tuple, confusion.view(classes, classes).tolist())),
        loss=loss.item() / len(labels),
        seconds=seconds,
        latency=latency(network, images[:1], engine),
        repeats=REPEATS,
        device=device_in_words(engine.device),
        worst=tuple(mistakes.of(images, labels)),
    )


class Mistakes:
    """The most confident ones so far."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._kept: Tensor | None = None  # (at most count, 3): confidence, place, predicted label

    def add(self, scores: Tensor, labels: Tensor, first: int) -> None:
        """A batch: scores (B, classes), labels (B,), and the place of its first image."""
        if self.count == 0:
            return
        confidence, predicted = scores.double().softmax(1).max(1)  # (B,), (B,)
        wrong = (predicted != labels).nonzero().squeeze(1)  # (W,)
        rows = torch.stack([confidence[wrong], (wrong + first).double(), predicted[wrong].double()], dim=1)  # (W, 3)
        together = rows if self._kept is None else torch.cat([self._kept, rows])
        self._kept = together[together[:, 0].argsort(descending=True, stable=True)[: self.count]]

    def of(self, images: Tensor, labels: Tensor) -> Iterator[Mistake]:
        """With their images, uint8 (N, 3, 32, 32), and labels (N,)."""
        for confidence, place, predicted in self._kept.tolist() if self._kept is not None else ():
            at = int(place)
            yield Mistake(
                place=at,
                true=int(labels[at]),
                predicted=int(predicted),
                confidence=confidence,
                pixels=images[at].cpu().contiguous().numpy().tobytes(),
            )


def evaluate_weights(
    model: str, weights: Weights, origin: str, source: Source, device: str, limit: int | None = None, worst: int = 0
) -> Generator[Step, None, Evaluation]:
    """Weights of a model of the catalogue on the test images of `source`, the first `limit` of them. Computed in fp32,
    whatever they were trained in. Raises Problem when weights, images or device are not what they should be.
    """
    network = network_with(model, weights, origin)
    engine = Engine(find_device(device), Plan())
    data = load(source, train_limit=1, test_limit=limit).to(engine.device)
    return (yield from evaluate(network.to(engine.device), data, engine, worst))


def scores_of(network: nn.Module, images: Tensor, engine: Engine) -> Tensor:
    """Scores (B, classes) of images uint8 (B, 3, 32, 32)."""
    return engine.scores(network, normalised(images, **engine.form))


def latency(network: nn.Module, image: Tensor, engine: Engine) -> float:
    """Seconds from one image, uint8 (1, 3, 32, 32), to its scores: the median of REPEATS."""
    laps = []
    for _ in range(WARM_UP + REPEATS):
        began = time.perf_counter()
        scores_of(network, image, engine)
        finish(engine.device)
        laps.append(time.perf_counter() - began)
    return median(laps[WARM_UP:])


def finish(device: torch.device) -> None:
    """Wait until the device has done all that this thread has asked for: what another trains there is not disturbed."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
