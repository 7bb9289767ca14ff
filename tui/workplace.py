"""Where a session trains: on the devices of this machine, or on the slots of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from store.runs import RunStore
from trainer.queue import JobQueue, Open, Tell, opener
from tui.session import Session


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a queue needs to train."""

    open: Open
    devices: Sequence[str]  # one worker thread each
    devices_now: Callable[[], Sequence[str]] | None = None  # where they come and go

    def queue(self, store: RunStore, tell: Tell) -> JobQueue:
        return JobQueue(store, self.open, self.devices, tell, devices_now=self.devices_now)


@contextmanager
def workplace(session: Session) -> Iterator[Workplace]:
    """Connects to the cluster where the session names one, and leaves it at the end. Raises Problem.

    Before Textual takes the terminal: inside it, Ray does not start.
    """
    if session.cluster is None:
        yield Workplace(opener(session.source_of), session.devices)
        return
    from trainer.cluster import connect

    cluster = connect(session.cluster)
    try:
        yield Workplace(cluster.opener(session.source_of), cluster.slots(), cluster.slots)
    finally:
        cluster.close()
