"""What waits, what trains, and the worker threads, one per device. The only file that starts training threads.

A worker takes the first waiting run that its device may train (trainer/schedule.py), trains it until it ends or
somebody wishes otherwise (trainer/worker.py), and tells every change. torch is not imported here: a Training brings it
along, in the worker's thread.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from store.errors import Problem
from store.records import DatasetName, Recipe, Run, Step
from store.runs import RunStore
from trainer import outcome
from trainer.device import prepare_process, share_cores
from trainer.failure import WorkerLost, free_memory, in_words, is_device_lost, is_disk_full
from trainer.keeping import Keeper
from trainer.lifecycle import ended, last_position, new_run, wants_to_train
from trainer.outcome import Losses, Wish
from trainer.own import lacking_model, require_model
from trainer.run_log import note
from trainer.schedule import Lengths, Line, places, why_nowhere
from trainer.space import has_room
from trainer.training import PREPARING, Open, Tell, Training, opener
from trainer.worker import Active, Trainer

__all__ = ["JobQueue", "Open", "Tell", "Training", "opener"]

log = logging.getLogger("cifar-tui")

BETWEEN_LOOKS = 30.0  # seconds from one look at a full disk to the next
BETWEEN_DEVICES = 5.0  # seconds from one look at the devices to the next, where they come and go
GONE = "its machine has left the cluster"


class JobQueue:
    """Runs that are not over, in order, and one worker thread per device that trains them."""

    def __init__(
        self,
        store: RunStore,
        open: Open,
        devices: Sequence[str],
        tell: Tell,
        *,
        devices_now: Callable[[], Sequence[str]] | None = None,
        has_room: Callable[[Path, Run], bool] = has_room,
        between_looks: float = BETWEEN_LOOKS,
    ) -> None:
        """`devices_now` is asked now and then where devices come and go, as the machines of a cluster do."""
        self._store, self._open, self._tell = store, open, tell
        self._keeper = Keeper(store, self._heard)
        self._devices_now, self._has_room, self._between_looks = devices_now, has_room, between_looks
        # Held while a run comes into the line or leaves it and that is told, so that it is heard in this order. Nothing
        # is told under the other lock: whoever listens may be asking us something.
        self._entering = threading.RLock()
        self._changed = threading.Condition()  # guards everything below
        self._devices = tuple(devices)
        self._lost: dict[str, str] = {}  # devices that nothing can train on any more, and why
        self._losses = Losses()  # of workers on other machines
        self._short: dict[str, float] = {}  # ids of runs that wait for room on the disk, and when each began to
        self._line = Line()  # what waits for a worker
        self._active: dict[str, Active] = {}  # by run id
        self._closing = False
        self._trainer = Trainer(store, open, self._keeper, self._changed, self._load, self._begin)
        self._workers: dict[str, threading.Thread] = {}  # by device; one whose device was lost has ended, or soon will

    def start(self) -> None:
        """Start the workers."""
        prepare_process()
        share_cores(self._devices)
        with self._changed:
            for device in self._devices:
                self._start_worker(device)
        if self._devices_now:
            threading.Thread(target=self._watch_devices, name="watches the devices", daemon=True).start()

    def take_up(self) -> list[Run]:
        """Queue everything that waited or was interrupted when the store was last closed. What was paused stays so,
        and a run whose model is not in the catalogue now stays interrupted and says what it needs."""
        taken = []
        for job in self.jobs():
            with self._entering:
                run = self._keeper.known(job.id)
                with self._changed:
                    is_known = run.id in self._line or run.id in self._active  # it was added a moment ago
                if wants_to_train(run) and not is_known:
                    taken.append(self._take_up(run))
        return [run for run in taken if run.status == "queued"]

    def receive(self) -> list[Run]:
        """Take in the runs that other programs have handed over: they wait as if they were queued here."""
        return [self._take_up(run) for run in self._placed(self._store.receive())]

    def add(
        self,
        model: str,
        recipe: Recipe,
        *,
        seed: int = 0,
        dataset: DatasetName,
        data_folder: str | None = None,
        pinned_to: str | None = None,
    ) -> Run:
        """Queue a new run. Raises UnknownModel."""
        run = new_run(
            self._store, model, recipe, seed=seed, dataset=dataset, data_folder=data_folder, pinned_to=pinned_to
        )
        return self.add_run(run)

    def add_run(self, run: Run) -> Run:
        """Queue a run that nothing knows of yet."""
        return self.add_runs([run])[0]

    def add_runs(self, runs: Sequence[Run]) -> list[Run]:
        """Queue runs that nothing knows of yet, each at its place (see trainer/schedule.py). Returns them in the order
        in which they will train. Give all that are queued together at once: a device takes the first at once."""
        ids = set[str]()
        added: list[Run] = []
        for run in runs:
            while run.id in ids:  # the store does not know the others yet, and may have given one their id
                run = replace(run, id=self._store.new_id())
            ids.add(run.id)
            added.append(run)
        return [self._add(run) for run in self._placed(added)]

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
        return self._enqueue(replace(run, lost_devices=()) if run.is_over else run)

    def again(self, id: str) -> Run:
        """Queue a new run with the model, recipe, seed, data and pin of this one, from the start."""
        run = self._store.run(id)
        require_model(run)
        return self.add(
            run.model,
            run.recipe,
            seed=run.seed,
            dataset=run.dataset,
            data_folder=run.data_folder,
            pinned_to=run.pinned_to,
        )

    def move(self, id: str, by: int) -> None:
        """Move a waiting run up (-1) or down (+1): it changes places with its neighbour."""
        waiting = [run for run in self.jobs() if run.status != "running"]
        here = next((place for place, run in enumerate(waiting) if run.id == id), None)
        if here is None or not 0 <= here + by < len(waiting):
            return
        one, other = waiting[here], waiting[here + by]
        self._know(replace(one, position=other.position, moved=True))
        self._know(replace(other, position=one.position))

    def pin(self, id: str, device: str | None) -> Run:
        """Let only this device train a run that is not over, or any (None). Raises Problem for one that trains now."""
        with self._entering:
            with self._changed:
                if id in self._active:
                    raise Problem(f"run {id} trains now: pause it, and pin it then")
            run = self._keeper.known(id)
            if run.is_over:
                raise Problem(f"run {id} is {run.status}: it waits for no device")
            run = self._know(replace(run, pinned_to=device))
        with self._changed:
            self._changed.notify_all()  # another device may train it now
        return run

    def label(self, id: str, tags: Sequence[str], note: str) -> Run:
        """Give a run the user's words, while it trains, too."""
        with self._changed:
            run = self._store.label(id, tags, note)
            if one := self._active.get(id):
                one.run = run = replace(one.run, tags=run.tags, note=run.note)
        self._tell(run, None)
        return run

    def set_devices(self, devices: Sequence[str]) -> None:
        """These are the devices that there are now. New ones begin to train; what was on one that has gone says so
        itself, and goes on elsewhere."""
        with self._changed:
            if self._closing:
                return
            gone = set(self._devices) - set(devices)
            self._lost |= {device: GONE for device in gone if device not in self._lost}
            back = [device for device in devices if self._lost.get(device) == GONE]
            for device in back:
                del self._lost[device]
            for device in (*back, *(device for device in devices if device not in self._devices)):
                self._start_worker(device)
            self._devices = tuple(devices)
            self._changed.notify_all()

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
    def devices(self) -> tuple[str, ...]:
        """The devices of this session, by name."""
        return self._devices

    @property
    def lost_devices(self) -> dict[str, str]:
        """The devices that stopped working, and why: nothing trains on them until the program is started again."""
        with self._changed:
            return dict(self._lost)

    def why_it_waits(self, run: Run) -> str | None:
        """Why no device of this session can train a waiting run; None when it only waits for its turn."""
        with self._changed:
            return why_nowhere(run, self._devices, self._lost)

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
        for worker in list(self._workers.values()):
            if worker not in loading:
                worker.join(max(0.0, until - time.monotonic()))
        for run in self._keeper.unsaved():
            self._keeper.keep_if_possible(run)
        return [one.run for one in taken if one.run.status in {"running", "interrupted"}]

    def is_working(self) -> bool:
        """A worker thread is still alive. Python must then be left by `os._exit`, or it aborts inside a torch call."""
        return any(worker.is_alive() for worker in list(self._workers.values()))

    # What follows happens in a worker's thread, or is shared by both sides.

    def _start_worker(self, device: str) -> None:
        """Let a device train, unless its worker is at it; the lock is held."""
        if device not in self._workers:
            self._workers[device] = threading.Thread(
                # Inductor's and Dynamo's settings are context variables, which a plain thread would not see.
                target=contextvars.copy_context().run,
                args=(self._work, device),
                name=f"trains on {device}",
                daemon=True,
            )
            self._workers[device].start()

    def _watch_devices(self) -> None:
        """Ask what devices there are, until the queue is closed."""
        while self._devices_now:
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, BETWEEN_DEVICES):
                    return
            try:
                self.set_devices(self._devices_now())
            except Exception as error:  # the next look may be luckier
                log.warning("cannot tell what devices there are: %s", error)

    def _work(self, device: str) -> None:
        while one := self._next(device):
            try:
                self._trainer.train(one, device)
            except (Exception, SystemExit) as error:  # whatever it is ends this run, not the queue
                if one.begun or self._begin(one):
                    self._end_badly(one, device, error)
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
                self._changed.wait_for(
                    lambda: self._line.first_for(device) or self._closing or device in self._lost,
                    self._between_looks if is_refused else None,
                )
                if self._closing or device in self._lost:
                    if not self._closing:  # which waits for its workers
                        del self._workers[device]
                    return None
                if run := self._line.first_for(device):
                    self._line.take(run.id)
                    one = self._active[run.id] = Active(self._keeper.known(run.id), threading.current_thread())
                    return one

    def _load(self, one: Active, run: Run) -> bool:
        """A worker will load this run, and says so; unless somebody wished otherwise a moment ago."""
        with self._entering:
            with self._changed:
                if self._active.get(run.id) is not one:
                    return False
            self._keeper.keep(run, PREPARING)
            return True

    def _begin(self, one: Active) -> bool:
        """May this run begin, now that everything is loaded? Not when somebody wished otherwise meanwhile, nor when the
        queue was closed."""
        with self._changed:
            one.begun = not self._closing and self._active.get(one.run.id) is one
            return one.begun

    def _end_badly(self, one: Active, device: str, error: BaseException) -> None:
        """Something went wrong: the run fails, or waits for room on the disk or another device; its last checkpoint
        stays."""
        why = in_words(error, one.run)
        if isinstance(error, WorkerLost):
            with self._changed:
                if error.device_is_gone:  # which is no fault of the run
                    self._lost[device] = GONE
                times = 0 if error.device_is_gone else self._losses.count(one.run)
            run = outcome.without_worker(one.run, one.wish, why, times)
        elif is_device_lost(error, device):
            with self._changed:
                self._lost[device] = why
            run = outcome.without_device(one.run, one.wish, device, why)
        elif is_disk_full(error):
            run = outcome.without_room(one.run, one.wish, why)
            if run.waits_for_room:
                with self._changed:
                    self._short[run.id] = time.monotonic()
        else:
            run = outcome.failed(one.run, why)
        note(self._store.folder(run.id), f"{run.status}: {why}", error)
        self._keeper.keep_if_possible(run)
        if run.status == "queued":
            with self._changed:
                del self._active[run.id]
                self._line.put(run)

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

    def _take_up(self, run: Run) -> Run:
        if lack := lacking_model(run):
            return self._keeper.keep(replace(run, status="interrupted", error=lack))
        return self._enqueue(run)

    def _placed(self, newcomers: Sequence[Run]) -> list[Run]:
        """Runs that come into the line now, each at its place, in the order in which they will train."""
        length = Lengths(self._store.runs(), self._devices) if len(self._devices) > 1 else None
        with self._changed:
            waiting = list(self._line)
        new = {run.id for run in newcomers}
        placed = places(newcomers, waiting, last_position(self._store), length)
        for run in placed:
            if run.id not in new:
                self._know(run)
        return [run for run in placed if run.id in new]

    def _add(self, run: Run) -> Run:
        with self._entering:  # so that nobody takes up what is half added
            self._store.add(run)
            return self._enqueue(run)

    def _enqueue(self, run: Run) -> Run:
        with self._entering:
            run = self._keeper.keep(replace(run, status="queued", error=None, finished=None))
            with self._changed:
                self._short.pop(run.id, None)
                self._line.put(run)
                self._changed.notify_all()
        return run

    def _know(self, run: Run) -> Run:
        """A newer snapshot of a run that does not train; if a worker has taken it meanwhile, it stays as it is."""
        with self._entering:
            with self._changed:
                if run.id in self._active:
                    return run
                self._keeper.save(run)
                self._line.know(run)
            self._keeper.tell(run, None)
        return run

    def _wish(self, id: str, wish: Wish) -> None:
        with self._entering:
            with self._changed:
                if (one := self._active.get(id)) and one.begun:
                    one.wish = wish
                    return
                self._active.pop(id, None)  # it is being loaded, and has nothing to save: its worker will find it gone
                self._line.take(id)
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
