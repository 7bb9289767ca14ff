"""A process that works on a store and says each line once it is acknowledged.

python -m tests.store.hammer work HOME          add runs and epochs until killed
python -m tests.store.hammer share HOME TIMES   own the store so many times, a run each, beside others who want it; the
                                                first time that it is refused is said, too
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from store.records import Run
from store.runs import RunStore, StoreInUse
from tests.store.samples import an_epoch


def say(*words: object) -> None:
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def train(store: RunStore) -> None:
    """A run of two epochs, from its beginning to its end."""
    run = Run(id=store.new_id(), model="lenet", status="running", created=datetime.now(UTC))
    store.add(run)
    say("added", run.id)
    for number in (1, 2):
        store.append(run.id, an_epoch(number))
        say("epoch", run.id, number)
    store.save(replace(run, status="done"))
    say("done", run.id)


def work(home: Path) -> None:
    with RunStore.open(home) as store:
        while True:
            train(store)


def share(home: Path, times: int) -> None:
    """Whoever owns the store makes a file that must not be there yet: two owners at once would notice."""
    mark = home.with_name("owned")
    refused = False
    while times:
        try:
            store = RunStore.open(home)
        except StoreInUse:
            if not refused:
                say("refused")
            refused = True
            continue
        with store:
            mark.touch(exist_ok=False)
            train(store)
            mark.unlink()
        times -= 1


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work(Path(sys.argv[2]))
    else:
        share(Path(sys.argv[2]), int(sys.argv[3]))
