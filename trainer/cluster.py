"""Several machines, through Ray: which slots there are, and trainings on them. The only file that imports Ray.

A slot is what one training has to itself: a GPU of a machine, or, where no machine of the cluster has one, a share of a
machine's cores. To the queue it is one more device. Its trainings are actors of Ray, pinned to the machine of the slot,
which tell what happens through a generator that Ray streams back here.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from store.errors import Problem, UsageProblem
from store.records import Run
from trainer import space
from trainer.failure import WorkerLost, with_causes
from trainer.remote import RemoteTraining
from trainer.remote_worker import Order, Record, Worker, images_of, own_version
from trainer.source import Source
from trainer.training import Open
from zoo import CARDS

log = logging.getLogger("cifar-tui")

ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[^\s:/]+):(?P<port>[0-9]{1,5})")
ANSWERS_WITHIN = 3.0  # seconds in which the head of a cluster has to take a connection
TRIES = 5  # of a second each to speak with it; Ray's own number, 20, is long to wait for
MEMORY_PER_SLOT = 2e9  # bytes that a training on a CPU may need: torch, the images, the network
BETWEEN_CHECKPOINTS = 10.0  # seconds, at least
HEAD_TAKES = 50e6  # bytes a second of checkpoints that the head is asked to write, all slots together
UNHEARD = 64  # records that a worker may be ahead of the head

PREFIX = "cifar-tui-ray-"  # of the folder of a Ray that was started here; the number of our process follows

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anybody
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its C++ would write into the screen
    "RAY_ENABLE_AUTO_CONNECT": "0",  # else whoever asks it something after `close` starts another one
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that it will be so
}
"""Of Ray, which reads them when it is imported; what the user has set is respected."""


def require_cluster(named: str, device: str | None) -> None:
    """Raises UsageProblem when `--cluster` cannot mean what it says, beside this `--device`. Nothing is contacted."""
    if device is not None:
        raise UsageProblem("--cluster and --device exclude each other: a cluster trains on the GPUs of its machines")
    if named.startswith("ray://"):
        raise UsageProblem(
            "--cluster takes no ray:// address: run cifar-tui on a machine of the cluster, with --cluster auto "
            "(`ray start --address=HOST:PORT` makes this machine one of them)"
        )
    if named not in {"local", "auto"}:
        match = ADDRESS.fullmatch(named)
        if not match or not 0 < int(match["port"]) < 65536:
            raise UsageProblem(f"--cluster cannot be {named!r}: it must be local, auto or HOST:PORT")


@dataclass(frozen=True, slots=True)
class Slot:
    """What one training has to itself."""

    name: str  # host:gpu0, host:cpu1: the queue's name for it
    node: str  # Ray's id of the machine
    host: str
    is_gpu: bool
    cpus: int  # cores


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster."""

    id: str
    host: str
    cpus: int
    gpus: int
    memory: float  # bytes


class Cluster:
    """A connection to Ray. Made by `connect`, and closed once at the end."""

    def __init__(self, ray: Any, folder: Path | None = None) -> None:
        self._ray, self._folder = ray, folder  # of a Ray that was started here, for it alone
        self._guard = threading.Lock()  # held while what follows is changed
        self._slots: dict[str, Slot] = {}  # every one that ever was, by name
        self._hosts: dict[str, str] = {}  # names of the machines, by Ray's id
        self._images: dict[object, Any] = {}  # what Ray keeps of the data sets
        self._sharing: dict[str, bool] = {}  # does this machine see our folders, by Ray's id
        self._home_node = str(ray.get_runtime_context().get_node_id())
        self._worker = ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=2)(Worker)
        if not self.slots():
            raise Problem("this cluster has neither GPUs nor CPUs to train on yet: start its other machines first")

    def slots(self) -> list[str]:
        """The names of the slots that there are now."""
        nodes = [node for entry in self._ray.nodes() if (node := self._node(entry))]
        has_gpus = any(node.gpus for node in nodes)
        slots = [slot for node in nodes for slot in slots_of(node, has_gpus)]
        with self._guard:
            self._slots |= {slot.name: slot for slot in slots}
        return [slot.name for slot in slots]

    def opener(self, source_of: Callable[[Run], Source]) -> Open:
        """Opens trainings on the slots, on the images that `source_of` names for a run."""

        def open(run: Run, folder: Path, device: str) -> RemoteTraining:
            slot = self._slots[device]
            with self._translated(slot):
                is_shared = self._is_shared(slot, folder)
                order = self._order(run, slot, folder if is_shared else None)
                images = self._images_of(source_of(run), run)
                sent = {} if is_shared else checkpoints_in(folder)
                actor = self._worker.options(
                    num_gpus=int(slot.is_gpu), num_cpus=slot.cpus, scheduling_strategy=self._on(slot.node)
                ).remote()
            link = RayLink(self, actor, slot, order, images, sent)
            return RemoteTraining(link, folder, run.recipe, order.name)

        return open

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        with suppress(Exception):  # it may be gone
            self._ray.shutdown()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _node(self, entry: Mapping[str, Any]) -> Node | None:
        """A machine, if it lives."""
        if not entry["Alive"]:
            return None
        id, has = entry["NodeID"], entry["Resources"]
        with self._guard:
            if id not in self._hosts:
                taken, host = set(self._hosts.values()), short(entry["NodeManagerHostname"])
                names = (host, *(f"{host}-{number}" for number in range(2, len(taken) + 3)))
                self._hosts[id] = next(name for name in names if name not in taken)
        return Node(id, self._hosts[id], int(has.get("CPU", 0)), int(has.get("GPU", 0)), has.get("memory", 0.0))

    def _order(self, run: Run, slot: Slot, folder: Path | None) -> Order:
        card = CARDS.get(run.model)
        return Order(
            run=run,
            device="cuda:0" if slot.is_gpu else "cpu",
            threads=max(1, slot.cpus),
            card=card if card and card.own else None,
            version=own_version(),
            folder=folder,
            name=f"checkpoint.{secrets.token_hex(4)}.pt",
            between=BETWEEN_CHECKPOINTS,
            seconds_per_byte=len(self._slots) / HEAD_TAKES,
        )

    def _images_of(self, source: Source, run: Run) -> Any:
        """Ray's reference to a data set: read once, on this machine, and carried once to each machine that needs it."""
        key = (source, run.recipe.train_limit, run.recipe.test_limit)
        with self._guard:
            if key not in self._images:
                read = self._ray.remote(num_cpus=0, max_retries=0)(images_of)
                self._images[key] = read.options(scheduling_strategy=self._on(self._home_node)).remote(*key)
            reference = self._images[key]
        try:
            self._ray.wait([reference], fetch_local=False)
            self._ray.get(reference)
        except BaseException:
            with self._guard:
                self._images.pop(key, None)  # the next run tries again
            raise
        return reference

    def _is_shared(self, slot: Slot, folder: Path) -> bool:
        """Does the slot's machine see the runs' folders under the same names, and may it write there? Tried once."""
        with self._guard:
            known = self._sharing.get(slot.node)
        if known is None:
            mark = folder / f".seen-{secrets.token_hex(8)}"
            mark.touch(mode=0o600)
            try:
                look = self._ray.remote(num_cpus=0, max_retries=0)(sees)
                known = self._ray.get(look.options(scheduling_strategy=self._on(slot.node)).remote(mark))
            finally:
                mark.unlink(missing_ok=True)
            with self._guard:
                self._sharing[slot.node] = known
        return known

    def _on(self, node: str) -> Any:
        """Ray's way to say: on this machine and nowhere else."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)

    @contextmanager
    def _translated(self, slot: Slot) -> Iterator[None]:
        """Say what Ray raises in our words: WorkerLost when a process or a machine went, else what was raised there."""
        errors = self._ray.exceptions
        try:
            yield
        except errors.RayTaskError as error:
            cause = error.cause
            raise (cause if isinstance(cause, Problem) else unfit(slot, error)) from error
        except errors.RayError as error:
            raise (unfit(slot, error) if "ModuleNotFoundError" in str(error) else self._lost(slot, error)) from error

    def _lost(self, slot: Slot, error: BaseException) -> WorkerLost:
        """What became of a worker, and whether its machine went with it."""
        is_gone = not any(entry["Alive"] for entry in self._ray.nodes() if entry["NodeID"] == slot.node)
        if is_gone:
            return WorkerLost(f"{slot.host} has left the cluster", device_is_gone=True)
        return WorkerLost(f"its worker on {slot.host} was lost ({first_line(error)})")


class RayLink:
    """A worker in a process of the cluster, as trainer/remote.py talks to it."""

    def __init__(
        self, cluster: Cluster, actor: Any, slot: Slot, order: Order, images: Any, sent: Mapping[str, bytes]
    ) -> None:
        self._cluster, self._ray, self._actor, self._slot = cluster, cluster._ray, actor, slot
        self._arguments = (order, images, sent)

    def news(self) -> Iterator[Record]:
        with self._cluster._translated(self._slot):
            told = self._actor.news.options(num_returns="streaming", _generator_backpressure_num_objects=UNHEARD)
            for reference in told.remote(*self._arguments):
                yield self._ray.get(reference)

    def stop(self) -> None:
        with self._cluster._translated(self._slot):
            self._ray.get(self._actor.stop.remote())

    def weights(self) -> tuple[bytes, bytes | None]:
        with self._cluster._translated(self._slot):
            weights: tuple[bytes, bytes | None] = self._ray.get(self._actor.weights.remote())
            return weights

    def end(self) -> None:
        with suppress(Exception):
            self._ray.kill(self._actor)


def connect(where: str) -> Cluster:
    """Connect to Ray, or start one on this machine (`local`). Raises Problem, within seconds, when it cannot be.

    Before Textual takes the terminal: inside it, Ray does not start.
    """
    if importlib.util.find_spec("ray") is None:
        raise Problem("--cluster needs Ray, which is not installed: pip install 'cifar-tui[cluster]'")
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    return _started_here() if where == "local" else _joined(where)


def _joined(where: str) -> Cluster:
    address = _found_here() if where == "auto" else where
    match = ADDRESS.fullmatch(address)
    try:
        if match:  # before Ray is loaded, which would try for a minute
            socket.create_connection((match["host"].strip("[]"), int(match["port"])), ANSWERS_WITHIN).close()
        import ray
        from ray._private import ray_constants

        ray_constants.NUM_REDIS_GET_RETRIES = TRIES
        with undisturbed():
            ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        if any("InvalidAuthToken" in str(one) for one in with_causes(error)):
            raise Problem(
                f"the Ray cluster at {address} asks for its token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN if it "
                "does not lie in ~/.ray/auth_token"
            ) from error
        raise Problem(f"no Ray cluster answers at {address}: {first_line(error)}") from error
    return _made(ray, None)


def _found_here() -> str:
    """The address of the cluster that this machine is part of."""
    from ray._private.services import canonicalize_bootstrap_address

    try:
        return canonicalize_bootstrap_address("auto") or "auto"
    except OSError:
        raise Problem(
            "no Ray runs on this machine: `ray start --head` begins a cluster, or use --cluster local"
        ) from None


def _started_here() -> Cluster:
    """A Ray of this machine's own, for this program alone: another user's program finds it locked."""
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    import ray

    # Short, for the names of sockets in it are long; and on /tmp, for macOS' own is too long for them.
    place = "/tmp" if os.name == "posix" else tempfile.gettempdir()
    remove_abandoned(Path(place))
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        with undisturbed():
            ray.init(
                address="local",
                num_cpus=cores,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=str(folder),
            )
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if not isinstance(error, Exception):  # Ctrl-C
            raise
        raise Problem(f"Ray does not start here: {first_line(error)}") from error
    return _made(ray, folder)


def _made(ray: Any, folder: Path | None) -> Cluster:
    def heard(data: Mapping[str, Any], ignore_prefix: bool) -> None:
        log.warning("Ray says: %s", "".join(data["lines"]).partition("\n")[0])

    ray._private.worker.print_to_stdstream = heard  # else it prints, into the screen or among our JSON
    try:
        return Cluster(ray, folder)
    except BaseException:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def remove_abandoned(place: Path) -> None:
    """Remove what a program that was killed has left of its Ray. Its processes ended with it."""
    for folder in place.glob(f"{PREFIX}*"):
        number = folder.name.removeprefix(PREFIX).partition("-")[0]
        with suppress(OSError):
            is_ours = folder.stat().st_uid == os.getuid() if hasattr(os, "getuid") else True
            if number.isdecimal() and is_ours and not psutil.pid_exists(int(number)):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def undisturbed() -> Iterator[None]:
    """While Ray starts: its first words do not reach the screen, our answers to signals stay what they are, and what it
    starts is deaf to hang-ups, so that what trains there is saved when the terminal has gone."""
    sys.stderr.flush()
    screen, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    is_main = threading.current_thread() is threading.main_thread()  # only there can answers be set
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if is_main and hasattr(signal, name)]
    answers = {number: signal.getsignal(number) for number in numbers}
    if is_main and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, answer in answers.items():
            signal.signal(number, answer)
        os.dup2(screen, 2)
        os.close(screen)
        os.close(nowhere)


def slots_of(node: Node, has_gpus: bool) -> list[Slot]:
    """What can be trained at once on a machine: a run on each GPU. In a cluster without any GPU it is one on each core,
    as far as there is memory; all cores are shared out among them."""
    if has_gpus:
        share = min(1, node.cpus // node.gpus) if node.gpus else 0
        return [Slot(f"{node.host}:gpu{n}", node.id, node.host, True, share) for n in range(node.gpus)]
    count = max(1, min(node.cpus, int(node.memory / MEMORY_PER_SLOT))) if node.cpus else 0
    return [Slot(f"{node.host}:cpu{n}", node.id, node.host, False, node.cpus // count) for n in range(count)]


def checkpoints_in(folder: Path) -> dict[str, bytes]:
    """The checkpoints of a run, by file name."""
    return {name: (folder / name).read_bytes() for name in space.CHECKPOINTS if (folder / name).exists()}


def sees(mark: Path) -> bool:
    """Is this file here, too, in a folder that may be written to? Asked on another machine."""
    try:
        with tempfile.TemporaryFile(dir=mark.parent):
            return mark.exists()
    except OSError:
        return False


def unfit(slot: Slot, error: BaseException) -> Problem:
    """A machine whose worker could not even begin."""
    last = [line for line in str(error).splitlines() if line.strip()][-1:]
    why = last[0].strip() if last else type(error).__name__
    return Problem(f"{slot.host} cannot train: {why}; cifar-tui {own_version()} must be installed there, too")


def short(host: str) -> str:
    """A machine's name without its domain."""
    return host if re.fullmatch(r"[0-9.:]+", host) else host.partition(".")[0]


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


__all__ = ["Cluster", "connect", "require_cluster"]
