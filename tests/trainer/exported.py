"""Runs and epochs to export."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from store.records import Epoch, Recipe, Run


def a_run(**more: Any) -> Run:
    """A run of LeNet that has not begun, unless told otherwise."""
    facts: dict[str, Any] = {
        "id": "k3fd",
        "model": "lenet",
        "recipe": Recipe(epochs=3),
        "params": 62_006,
        "created": datetime(2026, 1, 1, 12, tzinfo=UTC),
        "device": "CPU",
        "plan": "fp32, contiguous, 2 threads",
    }
    return Run(**(facts | more))


def epochs_of(count: int) -> list[Epoch]:
    """Epochs that grow better, the last one a little worse."""
    return [
        Epoch(
            epoch=number,
            train_loss=2.0 / number,
            train_accuracy=0.3 + 0.1 * number,
            test_loss=2.1 / number,
            test_accuracy=0.3 + 0.09 * number - (0.1 if number == count > 1 else 0.0),
            learning_rate=0.01,
            seconds=10.5,
            images_per_second=5000.0,
        )
        for number in range(1, count + 1)
    ]
