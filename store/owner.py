"""One writer: who holds owner.lock owns the store. The operating system takes the lock from a process that dies."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from store import files
from store.errors import Problem

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK, RECORD = "owner.lock", "owner.json"
PATIENCE = 0.5  # seconds to wait for the record of an owner who has just taken the lock


class Owner(Struct, frozen=True, kw_only=True):
    """Which process owns a store. What it says of itself: only the lock decides who owns it."""

    pid: int
    host: str
    since: datetime
    started: float = 0.0  # when the process began, seconds since 1970: tells it from a later one with the same pid

    def __str__(self) -> str:
        since = self.since.astimezone()
        is_today = since.date() == datetime.now().astimezone().date()
        return f"process {self.pid} on host {self.host} since {since:{'%H:%M' if is_today else '%Y-%m-%d %H:%M'}}"

    def may_be_alive(self) -> bool:
        """Whether the process runs, as far as can be seen from this host."""
        return self.host != socket.gethostname() or (self.started != 0.0 and _started(self.pid) == self.started)


class StoreInUse(Problem):
    """Another process owns the store. `owner` is who, when that could be read."""

    status = 3

    def __init__(self, home: Path, owner: Owner | None) -> None:
        self.owner = owner
        who = owner or "another process"
        super().__init__(f"the store {home} is in use by {who}; close it there, or name another --home")


def owner_of(home: Path) -> Owner | None:
    """Who seems to own the store now; for showing. Nothing is locked."""
    try:
        owner = msgspec.json.decode((home / RECORD).read_bytes(), type=Owner)
        str(owner)  # a time at the end of the calendar cannot be told
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError):
        return None
    return owner if owner.may_be_alive() else None


class Ownership:
    """The ownership of a store, taken. Let go with `release`, or by the end of the process."""

    def __init__(self, home: Path) -> None:
        """Take it at once, or raise StoreInUse. Raises OSError when no lock file can be made there."""
        from filelock import FileLock, Timeout  # only owners need it, and reading commands should start quickly

        self._home = home
        self._lock: BaseFileLock = FileLock(home / LOCK, mode=0o600, thread_local=False)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise StoreInUse(home, _wait_for_record(home)) from None
        try:
            owner = Owner(
                pid=os.getpid(),
                host=socket.gethostname(),
                since=datetime.now().astimezone(),
                started=_started(os.getpid()),
            )
            files.replace(home / RECORD, msgspec.json.encode(owner))
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go. Twice is harmless."""
        if self._lock.is_locked:
            try:
                with suppress(OSError):
                    files.disk.unlink(self._home / RECORD)
            finally:
                self._lock.release()


def _wait_for_record(home: Path) -> Owner | None:
    """The record of the owner, who may have taken the lock just now and not have written it yet."""
    end = time.monotonic() + PATIENCE
    while (owner := owner_of(home)) is None and time.monotonic() < end:
        time.sleep(0.02)
    return owner


def _started(pid: int) -> float:
    """When a process began, in seconds since 1970; 0 when there is none or it cannot be seen."""
    import psutil  # as for filelock

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0
