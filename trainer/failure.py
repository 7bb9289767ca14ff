"""What ended a run, in one line for the user, and whole in its log."""

from __future__ import annotations

import errno
import traceback
from datetime import UTC, datetime
from pathlib import Path

from store.errors import DiskFull, Problem
from zoo import UnfitModel


def in_words(error: Exception) -> str:
    """One line that says what went wrong."""
    if is_disk_full(error):
        return "the disk is full; the last checkpoint is kept, and the run can go on when there is room"
    if isinstance(error, Problem | UnfitModel):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def is_disk_full(error: BaseException) -> bool:
    """Was it the disk, or the user's share of it, that had no room?"""
    return isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT})


def write_log(folder: Path, error: Exception) -> None:
    """Add the traceback to the run's log. A disk that is full loses it: the run's one line is kept all the same."""
    lines = traceback.format_exception(error)
    try:
        with (folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n{''.join(lines)}\n")
    except OSError:
        return
