"""The far end of a training on another machine: a process there runs the loop and tells what happens. No Ray here.

trainer/cluster.py puts a `Worker` into a process of the cluster, trainer/remote.py is the near end. What passes between
them are the records below, and the loop's own `Step` and `Epoch`.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from store import files
from store.errors import Problem
from store.records import Epoch, Run, Step
from trainer.device import prepare_process
from trainer.failure import in_words, is_device_lost, is_disk_full
from zoo import CARDS
from zoo.catalogue import Card

if TYPE_CHECKING:
    from trainer.data import DataSet
    from trainer.job import Job


class Order(Struct, frozen=True, kw_only=True):
    """One run, as it is given to a worker."""

    run: Run
    device: str  # of the worker's process: "cpu" or "cuda:0"
    threads: int  # of the CPU that it may use
    card: Card | None  # of an own model, whose source travels with it
    version: str  # of the cifar-tui that asks
    folder: Path | None  # the run's own, where the worker sees it under the same name; None: checkpoints are sent
    name: str  # of the checkpoints that the worker lays there
    between: float  # seconds from one checkpoint to the next, at least
    seconds_per_byte: float  # that a checkpoint which is sent keeps the others waiting


class Facts(Struct, frozen=True, kw_only=True):
    """What there is to know before the first step: the first that a worker tells."""

    device: str
    plan: str
    params: int
    notice: str | None
    environment: dict[str, str]
    epochs: list[Epoch]  # that its checkpoint knows
    weights: int  # bytes of the network's
    damaged: list[str]  # checkpoints that were sent and are of no use, by file name


class Saved(Struct, frozen=True, kw_only=True):
    """A checkpoint: its bytes, or None where it was laid into the run's folder."""

    epochs: int  # that it knows
    content: bytes | None


class Failed(Struct, frozen=True, kw_only=True):
    """The training ended with an error. The last that a worker tells."""

    line: str  # for the user
    detail: str  # the traceback there
    is_disk_full: bool = False
    is_device_lost: bool = False


Record = Facts | Step | Epoch | Saved | Failed
Images = tuple[str, tuple[str, ...], Any, Any, Any, Any]
"""A data set as it travels: its name, its classes, and arrays: training images (N, 3, 32, 32) uint8 and labels (N,)
int64, test images and labels."""


class Worker:
    """Trains one run. `news` goes on by itself, whoever listens; `stop` ends it after its step, from another thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stopping = threading.Event()
        self._job: Job | None = None

    def news(self, order: Order, images: Images, checkpoints: Mapping[str, bytes]) -> Iterator[Record]:
        """Facts, then what happens, checkpoints between. All of it happens in one thread, as torch wants it."""
        scratch: Path | None = None
        try:
            prepare(order)
            if order.folder is None:
                scratch = Path(tempfile.mkdtemp(prefix="cifar-tui-"))
            folder = order.folder or laid_out(scratch / "runs" / order.run.id, checkpoints)  # type: ignore[operator] # it is one of the two
            from trainer.job import Job  # imports torch, which reads what `prepare` has set

            self._job = job = Job(order.run, folder, order.device, data_of(images))
            yield facts_of(job, folder, checkpoints)
            yield from self._follow(job, order)
        except (Exception, SystemExit) as error:
            detail = "".join(traceback.format_exception(error))
            lost = is_device_lost(error, order.device)
            yield Failed(
                line=in_words(error, order.run), detail=detail, is_disk_full=is_disk_full(error), is_device_lost=lost
            )
        finally:
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)

    def stop(self) -> None:
        """Save after this step, and end."""
        self._stopping.set()

    def weights(self) -> tuple[bytes, bytes | None]:
        """The last and the best weights, as safetensors. Once `news` has ended."""
        from trainer.checkpoint import weights_of

        assert self._job is not None
        state = self._job.state
        return weights_of(state.result.state_dict()), weights_of(state.best) if state.best else None

    def _follow(self, job: Job, order: Order) -> Iterator[Record]:
        is_new, due = False, self._clock()  # is there something to save; when is it time to
        for news in job.news():
            yield news
            is_new = True
            if isinstance(news, Epoch) and self._clock() >= due:
                saved = save(job, order)
                size = len(saved.content or b"")
                due = self._clock() + max(order.between, size * order.seconds_per_byte)
                is_new = False
                yield saved
            if self._stopping.is_set():
                break
        if is_new:
            yield save(job, order)


def prepare(order: Order) -> None:
    """Make this process fit for the run: settings that torch reads when it is imported, and an own model's card.

    Raises Problem when another version of cifar-tui stands here.
    """
    if (here := own_version()) != order.version:
        raise Problem(
            f"{platform.node()} has cifar-tui {here}, and this is {order.version}: install the same version there"
        )
    os.environ["OMP_NUM_THREADS"] = str(order.threads)
    prepare_process()
    if order.card:
        CARDS[order.card.id] = order.card


def own_version() -> str:
    """Of the cifar-tui that is installed here."""
    try:
        return version("cifar-tui")
    except PackageNotFoundError:
        return "unknown"


def laid_out(folder: Path, checkpoints: Mapping[str, bytes]) -> Path:
    """A folder for a run in which these checkpoints lie."""
    folder.mkdir(parents=True)
    for name, content in checkpoints.items():
        (folder / name).write_bytes(content)
    return folder


def facts_of(job: Job, folder: Path, sent: Mapping[str, bytes]) -> Facts:
    from trainer.checkpoint import size_of

    return Facts(
        device=job.device,
        plan=job.plan,
        params=job.params,
        notice=job.notice,
        environment=job.environment | {"host": platform.node()},
        epochs=job.epochs,
        weights=size_of(job.state.network),
        damaged=[name for name in sent if not (folder / name).exists()],
    )


def save(job: Job, order: Order) -> Saved:
    """A checkpoint of the training as it stands: into the run's folder where that is seen from here, else in memory."""
    from trainer import checkpoint

    if order.folder:
        with files.replacing(order.folder / order.name) as file:
            checkpoint.write(file, job.state, job.engine.plan)
        return Saved(epochs=len(job.state.epochs), content=None)
    buffer = io.BytesIO()
    checkpoint.write(buffer, job.state, job.engine.plan)
    return Saved(epochs=len(job.state.epochs), content=buffer.getvalue())


def data_of(images: Images) -> DataSet:
    """The data set that arrived. The arrays may lie in memory that others read, too: they are copied, never changed."""
    import torch

    from trainer.data import Images as Part
    from trainer.data import assembled

    name, classes, *arrays = images
    train_images, train_labels, test_images, test_labels = (torch.tensor(array) for array in arrays)
    return assembled(name, classes, Part(train_images, train_labels), Part(test_images, test_labels))  # type: ignore[arg-type] # a name


def images_of(source: Any, train_limit: int | None, test_limit: int | None) -> Images:
    """A data set as it travels. Raises Problem when it is missing or damaged."""
    prepare_process()
    from trainer.data import load

    data = load(source, train_limit, test_limit)
    train, test = data.train, data.test
    arrays = (train.images.contiguous(), train.labels, test.images.contiguous(), test.labels)
    return (data.name, data.classes, *(tensor.numpy() for tensor in arrays))  # type: ignore[return-value] # four
