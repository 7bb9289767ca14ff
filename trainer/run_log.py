"""log.txt of a run, for people: when it began, how it ended and why, and tracebacks whole. Nothing depends on it."""

from __future__ import annotations

import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

NAME = "log.txt"


def note(folder: Path, line: str, error: BaseException | None = None) -> None:
    """Add a line, and the traceback of an error. A disk that refuses loses it: the run's own line is kept elsewhere."""
    text = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC  {line}\n"
    if error is not None:
        text += "".join(traceback.format_exception(error))
    try:
        fd = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(text)
    except OSError:
        return
