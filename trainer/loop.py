"""The training loop. Read this first: everything else in this package makes it fast, safe or comfortable.

`fit` is a generator. It trains a network and yields what happened: a `Step` at most four times a second, an `Epoch`
after each pass over the training set. Whoever asks for the next record lets it train on; whoever stops asking stops
it; between two records the state is whole, and can be saved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from store.errors import Problem
from store.records import Epoch, Recipe, Step
from trainer.augment import Draws, augmented_batch, epoch_draws, normalised
from trainer.data import DataSet, Images
from trainer.engine import Engine
from trainer.optim import learning_rate
from trainer.state import State, generator_of, stable_hash

TEST_BATCH = 500  # images; it changes only speed, for in evaluation no image sees its neighbours
PERIOD = 0.25  # seconds from one Step to the next, at least


def fit(state: State, data: DataSet, recipe: Recipe, seed: int, engine: Engine) -> Iterator[Step | Epoch]:
    """Train from where `state` stands to the recipe's last epoch. Raises Problem when the loss is not finite."""
    while state.epoch <= recipe.epochs:
        train_loss, train_accuracy = yield from train(state, data, recipe, seed, engine)
        test_loss, test_accuracy = yield from evaluate(state, data.test, engine)
        epoch = Epoch(
            epoch=state.epoch,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            learning_rate=learning_rate(recipe, state.epoch),
            seconds=state.seconds,
            images_per_second=len(data.train) / state.train_seconds,
        )
        state.close(epoch)
        yield epoch


def train(
    state: State, data: DataSet, recipe: Recipe, seed: int, engine: Engine
) -> Generator[Step, None, tuple[float, float]]:
    """One pass over the training images, or what is left of it: mean loss and accuracy while the weights changed."""
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, state.epoch)
    if state.step == 0:  # dropout draws from the device's own generator, afresh each epoch
        generator_of(engine.device).manual_seed(stable_hash(seed, state.epoch, "dropout"))
    count, steps = len(data.train), steps_of(data.train, recipe)
    draws = epoch_draws(count, seed, state.epoch, engine.device, recipe.augmentation)
    state.network.train()
    clock = Clock()
    while state.step < steps:
        train_step(state, data, draws, recipe, engine)
        lap = clock.lap()
        state.seconds, state.train_seconds = state.seconds + lap, state.train_seconds + lap
        if clock.is_due():
            loss, accuracy = progress(state, recipe, count)
            speed = min(state.step * recipe.batch_size, count) / state.train_seconds
            yield Step(
                epoch=state.epoch,
                phase="train",
                step=state.step,
                steps=steps,
                loss=loss,
                accuracy=accuracy,
                images_per_second=speed,
            )
            clock.start()
    return progress(state, recipe, count)


def train_step(state: State, data: DataSet, draws: Draws, recipe: Recipe, engine: Engine) -> None:
    """Learn from one batch: scores, loss, zero, backward, step. No value leaves the device here."""
    first = state.step * recipe.batch_size
    batch, labels = augmented_batch(
        data.padded, data.train.labels, draws, first, first + recipe.batch_size, **engine.form
    )  # (B, 3, 32, 32), (B,)
    with engine.autocast():
        scores = state.network(batch)  # (B, classes)
        loss = F.cross_entropy(scores, labels, label_smoothing=recipe.label_smoothing)  # ()
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()
    state.tally.add(state.step, loss, scores, labels)
    state.step += 1


@torch.no_grad()
def evaluate(state: State, images: Images, engine: Engine) -> Generator[Step, None, tuple[float, float]]:
    """Mean loss and accuracy on the test images."""
    loss = torch.zeros((), dtype=torch.float64, device=engine.device)
    correct = torch.zeros((), dtype=torch.int64, device=engine.device)
    steps = math.ceil(len(images) / TEST_BATCH)
    state.network.eval()
    clock = Clock()
    for step in range(steps):
        chosen = slice(step * TEST_BATCH, (step + 1) * TEST_BATCH)
        batch, labels = normalised(images.images[chosen], **engine.form), images.labels[chosen]  # (B, 3, 32, 32), (B,)
        with engine.autocast():
            scores = state.network(batch)  # (B, classes)
            loss += F.cross_entropy(scores, labels, reduction="sum")
        correct += (scores.argmax(1) == labels).sum()
        state.seconds += clock.lap()
        if clock.is_due():
            yield Step(epoch=state.epoch, phase="test", step=step + 1, steps=steps)
            clock.start()
    if not loss.isfinite():
        raise Problem(f"test loss became {not_finite(loss)} after epoch {state.epoch}")
    return loss.item() / len(images), correct.item() / len(images)


def progress(state: State, recipe: Recipe, count: int) -> tuple[float, float]:
    """Mean loss and accuracy over the images of this epoch so far. Here the values leave the device."""
    losses: Tensor = state.tally.losses[: state.step].double().cpu()
    bad = losses.isfinite().logical_not().nonzero()
    if len(bad):
        step = int(bad[0])
        raise Problem(f"loss became {not_finite(losses[step])} at epoch {state.epoch}, step {step + 1}")
    seen = min(state.step * recipe.batch_size, count)
    sizes = torch.full_like(losses, recipe.batch_size)
    sizes[-1] -= state.step * recipe.batch_size - seen  # the last batch of an epoch may be short
    return float(losses @ sizes) / seen, state.tally.correct.item() / seen


def not_finite(loss: Tensor) -> str:
    return "NaN" if loss.isnan() else "infinite"


def steps_of(images: Images, recipe: Recipe) -> int:
    """Steps of an epoch: the last one may learn from fewer images than the others."""
    return math.ceil(len(images) / recipe.batch_size)


class Clock:
    """Counts the seconds in which a generator works, not those in which its reader saves, pauses or draws."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._begun = self._mark = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap or start."""
        now = time.perf_counter()
        lap, self._mark = now - self._mark, now
        return lap

    def is_due(self) -> bool:
        """Is it time for the next Step?"""
        return self._mark - self._begun >= PERIOD
