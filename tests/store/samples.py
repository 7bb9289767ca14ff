"""Runs and epochs to store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from store.records import Epoch, Run, Status

BEGAN = datetime(2026, 11, 25, 3, 15, tzinfo=UTC)


def a_run(id: str = "a2b3", *, status: Status = "queued", minute: int = 0, model: str = "lenet", seed: int = 0) -> Run:
    return Run(id=id, model=model, status=status, seed=seed, created=BEGAN + timedelta(minutes=minute))


def an_epoch(number: int, *, test_accuracy: float | None = None, seconds: float = 1.5) -> Epoch:
    return Epoch(
        epoch=number,
        train_loss=2.0 / number,
        train_accuracy=0.5,
        test_loss=2.25 / number,
        test_accuracy=1 - 1 / (number + 1) if test_accuracy is None else test_accuracy,
        learning_rate=0.01,
        seconds=seconds,
        images_per_second=4000.0,
    )
