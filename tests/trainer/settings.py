"""Settings of a recipe that several tests share."""

from __future__ import annotations

from typing import Any

BEYOND_PUBLISHED: dict[str, Any] = {
    "decay_on": "weights",
    "clip_norm": 1.0,
    "policy": "randaugment",
    "cutout": 8,
    "mixup": 0.4,
    "label_smoothing": 0.1,
    "average": 0.9,
    "test_flip": True,
}
"""All that a step can do besides what the published recipe does; the schedule is the test's to choose."""
