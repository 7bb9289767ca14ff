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
from torch.nn import functional as F

from store.errors import Problem
from store.records import Epoch, Recipe, Step
from trainer.augment import normalised
from trainer.batch import Drawn, Place, draw, training_batch
from trainer.data import DataSet, Images
from trainer.engine import Engine
from trainer.extras import cross_entropy
from trainer.optim import learning_rate, set_learning_rate
from trainer.state import Reading, State, Tally, stable_hash

PERIOD = 0.25  # seconds from one Step to the next, at least


def fit(state: State, data: DataSet, recipe: Recipe, seed: int, engine: Engine) -> Iterator[Step | Epoch]:
    """Train from where `state` stands to the recipe's last epoch. Raises Problem when the loss is not finite."""
    while state.epoch <= recipe.epochs:
        train_loss, train_accuracy = yield from train(state, data, recipe, seed, engine)
        test_loss, test_accuracy = yield from evaluate(state, data.test, recipe, engine)
        epoch = Epoch(
            epoch=state.epoch,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            learning_rate=learning_rate(recipe, state.epoch, state.step - 1, state.step),
            seconds=state.seconds,
            images_per_second=len(data.train) / state.train_seconds,
        )
        state.close(epoch)
        yield epoch


def train(
    state: State, data: DataSet, recipe: Recipe, seed: int, engine: Engine
) -> Generator[Step, None, tuple[float, float]]:
    """One pass over the training images, or what is left of it: mean loss and accuracy while the weights changed."""
    clock = Clock()
    if state.step == 0:  # dropout draws from a generator of its own, afresh each epoch
        state.generator.manual_seed(stable_hash(seed, state.epoch, "dropout"))
    count, steps = len(data.train), steps_of(data.train, recipe)
    drawn = engine.hold(draw(recipe, count, steps, seed, state.epoch))
    state.network.train()
    while state.step < steps:
        set_learning_rate(state.optimizer, learning_rate(recipe, state.epoch, state.step, steps))
        if state.average:
            state.average.set_weight((state.epoch - 1) * steps + state.step)
        engine.train(train_step, state, data, drawn, recipe)
        state.step += 1
        state.spend(clock.lap())
        if clock.is_due() and (reading := engine.glance(state.tally, state.step)):
            loss, accuracy = means(reading, recipe.batch_size, count, f"loss became {{}} at epoch {state.epoch}")
            speed = min(state.step * recipe.batch_size, count) / state.train_seconds
            yield Step(
                epoch=state.epoch,
                phase="train",
                step=len(reading.losses),
                steps=steps,
                loss=loss,
                accuracy=accuracy,
                images_per_second=speed,
            )
            clock.start()
    reading = state.tally.read(steps)  # a GPU may be some steps behind
    state.spend(clock.lap())
    return means(reading, recipe.batch_size, count, f"loss became {{}} at epoch {state.epoch}")


def train_step(state: State, data: DataSet, drawn: Drawn, recipe: Recipe, engine: Engine, at: Place) -> None:
    """Learn from one batch: zero, scores, loss, backward, step. No value leaves the device here."""
    state.optimizer.zero_grad()  # first: old gradients would be in the way of what the scores need
    batch, labels = training_batch(data, drawn, recipe, at, engine.form)  # (B, 3, 32, 32), (B,)
    scores = engine.scores(state.network, batch)  # (B, classes)
    loss = cross_entropy(scores, labels, drawn.extras, at.step, recipe.label_smoothing)  # ()
    engine.backward(state, loss)
    engine.update(state, recipe.clip_norm)
    if state.average:
        state.average.follow(state.network)
    state.tally.add(at.step, loss, scores, labels)


def evaluate(
    state: State, images: Images, recipe: Recipe, engine: Engine
) -> Generator[Step, None, tuple[float, float]]:
    """Mean loss and accuracy on the test images."""
    steps = math.ceil(len(images) / engine.test_batch)
    tally = engine.test_tally(state, steps)
    state.result.eval()
    clock = Clock()
    for step in range(steps):
        engine.test(test_step, state, images, recipe, tally, step)
        state.seconds += clock.lap()
        if clock.is_due():
            yield Step(epoch=state.epoch, phase="test", step=step + 1, steps=steps)
            clock.start()
    reading = tally.read(steps)
    state.seconds += clock.lap()
    return means(reading, engine.test_batch, len(images), f"test loss became {{}} after epoch {state.epoch}")


@torch.no_grad()
def test_step(state: State, images: Images, recipe: Recipe, tally: Tally, engine: Engine, at: Place) -> None:
    """Judge one batch of test images. No value leaves the device here."""
    batch, labels = normalised(images.images[at.rows], **engine.form), images.labels[at.rows]  # (B, 3, 32, 32), (B,)
    scores = engine.scores(state.result, batch)  # (B, classes)
    if recipe.test_flip:
        scores = (scores + engine.scores(state.result, batch.flip(3))) / 2
    loss = F.cross_entropy(scores, labels)  # ()
    tally.add(at.step, loss, scores, labels)


def means(reading: Reading, batch: int, count: int, complaint: str) -> tuple[float, float]:
    """Mean loss and accuracy over the images of a pass over `count` images so far.

    Raises Problem with this complaint, and the step, when a loss is not finite.
    """
    losses, correct = reading
    bad = losses.isfinite().logical_not().nonzero()
    if len(bad):
        step = int(bad[0])
        raise Problem(f"{complaint.format('NaN' if losses[step].isnan() else 'infinite')}, step {step + 1}")
    seen = min(len(losses) * batch, count)
    sizes = torch.full_like(losses, batch)
    sizes[-1] -= len(losses) * batch - seen  # the last batch of a pass may be short
    return float(losses @ sizes) / seen, correct / seen


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
