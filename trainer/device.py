"""Which devices there are, and what they are called. Nothing here imports torch before it has to."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable

from store.errors import UsageProblem


def parse_devices(text: str | None) -> list[str]:
    """The devices that `--device` names, one worker each: `cpu`, `cuda:1`, `cuda:0,cuda:2`, `all` (every GPU).

    Without a word it is `auto`: the first GPU that torch can use, else the CPU, found out when the first run begins.
    Raises UsageProblem for anything else, and for a GPU that the NVIDIA driver does not know.
    """
    if text is None:
        return ["auto"]
    count = gpu_count()
    if text == "all":
        return [f"cuda:{index}" for index in range(count)] or ["cpu"]
    if any(not re.fullmatch(r"cpu|cuda(:[0-9]{1,4})?", word) for word in text.split(",")):
        raise UsageProblem(f"--device cannot be {text!r}: it must be cpu, cuda:0 (a GPU's number) or all")
    devices = [f"{word}:0" if word == "cuda" else word for word in text.split(",")]
    for device in devices:
        if device != "cpu" and int(device.removeprefix("cuda:")) >= count:
            there = f"this machine has {count} GPU{'s' * (count > 1)}" if count else "no NVIDIA GPU was found here"
            raise UsageProblem(f"there is no {device}: {there}; --device cpu always works")
    if len(set(devices)) < len(devices):
        raise UsageProblem(f"--device names a device twice: {text}")
    return devices


def gpu_count() -> int:
    """How many NVIDIA GPUs this process may use, asked of the driver; 0 where there is none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([word for word in visible.split(",") if word.strip() not in {"", "-1"}])
    return len(gpu_names())


def gpu_names() -> list[str]:
    """The NVIDIA GPUs of this machine, asked of the driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    except pynvml.NVMLError:
        return []


def driver_version() -> str:
    """Of the NVIDIA driver; empty where it does not tell."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return ""


def cpu_threads() -> int:
    """How many CPU threads a training may take: the cores this process may run on, less one for the screen where there
    are more than two."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores - 1 if cores > 2 else cores


def prepare_process() -> None:
    """Settings of the whole process that make training on a CPU faster. Before torch is imported and before the thread
    that trains begins: both remember how they found it."""
    os.environ["OMP_DYNAMIC"] = "false"  # given fewer threads than asked for, oneDNN waits for ever for the others
    wait_briefly()
    if mallopt := _mallopt():
        mallopt(ARENA_MAX, 1)  # else the thread that trains has a heap of its own, which cannot hold large blocks


def wait_briefly() -> None:
    """Let torch's threads sleep soon when they wait for each other, instead of burning a core.

    Every operation ends with threads that wait for the slowest. GNU's OpenMP lets them spin for milliseconds, which is
    the fastest where nobody else computes; on a busy machine a spinning thread keeps the one it waits for from running
    (a step of LeNet took 0.85 s instead of 0.06 s on two busy cores). Read once, when torch is imported. What the user
    has set is respected.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "3000"  # turns of some 20 ns


def keep_freed_memory() -> None:
    """Let the C library keep the memory that a training step frees, for the next step to use again.

    glibc gives large blocks back to the system at once and asks for them anew at every step, which costs page faults:
    half of the CPU time of a step of MobileNet V2.
    """
    if mallopt := _mallopt():
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
        mallopt(TOP_PAD, 64 * 2**20)


def give_back_memory() -> None:
    """Give the system what is free now, between two kinds of work: kept blocks of a training step rarely fit an
    evaluation, which would take its own beside them (MobileNet V2 needed a fifth more at its peak)."""
    if _mallopt():
        ctypes.CDLL(None).malloc_trim(0)


TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8  # the names of glibc's malloc.h


def _mallopt() -> Callable[[int, int], int] | None:
    """glibc's knob for its allocator. Other C libraries do not have it, or not these settings: None."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  other libraries lack it
        mallopt: Callable[[int, int], int] = library.mallopt
    except (AttributeError, OSError):
        return None
    return mallopt
