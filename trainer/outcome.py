"""What becomes of a run that something went wrong with."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from store.records import Run
from trainer.lifecycle import ended

Wish = Literal["stopped", "paused", "interrupted"]
"""What somebody wants to become of a run that trains: its next status."""

MOST_LOST = 2  # devices that may stop working under a run; it is then the run that does it, and it fails


MOST_KILLED = 3  # workers that may be lost under a run in the same epoch


class Losses:
    """How often the workers of a run were lost without getting it any further."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}  # by run: the epochs that were done, and how often

    def count(self, run: Run) -> int:
        """Another time: returns how often now."""
        epochs, times = self._known.get(run.id, (-1, 0))
        times = times + 1 if epochs == run.epochs_done else 1
        self._known[run.id] = run.epochs_done, times
        return times


def failed(run: Run, why: str) -> Run:
    """It was the run's own fault."""
    return ended(run, "failed", why)


def without_room(run: Run, wish: Wish | None, why: str) -> Run:
    """There was no room on the disk: the run goes on when there is, unless its user wants something else."""
    if wish == "stopped":
        return ended(run, "stopped", why)
    if wish is None:
        return replace(run, status="paused", error=f"{why}; it goes on by itself when there is room")
    return replace(run, status=wish, notice=why)


def without_device(run: Run, wish: Wish | None, device: str, why: str) -> Run:
    """Its device stopped working: the run waits for another one and goes on from its last checkpoint. A run that has
    lost several devices fails, or it would take all of them."""
    run = replace(run, lost_devices=(*run.lost_devices, device))
    if wish == "stopped":
        return ended(run, "stopped", why)
    if len(run.lost_devices) >= MOST_LOST:
        lost = " and ".join(dict.fromkeys(run.lost_devices))
        return failed(run, f"{why}; {len(run.lost_devices)} times a device stopped working while it trained: {lost}")
    notice = f"{device} stopped working while it trained: {why}"
    return replace(run, status=wish or "queued", error=None, notice=notice)


def without_worker(run: Run, wish: Wish | None, why: str, times: int) -> Run:
    """Its worker on another machine was lost, so many times by now in this epoch: the run goes on from its last
    checkpoint, wherever there is place. One that loses worker after worker fails: it may need too much memory."""
    if wish == "stopped":
        return ended(run, "stopped", why)
    if times >= MOST_KILLED:
        return failed(run, f"{why}; {times} workers were lost in the same epoch")
    where = f"it went on after epoch {run.epochs_done}" if run.epochs_done else "it began again"
    return replace(run, status=wish or "queued", error=None, notice=f"{why}: {where}")
