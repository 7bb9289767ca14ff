"""When everything will be done: what trains and what waits, together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest

from store.records import Run, Step
from trainer.estimate import Estimate, Paces
from tui import progress


def together(
    estimates: Sequence[Estimate], devices: Sequence[str] = ("cpu",), pins: Sequence[str | None] = ()
) -> Estimate:
    """Until all of these runs have ended, when each device takes the next one as soon as it is free. They come in the
    order in which they begin, each with the device it is bound to, if any."""
    free = dict.fromkeys(devices, 0.0)  # when each device will be
    for one, pin in zip_longest(estimates, pins):
        device = pin if pin in free else min(free, key=free.__getitem__)
        free[device] += one.seconds
    return Estimate(max(free.values()), all(one.measured for one in estimates))


def still_to_come(runs: Collection[Run], steps: Mapping[str, Step], paces: Paces) -> dict[str, Estimate | None]:
    """What runs that train or wait for a device still need, by id; None for those that nothing is known about.

    What is paused or was interrupted waits for its user, not for a device, and does not count.
    """
    found: dict[str, Estimate | None] = {}
    for run in runs:
        step = steps.get(run.id)
        if run.epochs_done or (step and step.images_per_second):
            left = progress.left(run, step, step.images_per_second if step else None)
            found[run.id] = None if left is None else Estimate(left, measured=True)
        else:
            found[run.id] = paces.run(run.model, run.recipe)
    return found
