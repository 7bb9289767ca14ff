"""epochs.jsonl: one line an epoch. A line that is on the disk is the acknowledgement of its epoch."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import RLock

import msgspec

from store import files
from store.errors import StoreError
from store.records import Epoch

NAME = "epochs.jsonl"
_decoder = msgspec.json.Decoder(Epoch)


def parse(data: bytes, known: int = 0) -> tuple[list[Epoch], int]:
    """The epochs in whole lines, up to the first that is not the next epoch, and how many bytes they take.

    `known` is how many epochs stand before this data: the first line here must be of epoch `known` + 1.
    """
    epochs: list[Epoch] = []
    end = 0
    while (newline := data.find(b"\n", end)) >= 0:
        try:
            epoch = _decoder.decode(data[end:newline])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            break
        if epoch.epoch != known + len(epochs) + 1:
            break
        epochs.append(epoch)
        end = newline + 1
    return epochs, end


def same_result(one: Epoch, other: Epoch) -> bool:
    """Whether two epochs say the same, apart from how long they took."""
    timeless = msgspec.structs.replace(one, seconds=other.seconds, images_per_second=other.images_per_second)
    return timeless == other


class History:
    """The epochs of one run. One thread at a time may write; reading never waits for the disk of a writer."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.epochs: tuple[Epoch, ...] = ()  # as of the last `read`, `append` or `rewind`
        self._end = 0  # bytes of the file that hold them
        self._inode = 0
        self.is_read = False
        self._name_is_safe = False  # whether this process has waited for the file's name to reach the disk
        self._lock = RLock()

    def read(self) -> tuple[Epoch, ...]:
        """Look at the file again; only what was added since is read. A torn last line is not there yet."""
        with self._lock:
            try:
                with self.path.open("rb") as file:
                    status = os.fstat(file.fileno())
                    if status.st_ino == self._inode and status.st_size == self._end:
                        return self.epochs
                    if status.st_ino != self._inode or status.st_size < self._end:
                        self._forget()
                    self._inode = status.st_ino
                    file.seek(self._end)
                    added, size = parse(file.read(), len(self.epochs))
            except FileNotFoundError:
                self._forget()
                added, size = [], 0
            self.epochs += tuple(added)
            self._end += size
            self.is_read = True
            return self.epochs

    def append(self, epoch: Epoch) -> None:
        """Write the line of the next epoch; once this returns, it would outlive a power cut.

        An epoch that is there already with the same result is acknowledged again. Raises StoreError for any other
        number than the next, or a number that JSON cannot write (NaN, infinity); OSError leaves the file as it was.
        """
        with self._lock:
            check_finite(epoch)
            self.read()
            count = len(self.epochs)
            if 1 <= epoch.epoch <= count and same_result(self.epochs[epoch.epoch - 1], epoch):
                line = b""  # it may be there from a process that was killed before it could wait for the disk
            elif epoch.epoch == count + 1:
                line = msgspec.json.encode(epoch) + b"\n"
                self._keep_unreadable_lines()
            else:
                raise StoreError(f"{self.path} holds {count} epochs, so epoch {epoch.epoch} cannot be written next")
            with self._known_after_failure():
                fd = files.disk.create(self.path)
                try:
                    self._write_line(fd, line)
                finally:
                    os.close(fd)
                if not self._name_is_safe:
                    files.disk.sync_folder(self.path.parent)
                    self._name_is_safe = True
            if line:
                self._end += len(line)
                self.epochs = (*self.epochs, epoch)

    def rewind(self, epochs: int) -> None:
        """Keep the first `epochs` lines, in one step. A file that has no more than that is left as it is."""
        with self._lock:
            if len(self.read()) > epochs:
                lines = self.path.read_bytes()[: self._end].splitlines(keepends=True)[:epochs]
                with self._known_after_failure():
                    files.replace(self.path, b"".join(lines))
                self.read()
            elif self.path.exists():
                files.disk.sync_folder(self.path.parent)  # it may be so from a try whose last step failed

    def tail(self) -> bytes:
        """What stands in the file after the last epoch that can be read: torn by a kill, or damaged."""
        with self._lock, suppress(FileNotFoundError):
            self.read()
            return self.path.read_bytes()[self._end :]
        return b""

    def mend(self) -> str | None:
        """Cut off what cannot be read after the last whole epoch. Returns what was done, in words."""
        with self._lock:
            tail = self.tail()
            if not tail:
                return None
            aside = self._keep_unreadable_lines()
            fd = files.disk.create(self.path)
            try:
                files.disk.truncate(fd, self._end)
                files.disk.sync(fd)
            finally:
                os.close(fd)
            what = f"{self.path}: cut off {len(tail)} unreadable bytes after epoch {len(self.epochs)}"
            return f"{what}; the file as it was is kept as {aside.name}" if aside else what

    @contextmanager
    def _known_after_failure(self) -> Iterator[None]:
        """A change that fails may still have reached the file: what is known is then read from there."""
        try:
            yield
        except OSError:
            with suppress(OSError):
                self.read()
            raise

    def _write_line(self, fd: int, line: bytes) -> None:
        """Write at the end of the known lines; what a kill left there goes."""
        self._inode = os.fstat(fd).st_ino
        if os.fstat(fd).st_size != self._end:
            files.disk.truncate(fd, self._end)
        try:
            if line:
                files.disk.write(fd, line, self._end)
            files.disk.sync(fd)
        except OSError:
            with suppress(OSError):
                files.disk.truncate(fd, self._end)
            raise

    def _keep_unreadable_lines(self) -> Path | None:
        """A torn last line was never acknowledged; whole lines that cannot be read may have been: keep a copy."""
        if not self.path.exists() or self.path.stat().st_size == self._end or b"\n" not in self.tail():
            return None
        aside = self.path.with_name(f"{NAME}.damaged-{datetime.now():%Y%m%d-%H%M%S}")
        files.replace(aside, self.path.read_bytes())
        return aside

    def _forget(self) -> None:
        self.epochs, self._end, self._inode = (), 0, 0


def check_finite(record: msgspec.Struct) -> None:
    """Raises StoreError when a number of the record, or of a record in it, is NaN or infinite: JSON has neither."""
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise StoreError(f"{name} is {value}, which cannot be stored")
        if isinstance(value, msgspec.Struct):
            check_finite(value)
