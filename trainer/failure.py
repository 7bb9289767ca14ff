"""What ended a run: one line for the user, and what follows from it for the queue. Nothing here imports torch."""

from __future__ import annotations

import errno
import gc
import sys
from collections.abc import Iterator
from typing import Any

import psutil

from store.errors import DiskFull, Problem
from store.records import Run
from zoo import CARDS, UnfitModel

ON_A_GPU = "OutOfMemoryError"  # torch's class, which is known by its name so that torch need not be imported
ON_THE_CPU = "DefaultCPUAllocator"  # stands in the RuntimeError that torch raises there
PER_IMAGE = 1.5  # memory of a step, in multiples of what its images keep: gradients and scratch come and go beside it
COPIES = 6  # of the weights: gradient, momentum, the best ones, and room for those that an optimizer makes meanwhile
APART = 2**30  # bytes that batches cannot use: the data set, the libraries' own workspaces


def in_words(error: BaseException, run: Run) -> str:
    """One line that says what went wrong with a run."""
    if is_out_of_memory(error):
        return out_of_memory(run, *_memory(error))
    if isinstance(error, Problem | UnfitModel):
        return str(error)
    if is_disk_full(error):
        return "the disk is full; the last checkpoint is kept"
    if isinstance(error, SystemExit):
        return f"its code ended with SystemExit: {error.code}"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def is_disk_full(error: BaseException) -> bool:
    """Was it the disk, or the user's share of it, that had no room? torch may hide that behind an error of its own."""
    return any(
        isinstance(one, DiskFull) or (isinstance(one, OSError) and one.errno in {errno.ENOSPC, errno.EDQUOT})
        for one in with_causes(error)
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Was it the memory, of a GPU or of the computer?"""
    return isinstance(error, MemoryError) or _is_of_gpu_memory(error) or ON_THE_CPU in str(error)


class DeviceLost(Problem):
    """The device under a training has gone: what a Training raises that knows so by itself."""


class WorkerLost(Problem):
    """The process of a training on another machine has gone, and maybe the machine: the run goes on elsewhere."""

    def __init__(self, line: str, *, device_is_gone: bool = False) -> None:
        super().__init__(line)
        self.device_is_gone = device_is_gone


def is_device_lost(error: BaseException, device: str) -> bool:
    """Has this error left the GPU so that every later call on it fails, until the process ends?

    A kernel that reads where it must not, or a failed assertion in one, does that. The GPU is asked.
    """
    if isinstance(error, DeviceLost):
        return True
    is_cuda_error = isinstance(error, RuntimeError) and "CUDA error" in str(error)
    return is_cuda_error and not is_out_of_memory(error) and not _answers(device)


def out_of_memory(run: Run, usable: int | None, total: int | None, where: str) -> str:
    """What would fit. `usable` bytes are left for us of `total`, as far as that is known; `where` is the device."""
    batch = fitting_batch(run, usable)
    size = f" of {_gigabytes(total)}" if total else ""
    taken = total and usable and total - usable > total // 10
    others = f", {_gigabytes(total - usable)} of it taken by others" if total and usable and taken else ""
    what = f"out of memory on {where}{size}{others}, with batches of {run.recipe.batch_size} images"
    if batch is None:
        return f"{what}; smaller ones need less: --set batch_size=N"
    if batch == 0:
        return f"{what}; {run.model} does not fit there with any batch"
    return f"{what}; about {batch} should fit: train {run.model} --set batch_size={batch}"


def fitting_batch(run: Run, usable: int | None) -> int | None:
    """The largest power of two that should fit into `usable` bytes, below the batch that did not fit; 0 when none
    does, None when nothing is known. An estimate, from what one image keeps for the backward pass in fp32."""
    card = CARDS.get(run.model)
    if not card or not card.activations or not card.params or usable is None:
        return None
    room = usable - APART - COPIES * 4 * card.params
    fits = min(int(room / (PER_IMAGE * card.activations)), run.recipe.batch_size - 1)
    return 1 << (fits.bit_length() - 1) if fits >= 1 else 0


def free_memory() -> None:
    """Give back what a run has left behind, on the GPU too, so that the next one has all of it."""
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        try:
            torch.cuda.empty_cache()
        except RuntimeError:  # a GPU that is lost has nothing to give
            return


def _is_of_gpu_memory(error: BaseException) -> bool:
    named = any(kind.__name__ == ON_A_GPU for kind in type(error).__mro__)
    return named or "CUDA error: out of memory" in str(error) or "CUBLAS_STATUS_ALLOC_FAILED" in str(error)


def _memory(error: BaseException) -> tuple[int | None, int | None, str]:
    """Bytes that are left for us, bytes in all, and where: asked while what did not fit is still held."""
    if not _is_of_gpu_memory(error):
        memory = psutil.virtual_memory()
        return memory.available + psutil.Process().memory_info().rss, memory.total, "the CPU"
    torch: Any = sys.modules.get("torch")
    try:
        free, total = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved(), total, torch.cuda.get_device_name()
    except (AttributeError, RuntimeError, AssertionError):
        return None, None, "the GPU"


def _answers(device: str) -> bool:
    torch: Any = sys.modules.get("torch")
    try:
        torch.cuda.synchronize(device if device.startswith("cuda") else None)
    except (AttributeError, RuntimeError, AssertionError):
        return False
    return True


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def with_causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it came of."""
    one: BaseException | None = error
    seen = set[int]()
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
