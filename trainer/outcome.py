"""What becomes of a run that something went wrong with."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from store.records import Run
from trainer.lifecycle import ended

Wish = Literal["stopped", "paused", "interrupted"]
"""What somebody wants to become of a run that trains: its next status."""

MOST_LOST = 2  # devices that may stop working under a run; it is then the run that does it, and it fails


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
