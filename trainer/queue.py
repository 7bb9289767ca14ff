"""What waits, what trains, and the worker threads, one per device. The only file that starts training threads.

A worker takes the first waiting run, asks its Training for news until it ends or somebody wishes otherwise, and tells
every change. torch is not imported here: a Training brings it along, in the worker's thread.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from store.errors import Problem
from store.records import DatasetName, Epoch, Recipe, Run, Step, summarise
from store.runs import RunStore
from trainer.device import prepare_process
from trainer.failure import free_memory, in_words, is_device_lost, is_disk_full
from trainer.keeping import Keeper
from trainer.lifecycle import ended, last_position, new_run, wants_to_train
from trainer.own import lacking_model, require_model
from trainer.run_log import note
from trainer.space import has_room
from trainer.training import PREPARING, Open, Tell, Training, opener

__all__ = ["JobQueue", "Open", "Tell", "Training", "opener"]

log = logging.getLogger("cifar-tui")

BETWEEN_LOOKS = 30.0  # seconds from one look at a full disk to the next

Wish = Literal["stopped", "paused", "interrupted"]
"""What somebody wants to become of a run that trains: its next status."""


@dataclass(slots=True)
class Active:
    """A run that a worker has taken."""

    run: Run  # its newest snapshot
    worker: threading.Thread
    wish: Wish | None = None
    begun: bool = False  # it is past loading torch, images and network: from here on there is something to save


class JobQueue:
    """Runs that are not over, in order, and one worker thread per device that trains them."""

    def __init__(
        self,
        store: RunStore,
        open: Open,
        devices: Sequence[str],
        tell: Tell,
        *,
        has_room: Callable[[Path, Run], bool] = has_room,
        between_looks: float = BETWEEN_LOOKS,
    ) -> None:
        self._store, self._open, self._tell = store, open, tell
        self._keeper = Keeper(store, self._heard)
        self._has_room, self._between_looks = has_room, between_looks
        self._devices = tuple(devices)
        self._changed = threading.Condition()  # guards everything below
        self._lost: dict[str, str] = {}  # devices that nothing can train on any more, and why
        self._short: dict[str, float] = {}  # ids of runs that wait for room on the disk, and when each began to
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
                is_known = run.id in self._line or run.id in self._active  # it was added a moment ago
            if wants_to_train(run) and not is_known:
                taken.append(self._take_up(run))
        return [run for run in taken if run.status == "queued"]

    def receive(self) -> list[Run]:
        """Take in the runs that other programs have handed over: they wait at the end of the line."""
        received = self._store.receive()
        return [self._take_up(replace(run, position=last_position(self._store) + 1)) for run in received]

    def add(
        self, model: str, recipe: Recipe, *, seed: int = 0, dataset: DatasetName, data_folder: str | None = None
    ) -> Run:
        """Queue a new run at the end. Raises UnknownModel."""
        return self.add_run(new_run(self._store, model, recipe, seed=seed, dataset=dataset, data_folder=data_folder))

    def add_run(self, run: Run) -> Run:
        """Queue a run that nothing knows of yet."""
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
        self._keeper.keep(replace(one, position=other.position))
        self._keeper.keep(replace(other, position=one.position))
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
            for id in ids:
                self._short.pop(id, None)

    def is_idle(self) -> bool:
        """Nothing trains and nothing waits for a worker."""
        with self._changed:
            return not self._line and not self._active

    @property
    def lost_devices(self) -> dict[str, str]:
        """The devices that stopped working, and why: nothing trains on them until the program is started again."""
        with self._changed:
            return dict(self._lost)

    def has_workers(self) -> bool:
        """Is there a device left to train on?"""
        with self._changed:
            return bool(set(self._devices) - set(self._lost))

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
                one.run = self._keeper.keep_if_possible(replace(one.run, status="interrupted"))
        loading = {one.worker for one in taken if not one.begun}
        until = time.monotonic() + patience
        for worker in self._workers:
            if worker not in loading and worker.ident is not None:
                worker.join(max(0.0, until - time.monotonic()))
        for run in self._keeper.unsaved():
            self._keeper.keep_if_possible(run)
        return [one.run for one in taken if one.run.status in {"running", "interrupted"}]

    def is_working(self) -> bool:
        """A worker thread is still alive. Python must then be left by `os._exit`, or it aborts inside a torch call."""
        return any(worker.is_alive() for worker in self._workers)

    # What follows happens in a worker's thread, or is shared by both sides.

    def _work(self, device: str) -> None:
        while one := self._next(device):
            self._train(one, device)
            with self._changed:
                if self._active.get(one.run.id) is one:  # and not with another worker already
                    del self._active[one.run.id]
                self._changed.notify_all()
            free_memory()

    def _next(self, device: str) -> Active | None:
        """The next run for this device's worker; None when the worker is to end."""
        while True:
            self._look_for_room()
            with self._changed:
                is_refused = self._short or self._keeper.unsaved()
                self._changed.wait_for(lambda: self._line or self._closing, self._between_looks if is_refused else None)
                if self._closing or device in self._lost:
                    return None
                if self._line:
                    id = self._line.pop(0)
                    one = self._active[id] = Active(self._keeper.known(id), threading.current_thread())
                    return one

    def _begin(self, one: Active) -> bool:
        """May this run begin, now that everything is loaded? Not when the queue was closed meanwhile."""
        with self._changed:
            one.begun = not self._closing
            return one.begun

    def _train(self, one: Active, device: str) -> None:
        """Train one run until it is done, something goes wrong, or somebody wishes otherwise."""
        folder = self._store.folder(one.run.id)
        try:
            self._keeper.keep(replace(one.run, status="running", error=None, finished=None), PREPARING)
            note(folder, f"begins on {device}")
            training = self._open(one.run, folder, device)
            if not self._begin(one):
                return
            self._keeper.keep(self._agreed(one.run, training), PREPARING)
            wish = self._follow(one, training)
            if wish is None:
                training.write_weights()
                self._keeper.keep(ended(one.run, "done"))
                training.discard_checkpoints()
            else:
                training.save()
                if wish == "stopped":
                    training.write_weights()
                self._keeper.keep(ended(one.run, wish) if wish == "stopped" else replace(one.run, status=wish))
            note(folder, f"{one.run.status} after {one.run.epochs_done} epochs")
        except (Exception, SystemExit) as error:  # whatever it is ends this run, not the queue
            if one.begun or self._begin(one):
                self._end_badly(one, device, error)

    def _end_badly(self, one: Active, device: str, error: BaseException) -> None:
        """Something went wrong: the run fails, or waits for room on the disk, and its last checkpoint stays."""
        run, why = one.run, in_words(error, one.run)
        if is_device_lost(error, device):
            name = "the GPU" if device == "auto" else device
            why += f": {name} is set aside until cifar-tui is started again; the run can go on from its checkpoint"
            with self._changed:
                self._lost[device] = why
        if not is_disk_full(error):
            run = ended(run, "failed", why)
        elif one.wish == "stopped":
            run = ended(run, "stopped", why)
        elif one.wish is None:
            run = replace(run, status="paused", error=f"{why}; it goes on by itself when there is room")
            with self._changed:
                self._short[run.id] = time.monotonic()
        else:
            run = replace(run, status=one.wish, notice=why)
        note(self._store.folder(run.id), f"{run.status}: {why}", error)
        self._keeper.keep_if_possible(run)

    def _look_for_room(self) -> None:
        """Let runs go on that waited for room on the disk and would find it now, each after a while at the earliest."""
        with self._changed:
            latest = time.monotonic() - self._between_looks
            due = [id for id, since in self._short.items() if since <= latest]
            unsaved = [run for run in self._keeper.unsaved() if run.id not in self._short]
        for run in unsaved:
            self._keeper.keep_if_possible(run)
        for id in due:
            try:
                run = self._keeper.known(id)
                if self._has_room(self._store.folder(id), run):
                    self._enqueue(run)
            except Problem as problem:  # such as no room for results.json: the next look may find it
                log.warning("run %s cannot go on yet: %s", id, problem)

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

    def _take_up(self, run: Run) -> Run:
        if lack := lacking_model(run):
            return self._keeper.keep(replace(run, status="interrupted", error=lack))
        return self._enqueue(run)

    def _enqueue(self, run: Run) -> Run:
        run = self._keeper.keep(replace(run, status="queued", error=None, finished=None))
        with self._changed:
            self._short.pop(run.id, None)
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
            self._short.pop(id, None)
        run = self._keeper.known(id)
        if not run.is_over:
            self._keeper.keep(ended(run, "stopped") if wish == "stopped" else replace(run, status=wish, error=None))

    def _heard(self, run: Run, step: Step | None) -> None:
        """A newer snapshot is known: on to whoever listens."""
        with self._changed:
            if one := self._active.get(run.id):
                one.run = run = replace(run, tags=one.run.tags, note=one.run.note)  # which `label` may have changed
        self._tell(run, step)
