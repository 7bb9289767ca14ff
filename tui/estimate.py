"""When everything will be done: what trains and what waits, together."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from store.records import Run, Step
from trainer.estimate import Estimate, Paces
from tui import progress


def together(estimates: Collection[Estimate], devices: int = 1) -> Estimate:
    """Until all of these runs have ended, on so many devices side by side: at least as long as the longest."""
    longest = max(one.seconds for one in estimates)
    total = sum(one.seconds for one in estimates)
    return Estimate(max(longest, total / devices), all(one.measured for one in estimates))


def still_to_come(runs: Collection[Run], steps: Mapping[str, Step], paces: Paces) -> tuple[list[Estimate], int]:
    """What runs that train or wait for a device still need, and how many of them nothing is known about.

    What is paused or was interrupted waits for its user, not for a device, and does not count.
    """
    known, unknown = [], 0
    for run in runs:
        step = steps.get(run.id)
        if run.epochs_done or (step and step.images_per_second):
            left = progress.left(run, step, step.images_per_second if step else None)
            estimate = None if left is None else Estimate(left, measured=True)
        else:
            estimate = paces.run(run.model, run.recipe)
        if estimate is None:
            unknown += 1
        else:
            known.append(estimate)
    return known, unknown
