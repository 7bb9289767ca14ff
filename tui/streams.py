"""Standard streams as the rest of the program may expect them, whatever the parent process left of them."""

from __future__ import annotations

import io
import os
import sys


def prepare_streams() -> None:
    """Where a stream is closed, nothing is read or written: else the next file that is opened would take its number,
    and what a library prints would land in that file. Characters that the encoding lacks become question marks."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
