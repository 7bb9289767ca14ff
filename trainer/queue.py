"""What waits, what trains, and the worker threads, one per device. The only file that starts training threads.

A worker takes the first waiting run, asks its Training for news until it ends or somebody wishes otherwise, and tells
every change. torch is not imported here: a Training brings it along, in the worker's thread.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from msgspec.structs import replace

from store.errors import Problem
from store.records import DatasetName, Epoch, Recipe, Run, Status, Step, summarise
from store.runs import RunStore
from trainer.device import prepare_process
from trainer.failure import in_words, is_disk_full, write_log
from trainer.own import lacking_model, require_model
from trainer.source import Source
from zoo import card

Wish = Literal["stopped", "paused", "interrupted"]
"""What somebody wants to become of a run that trains: its next status."""


class Training(Protocol):
    """One run as its worker drives it: ask it for news, and save between two of them."""

    device: str  # in words
    plan: str  # in words
    params: int
    notice: str | None  # what there is to say about its checkpoint
    environment: dict[str, str]  # versions of what it runs with, by name

    @property
    def epochs(self) -> list[Epoch]:
        """The finished epochs that its checkpoint knows."""

    def news(self) -> Iterator[Step | Epoch]:
        """Train. Stopping is not asking on, pausing is asking later."""

    def save(self) -> None:
        """Write a checkpoint from which a later Training goes on exactly here."""

    def write_weights(self) -> None:
        """Write the best and the last weights."""

    def discard_checkpoints(self) -> None:
        """The run is done: nothing will go on from here."""


Open = Callable[[Run, Path, str], Training]
"""Makes the Training of a run, in the thread that will train: the run, its folder, the device ("cpu", "cuda:0")."""

Tell = Callable[[Run, Step | None], None]
"""Hears every change, from any thread: the newest snapshot of a run, and the step it is in while it trains."""


def opener(source_of: Callable[[Run], Source]) -> Open:
    """Opens real trainings, on the images that `source_of` names for a run."""

    def open(run: Run, folder: Path, device: str) -> Training:
        from trainer.job import Job  # imports torch

        return Job(run, folder, device, source_of(run))

    return open


@dataclass(slots=True)
class Active:
    """A run that a worker has taken."""

    run: Run  # its newest snapshot
    worker: threading.Thread
    wish: Wish | None = None
    begun: bool = False  # it is past loading torch, images and network: from here on there is something to save


class JobQueue:
    """Runs that are not over, in order, and one worker thread per device that trains them."""

    def __init__(self, store: RunStore, open: Open, devices: Sequence[str], tell: Tell) -> None:
        self._store, self._open, self._tell = store, open, tell
        self._changed = threading.Condition()  # guards everything below
        self._line: list[str] = []  # ids that wait for a worker, in order
        self._active: dict[str, Active] = {}  # by run id
        self._closing = False
        self._workers = [
            threading.Thread(
                # Inductor's and Dynamo's settings are context variables, which a plain thread would not see.
                target=contextvars.copy_context().run,
                args=(self._work, device),
                name=f"trains on {device}",
                daemon=True,
            )
            for device in devices
        ]

    def start(self) -> None:
        """Start the workers."""
        prepare_process()
        for worker in self._workers:
            worker.start()

    def take_up(self) -> list[Run]:
        """Queue everything that waited or was interrupted when the store was last closed. What was paused stays so,
        and a run whose model is not in the catalogue now stays interrupted and says what it needs."""
        taken = []
        for run in self.jobs():
            with self._changed:
                known = run.id in self._line or run.id in self._active  # it was added a moment ago
            if run.status in {"queued", "interrupted"} and not known:
                if lack := lacking_model(run):
                    self._keep(replace(run, status="interrupted", error=lack))
                else:
                    taken.append(self._enqueue(run))
        return taken

    def add(
        self, model: str, recipe: Recipe, *, seed: int = 0, dataset: DatasetName, data_folder: str | None = None
    ) -> Run:
        """Queue a new run at the end. Raises UnknownModel."""
        chosen = card(model)
        run = Run(
            id=self._store.new_id(),
            model=model,
            dataset=dataset,
            data_folder=data_folder,
            recipe=recipe,
            seed=seed,
            params=chosen.params or 0,  # an own model's may not be known before it is built
            model_file=str(chosen.own.path) if chosen.own else None,
            model_digest=chosen.own.digest if chosen.own else None,
            created=datetime.now(UTC),
            position=self._last_position() + 1,
        )
        self._store.add(run)
        return self._enqueue(run)

    def jobs(self) -> list[Run]:
        """Every run that is not over, in the order in which they train."""
        return sorted((run for run in self._store.runs() if not run.is_over), key=lambda run: run.position)

    def stop(self, id: str) -> None:
        """End a run for good; what it learned is kept."""
        self._wish(id, "stopped")

    def pause(self, id: str) -> None:
        """Save a run and set it aside until `go_on`. A waiting run is only set aside."""
        self._wish(id, "paused")

    def go_on(self, id: str) -> Run:
        """Queue again a run that was paused, stopped, interrupted or failed; it goes on from its last checkpoint."""
        run = self._store.run(id)
        if run.status in {"running", "queued"}:
            with self._changed:
                if id in self._active:
                    self._active[id].wish = None  # it was to be paused or stopped and has not yet been
                    return run
        if run.status == "done":
            raise Problem(f"run {id} is done: there is nothing left to train")
        require_model(run)
        return self._enqueue(run)

    def again(self, id: str) -> Run:
        """Queue a new run with the model, recipe, seed and data of this one, from the start."""
        run = self._store.run(id)
        require_model(run)
        return self.add(run.model, run.recipe, seed=run.seed, dataset=run.dataset, data_folder=run.data_folder)

    def move(self, id: str, by: int) -> None:
        """Move a waiting run up (-1) or down (+1): it changes places with its neighbour."""
        waiting = [run for run in self.jobs() if run.status != "running"]
        here = next((place for place, run in enumerate(waiting) if run.id == id), None)
        if here is None or not 0 <= here + by < len(waiting):
            return
        one, other = waiting[here], waiting[here + by]
        self._keep(replace(one, position=other.position))
        self._keep(replace(other, position=one.position))
        with self._changed:
            order = [run.id for run in self.jobs()]
            self._line.sort(key=order.index)

    def label(self, id: str, tags: Sequence[str], note: str) -> Run:
        """Give a run the user's words, while it trains, too."""
        with self._changed:
            run = self._store.label(id, tags, note)
            if one := self._active.get(id):
                one.run = run = replace(one.run, tags=run.tags, note=run.note)
        self._tell(run, None)
        return run

    def set_aside(self, ids: Sequence[str]) -> None:
        """Forget runs that neither train nor wait; `RunStore.bring_back` undoes it. Raises Problem before anything is
        changed."""
        with self._changed:
            for id in ids:
                if id in self._active or id in self._line:
                    raise Problem(f"run {id} is in the queue: stop it first")
            self._store.set_aside(ids)

    def is_idle(self) -> bool:
        """Nothing trains and nothing waits for a worker."""
        with self._changed:
            return not self._line and not self._active

    def close(self, patience: float = 30.0) -> list[Run]:
        """Interrupt what trains: each run saves after its step. Returns the runs that were in flight.

        A run that is still loading has nothing to save and is not waited for. `patience` is how many seconds to wait
        for the steps of the others; one whose step takes longer goes on from its last checkpoint. `is_working` tells
        that a thread still runs.
        """
        with self._changed:
            self._closing = True
            taken = list(self._active.values())
            for one in taken:
                one.wish = one.wish or "interrupted"
            self._changed.notify_all()
        for one in taken:
            if not one.begun:  # and it never will: see _begin
                one.run = self._keep(replace(one.run, status="interrupted"))
        loading = {one.worker for one in taken if not one.begun}
        until = time.monotonic() + patience
        for worker in self._workers:
            if worker not in loading and worker.ident is not None:
                worker.join(max(0.0, until - time.monotonic()))
        return [one.run for one in taken if one.run.status in {"running", "interrupted"}]

    def is_working(self) -> bool:
        """A worker thread is still alive. Python must then be left by `os._exit`, or it aborts inside a torch call."""
        return any(worker.is_alive() for worker in self._workers)

    # What follows happens in a worker's thread, or is shared by both sides.

    def _work(self, device: str) -> None:
        while one := self._next():
            self._train(one, device)
            with self._changed:
                del self._active[one.run.id]
                self._changed.notify_all()

    def _next(self) -> Active | None:
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._closing)
            if self._closing:
                return None
            id = self._line.pop(0)
            one = self._active[id] = Active(self._store.run(id), threading.current_thread())
            return one

    def _begin(self, one: Active) -> bool:
        """May this run begin, now that everything is loaded? Not when the queue was closed meanwhile."""
        with self._changed:
            one.begun = not self._closing
            return one.begun

    def _train(self, one: Active, device: str) -> None:
        """Train one run until it is done, something goes wrong, or somebody wishes otherwise."""
        self._keep(replace(one.run, status="running", error=None, finished=None), PREPARING)
        folder = self._store.folder(one.run.id)
        try:
            training = self._open(one.run, folder, device)
            if not self._begin(one):
                return
            self._keep(self._agreed(one.run, training), PREPARING)
            wish = self._follow(one, training)
            if wish is None:
                training.write_weights()
                self._keep(ended(one.run, "done"))
                training.discard_checkpoints()
            else:
                training.save()
                if wish == "stopped":
                    training.write_weights()
                self._keep(ended(one.run, wish) if wish == "stopped" else replace(one.run, status=wish))
        except Exception as error:  # whatever it is ends this run, not the queue
            if not one.begun and not self._begin(one):
                return
            write_log(folder, error)
            if is_disk_full(error):
                self._keep(replace(one.run, status="paused", error=in_words(error)))
            else:
                self._keep(ended(one.run, "failed", in_words(error)))

    def _agreed(self, run: Run, training: Training) -> Run:
        """The run as its checkpoint knows it. A line that the checkpoint knows and the file lacks is written again;
        lines that it does not know will come anew."""
        lines, known = self._store.epochs(run.id), training.epochs
        if len(lines) > len(known):
            self._store.rewind(run.id, len(known))
        for epoch in known[len(lines) :]:
            self._store.append(run.id, epoch)
        facts = replace(
            run,
            device=training.device,
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
                    self._tell(one.run, news)
                case Epoch():
                    training.save()  # first the checkpoint, then the line, which acknowledges it
                    self._store.append(one.run.id, news)
                    epochs.append(news)
                    with self._changed:
                        one.run = summarise(one.run, epochs)
                    self._tell(one.run, None)
            with self._changed:
                if one.wish is not None:
                    return one.wish
        return None

    def _enqueue(self, run: Run) -> Run:
        run = self._keep(replace(run, status="queued", error=None, finished=None))
        with self._changed:
            if run.id not in self._line:
                self._line.append(run.id)
            order = [job.id for job in self.jobs()]
            self._line.sort(key=order.index)
            self._changed.notify_all()
        return run

    def _wish(self, id: str, wish: Wish) -> None:
        with self._changed:
            if id in self._active:
                self._active[id].wish = wish
                return
            if id in self._line:
                self._line.remove(id)
        run = self._store.run(id)
        if not run.is_over:
            self._keep(ended(run, "stopped") if wish == "stopped" else replace(run, status=wish))

    def _keep(self, run: Run, step: Step | None = None) -> Run:
        """A newer snapshot: to the store, then to whoever listens."""
        self._store.save(run)
        with self._changed:
            if one := self._active.get(run.id):
                one.run = run = replace(run, tags=one.run.tags, note=one.run.note)  # which `label` may have changed
        self._tell(run, step)
        return run

    def _last_position(self) -> float:
        return max((run.position for run in self.jobs()), default=0.0)


PREPARING = Step(epoch=0, phase="prepare", step=0, steps=0)
"""Shown while torch, the images and the network are being loaded."""


def ended(run: Run, status: Status, error: str | None = None) -> Run:
    """The run, over."""
    return replace(run, status=status, error=error, finished=datetime.now(UTC))
