"""In which order runs train, and on which device.

The order is the one that is shown: a device that is free takes the first waiting run that it may train, and a run that
is pinned may only be trained by its device. Where a run comes to wait when it is queued:

- with one device, at the end;
- with several, the longest expected run first, because what is left for the end should be short: then all devices are
  done at about the same time. ("Longest processing time first": R. L. Graham, "Bounds on Multiprocessing Timing
  Anomalies", 1969; it ends at most 4/3 as late as the best order would.)

Runs that wait already keep their order; what the user has moved by hand, and all before it, is never overtaken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from statistics import fmean

from msgspec.structs import replace

from store.records import Run
from trainer.device import in_words, is_cpu, is_meant
from trainer.estimate import Paces, cost_of, load

Length = Callable[[Run], float]
"""How long a run will take, in seconds."""

NOMINAL = 1e12  # MACs a second, where nothing was ever trained: only the order matters then, not the seconds
TRAIN_COST = 3.0  # of an image that is trained, in forward passes


def may_train(run: Run, device: str) -> bool:
    """May this device of the session train the run?"""
    return run.pinned_to is None or is_meant(run.pinned_to, device)


def why_nowhere(run: Run, devices: Sequence[str], lost: Mapping[str, str]) -> str | None:
    """Why none of a session's devices can train a run, in words; None when one can. `lost` are those that stopped
    working, and why."""
    meant = [device for device in devices if may_train(run, device)]
    if not all(device in lost for device in meant):
        return None
    why = ", ".join(f"{device} is set aside ({lost[device]})" for device in dict.fromkeys(meant))
    if run.pinned_to is None:
        return f"no device is left: {why}"
    return f"pinned to {run.pinned_to}: {why or 'this session does not train on it'}"


class Line:
    """The runs that wait for a worker, in order."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._runs

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs.values())

    def __len__(self) -> int:
        return len(self._runs)

    def put(self, run: Run) -> None:
        """Let a run wait, or know a newer snapshot of one that does, at the place that its position says."""
        runs = self._runs | {run.id: run}
        self._runs = {one.id: one for one in sorted(runs.values(), key=lambda one: one.position)}

    def know(self, run: Run) -> None:
        """A newer snapshot, if it waits."""
        if run.id in self._runs:
            self.put(run)

    def take(self, id: str) -> None:
        """Let a run wait no longer, if it does."""
        self._runs.pop(id, None)

    def first_for(self, device: str) -> Run | None:
        """What this device is to train next."""
        return next((run for run in self if may_train(run, device)), None)


class Lengths:
    """How long runs are expected to take on the devices of a session."""

    def __init__(self, runs: Sequence[Run], devices: Sequence[str]) -> None:
        """`runs` that have trained, the newest last, and the devices of the session."""
        seen = {run.device_id: run.device for run in runs}
        words = {device: seen.get(device, "") for device in devices} | in_words(devices)
        by_words = {one: Paces(runs, one) for one in set(words.values())}
        self._paces = {device: by_words[one] for device, one in words.items()}
        self._anywhere = Paces(runs, None)
        self._on_gpu = not all(map(is_cpu, devices))

    def __call__(self, run: Run) -> float:
        """Seconds that are left: on the device that it is pinned to, else the mean of all that can be told. Where
        nothing was trained yet they are made of MACs, and are right in proportion only. Infinite where nothing is
        known: begun first, such a run does the least harm."""
        asked = [paces for device, paces in self._paces.items() if may_train(run, device)]
        for paces in (set(asked), {self._anywhere}):
            told = [one.run(run.model, run.recipe, run.epochs_done) for one in paces]
            if seconds := [estimate.seconds for estimate in told if estimate is not None]:
                return fmean(seconds)
        work = cost_of(run.model, self._on_gpu) * TRAIN_COST * load(run.recipe) * (run.recipe.epochs - run.epochs_done)
        return work / NOMINAL if work else float("inf")


def places(newcomers: Sequence[Run], waiting: Iterable[Run], last: float, length: Length | None) -> list[Run]:
    """The newcomers, each with its position, in the order in which they will train; and before them the waiting runs
    that had to get another position for that. `last` is the last position that is taken; without a `length` they go to
    the end."""
    line = sorted(waiting, key=lambda run: run.position)
    new = {run.id for run in newcomers}
    if length is None:
        return [replace(run, position=last + number) for number, run in enumerate(newcomers, 1)]
    known = {run.id: length(run) for run in (*line, *newcomers)}
    first = max((place for place, run in enumerate(line, 1) if run.moved), default=0)  # what the user has put stays
    for run in sorted(newcomers, key=lambda run: -known[run.id]):
        place = len(line)
        while place > first and known[line[place - 1].id] < known[run.id]:
            place -= 1
        line.insert(place, run)
    positions = _between(line, new, last)
    if any(positions[one.id] >= positions[other.id] for one, other in pairwise(line)):
        positions = {run.id: float(number) for number, run in enumerate(line, 1)}  # floats have no more room between
    moved = [run for run in line if run.id not in new and positions[run.id] != run.position]
    return [replace(run, position=positions[run.id]) for run in (*moved, *(run for run in line if run.id in new))]


def _between(line: Sequence[Run], new: set[str], last: float) -> dict[str, float]:
    """A position for each run of the line: those of the new ones lie evenly between those of their neighbours."""
    positions: dict[str, float] = {}
    before: float | None = None
    groups = [list(runs) for _, runs in groupby(line, key=lambda run: run.id in new)]
    for number, runs in enumerate(groups):
        if runs[0].id not in new:
            positions |= {run.id: run.position for run in runs}
            before = runs[-1].position
        elif number + 1 == len(groups):
            positions |= {run.id: last + place for place, run in enumerate(runs, 1)}
        else:
            after = groups[number + 1][0].position
            step = 1.0 if before is None else (after - before) / (len(runs) + 1)
            positions |= {run.id: after - step * (len(runs) - place) for place, run in enumerate(runs)}
    return positions
