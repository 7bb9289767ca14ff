"""What a worker thread does with one run: open it, ask it for news until it ends or somebody wishes otherwise, keep all
that it tells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from msgspec.structs import replace

from store.records import Epoch, Run, Step, summarise
from store.runs import RunStore
from trainer.keeping import Keeper
from trainer.lifecycle import ended
from trainer.outcome import Wish
from trainer.run_log import note
from trainer.training import PREPARING, Open, Training


@dataclass(slots=True)
class Active:
    """A run that a worker has taken."""

    run: Run  # its newest snapshot
    worker: threading.Thread
    wish: Wish | None = None
    begun: bool = False  # it is past loading torch, images and network: from here on there is something to save


class Trainer:
    """Trains runs, in every worker thread: what is known of a run is in its `Active`, guarded by `changed`."""

    def __init__(
        self,
        store: RunStore,
        open: Open,
        keeper: Keeper,
        changed: threading.Condition,
        load: Callable[[Active, Run], bool],
        begin: Callable[[Active], bool],
    ) -> None:
        self._store, self._open, self._keeper = store, open, keeper
        self._changed, self._load, self._begin = changed, load, begin

    def train(self, one: Active, device: str) -> None:
        """Train one run until it is done or somebody wishes otherwise. Whatever goes wrong is raised."""
        folder = self._store.folder(one.run.id)
        run = replace(one.run, status="running", device_id=device, moved=False, error=None, finished=None)
        if not self._load(one, run):
            return
        note(folder, f"begins on {device}")
        with closing(self._open(one.run, folder, run.pinned_to or device)) as training:
            if self._begin(one):
                self._drive(one, training)
                note(folder, f"{one.run.status} after {one.run.epochs_done} epochs")

    def _drive(self, one: Active, training: Training) -> None:
        """Train a run that is loaded."""
        self._keeper.keep(self._agreed(one.run, training), PREPARING)
        wish = self._follow(one, training)
        if wish is None:
            training.write_weights()
            self._keeper.keep(ended(one.run, "done"))
            training.discard_checkpoints()
            return
        training.save()
        if wish == "stopped":
            training.write_weights()
        run = self._agreed(one.run, training)  # on another machine it may have come further than was told
        self._keeper.keep(ended(run, wish) if wish == "stopped" else replace(run, status=wish))

    def _agreed(self, run: Run, training: Training) -> Run:
        """The run as its checkpoint knows it. A line that the checkpoint knows and the file lacks is written again;
        lines that it does not know will come anew."""
        lines, known = self._store.epochs(run.id), training.epochs
        if len(lines) > len(known):
            self._store.rewind(run.id, len(known))
        for epoch in known[len(lines) :]:
            self._store.append(run.id, epoch)
        found = "cpu" if training.device.lower() == "cpu" else "cuda:0"
        facts = replace(
            run,
            device=training.device,
            device_id=found if run.device_id == "auto" else run.device_id,
            plan=training.plan,
            params=training.params,
            environment=training.environment,
        )
        return summarise(replace(facts, notice=training.notice or run.notice), known)

    def _follow(self, one: Active, training: Training) -> Wish | None:
        """Ask for news until there are no more, or until there is a wish: returns it."""
        epochs = training.epochs
        for news in training.news():
            match news:
                case Step():
                    self._keeper.tell(one.run, news)
                case Epoch():
                    training.save()  # first the checkpoint, then the line, which acknowledges it
                    self._store.append(one.run.id, news)
                    epochs.append(news)
                    with self._changed:
                        one.run = summarise(one.run, epochs)
                    self._keeper.tell(one.run, None)
            with self._changed:
                if one.wish is not None:
                    return one.wish
        return None
