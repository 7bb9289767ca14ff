"""How far a run is, how long it took and how long it may still take, from its newest snapshot and the step it is in."""

from __future__ import annotations

from datetime import datetime, timedelta

from store.records import Run, Step
from trainer.estimate import TRAIN_IMAGES
from tui import words

TEST_SHARE = 0.1  # of an epoch that counts as its evaluation in the bars


def epoch_share(step: Step | None) -> float:
    """How much of the current epoch is done: 0 … 1."""
    if step is None or step.phase == "prepare" or step.steps == 0:
        return 0.0
    if step.phase == "train":
        return (1 - TEST_SHARE) * step.step / step.steps
    return 1 - TEST_SHARE + TEST_SHARE * step.step / step.steps


def share(run: Run, step: Step | None) -> float:
    """How much of the run is done: 0 … 1."""
    return min(1.0, (run.epochs_done + epoch_share(step)) / run.recipe.epochs)


def elapsed(run: Run, step: Step | None, speed: float | None) -> float:
    """Seconds of training so far: the finished epochs, and what images a second tell of the current one."""
    return run.seconds + epoch_share(step) * (seconds_per_epoch(run, speed) or 0.0)


def left(run: Run, step: Step | None, speed: float | None) -> float | None:
    """Seconds to the end, about; None while nothing is known of the speed."""
    each = seconds_per_epoch(run, speed)
    return None if each is None else each * max(0.0, run.recipe.epochs - run.epochs_done - epoch_share(step))


def seconds_per_epoch(run: Run, speed: float | None) -> float | None:
    """From the finished epochs, else from the images a second of the first one."""
    if run.epochs_done:
        return run.seconds / run.epochs_done
    return (run.recipe.train_limit or TRAIN_IMAGES) / speed / (1 - TEST_SHARE) if speed else None


def now() -> datetime:
    """The local time. A test may put another function in its place."""
    return datetime.now()


def end(seconds: float | None) -> str:
    """The time of day at which something will be over that takes so long: `17:40`."""
    if seconds is None:
        return words.NOTHING
    moment = now()
    return words.clock(moment + timedelta(seconds=seconds), moment)
