"""How fast we train, beside the plain loop (benchmarks/plain.py): the same network, images and recipe, in turn.

Each measurement is a fresh process, ours and the plain one alternately (A B A B …), so that whatever else the machine
does meets both. What counts is the ratio of each pair; a figure in images per second holds for one machine on one day.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from store.errors import Problem
from store.records import Epoch, Recipe, Step
from trainer.device import environment_as_found, keep_freed_memory, prepare_process
from trainer.source import Source

if TYPE_CHECKING:
    import torch

TIMEOUT = 3600.0  # seconds for one measurement; the slowest network takes minutes on a slow CPU


class Speed(Struct, frozen=True, kw_only=True):
    """What one process measured."""

    train_images_per_second: float  # of training steps, after a few to warm up
    test_images_per_second: float
    epoch_seconds: float  # training and evaluation of all images
    whole: bool  # the epoch was really run; else it is computed from the two speeds
    peak_memory: int | None  # bytes: resident at most on the CPU, allocated at most on a GPU
    plan: str  # how it was computed, in words


class Task(Struct, frozen=True, kw_only=True):
    """What to measure."""

    model: str
    data: str = "synthetic"  # or the folder that holds cifar-10-batches-py
    device: str = "cpu"
    seconds: float = 10.0  # of training, and half as many of evaluation; 0 for one whole epoch
    warm_up: int = 3  # training steps that are not timed

    @property
    def source(self) -> Source:
        return Source("synthetic") if self.data == "synthetic" else Source("cifar10", Path(self.data))


class Ratio(Struct, frozen=True, kw_only=True):
    """How many times better we are: the median over the rounds, and the smallest and the largest."""

    median: float
    least: float
    most: float


class Comparison(Struct, frozen=True, kw_only=True):
    """Ours and the plain loop on one network, round by round."""

    model: str
    dataset: str
    device: str
    ours: list[Speed]
    plain: list[Speed]

    def ratios(self) -> dict[str, Ratio]:
        """By name: of speeds ours to theirs, of the epoch theirs to ours (above 1 we are faster); of memory ours to
        theirs (below 1 we need less)."""
        pairs = list(zip(self.ours, self.plain, strict=True))
        ratios = {
            "train": [a.train_images_per_second / b.train_images_per_second for a, b in pairs],
            "epoch": [b.epoch_seconds / a.epoch_seconds for a, b in pairs],
            "test": [a.test_images_per_second / b.test_images_per_second for a, b in pairs],
            "memory": [a.peak_memory / b.peak_memory for a, b in pairs if a.peak_memory and b.peak_memory],
        }
        return {
            name: Ratio(median=statistics.median(values), least=min(values), most=max(values))
            for name, values in ratios.items()
            if values
        }


def compare(task: Task, rounds: int, tell: Callable[[str], None] = lambda line: None) -> Comparison:
    """Measure both, `rounds` times in turn. Raises Problem when a process fails or the plain loop is not there."""
    theirs = plain_command(task)
    ours, plain = list[Speed](), list[Speed]()
    for number in range(1, rounds + 1):
        tell(f"{task.model}: round {number} of {rounds}, ours")
        ours.append(_measured([sys.executable, "-m", "trainer.bench", msgspec.json.encode(task).decode()]))
        tell(f"{task.model}: round {number} of {rounds}, the plain loop")
        plain.append(_measured(theirs))
    return Comparison(model=task.model, dataset=task.source.name, device=task.device, ours=ours, plain=plain)


def plain_command(task: Task) -> list[str]:
    """The command that measures the plain loop. It stands beside the package in a checkout, in it when installed."""
    package = Path(__file__).parent
    places = [package.parent / "benchmarks" / "plain.py", package / "plain_loop.py"]
    if not (script := next((place for place in places if place.exists()), None)):
        raise Problem(f"the plain loop is not here: neither {places[0]} nor {places[1]} exists")
    options = {"--data": task.data, "--device": task.device, "--seconds": task.seconds, "--warm-up": task.warm_up}
    return [sys.executable, str(script), task.model, *(str(word) for pair in options.items() for word in pair)]


def _measured(command: list[str]) -> Speed:
    """The Speed that a command prints as its last line."""
    try:
        # Ours sets by itself what it needs; the plain loop must not have it from us.
        around = environment_as_found()
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT, env=around)
    except subprocess.TimeoutExpired:
        raise Problem(
            f"a measurement took longer than {TIMEOUT / 3600:g} h and was ended; --seconds shortens it"
        ) from None
    try:
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=Speed)
    except (IndexError, msgspec.DecodeError, msgspec.ValidationError):
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise Problem(f"{' '.join(command[1:3])} failed: {last[0]}") from None


def surroundings() -> dict[str, str | int]:
    """What a figure depends on: CPU model, cores, versions."""
    import psutil
    import torch

    from trainer.plan import cpu_model

    return {
        "cpu": cpu_model(),
        "cores": psutil.cpu_count() or 1,
        "torch": str(torch.__version__),  # else of a class of its own
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def measure(task: Task) -> Speed:
    """Our own training, on the path of `cifar-tui train`. To be called in a worker thread of a fresh process."""
    from trainer.data import load
    from trainer.engine import find_device
    from trainer.job import begin
    from trainer.loop import evaluate, fit, train

    recipe, device = Recipe(), find_device(task.device)
    data = load(task.source).to(device)
    keep_freed_memory()
    state, engine = begin(task.model, 0, recipe, data, device)
    if task.seconds == 0:
        began = time.perf_counter()
        epoch = next(news for news in fit(state, data, recipe, 0, engine) if isinstance(news, Epoch))
        seconds = time.perf_counter() - began
        train_speed = epoch.images_per_second
        test_speed = len(data.test) / (epoch.seconds - len(data.train) / epoch.images_per_second)
    else:
        train_speed = _speed(
            train(state, data, recipe, 0, engine), len(data.train), recipe.batch_size, task.warm_up, task.seconds
        )
        test_speed = _speed(
            evaluate(state, data.test, recipe, engine), len(data.test), engine.test_batch, 1, task.seconds / 2
        )
        seconds = len(data.train) / train_speed + len(data.test) / test_speed
    return Speed(
        train_images_per_second=train_speed,
        test_images_per_second=test_speed,
        epoch_seconds=seconds,
        whole=task.seconds == 0,
        peak_memory=peak_memory(device),
        plan=engine.plan.in_words(),
    )


def _speed(news: Iterator[Step], images: int, batch: int, warm_up: int, seconds: float) -> float:
    """Images per second of a training or an evaluation, from the first Step after `warm_up` steps for `seconds`. One
    that ends before is measured whole: all of its `images`."""
    began = time.perf_counter()
    first: tuple[Step, float] | None = None
    for step in news:
        now = time.perf_counter()
        if first is None:
            first = (step, now) if step.step >= warm_up else None
        elif now - first[1] >= seconds:
            return (step.step - first[0].step) * batch / (now - first[1])
    return images / (time.perf_counter() - began)


def peak_memory(device: torch.device) -> int | None:
    """Bytes that this process had at most: allocated on a GPU, else resident; None where the system does not tell."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None  # not Linux
    return next(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    """Measure ours: the Task stands as JSON on the command line, the Speed is printed as JSON."""
    prepare_process()
    task = msgspec.json.decode(sys.argv[1], type=Task)
    sys.stdout.write(msgspec.json.encode(measure(task)).decode() + "\n")


if __name__ == "__main__":
    main()
