"""Keeps the screen clean: Textual draws to file descriptor 2, and so does every warning of C++ and CUDA.

While the app runs, descriptor 2 is the log file and Textual draws to a duplicate of the terminal.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOG_NAME = "cifar-tui.log"


@contextmanager
def guarded_stderr(log: Path) -> Iterator[None]:
    """Send descriptor 2, warnings and unhandled errors of threads to `log`, and `sys.__stderr__` to the terminal.

    Where the log cannot be written (a read-only home), they go nowhere.
    """
    terminal = os.dup(2)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        target = os.open(os.devnull, os.O_WRONLY)
    sys.stderr.flush()
    os.dup2(target, 2)
    os.close(target)
    original, excepthook = sys.__stderr__, threading.excepthook
    # Textual's driver takes sys.__stderr__ when the app starts (textual/drivers/linux_driver.py).
    sys.__stderr__ = os.fdopen(terminal, "w", encoding="utf-8", closefd=False)  # type: ignore[misc]
    handler = logging.StreamHandler(os.fdopen(2, "w", encoding="utf-8", closefd=False))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_error
    try:
        yield
    finally:
        threading.excepthook = excepthook
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(handler)
        handler.flush()
        with suppress(OSError):  # the terminal may have gone
            sys.__stderr__.flush()
        sys.__stderr__ = original  # type: ignore[misc]
        os.dup2(terminal, 2)
        os.close(terminal)


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread else "a thread"
    error = args.exc_value or args.exc_type()
    logging.getLogger("cifar-tui").error("%s ended with an error", name, exc_info=error)
