"""Which devices there are, and what they are called. Nothing here imports torch before it has to."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Sequence

from store.errors import UsageProblem

DEVICE = re.compile(r"cpu(:[0-9]{1,3})?|cuda(:[0-9]{1,4})?")
"""The name of one device."""


def parse_devices(text: str | None) -> list[str]:
    """The devices that `--device` names, one worker each: `cpu`, `cuda:1`, `cuda:0,cuda:2`, `all` (every GPU), or
    `cpu:0,cpu:1` (two trainings side by side, which share the cores).

    Without a word it is `auto`: the first GPU that torch can use, else the CPU, found out when the first run begins.
    Raises UsageProblem for anything else, and for a GPU that the NVIDIA driver does not know.
    """
    if text is None:
        return ["auto"]
    count = gpu_count()
    if text == "all":
        return [f"cuda:{index}" for index in range(count)] or ["cpu"]
    if not all(map(DEVICE.fullmatch, text.split(","))):
        raise UsageProblem(
            f"--device cannot be {text!r}: it must be cpu, cuda:0 (a GPU's number), several with commas between, or all"
        )
    devices = [f"{word}:0" if word == "cuda" else word for word in text.split(",")]
    for device in devices:
        if not is_cpu(device) and number_of(device) >= count:
            there = f"this machine has {count} GPU{'s' * (count > 1)}" if count else "no NVIDIA GPU was found here"
            raise UsageProblem(f"there is no {device}: {there}; --device cpu always works")
    if len(set(devices)) < len(devices):
        raise UsageProblem(f"--device names a device twice: {text}")
    return devices


def is_cpu(device: str) -> bool:
    """Is this the name of the CPU, or of one of the workers that share it?"""
    return device.partition(":")[0] == "cpu"


def number_of(device: str) -> int:
    """The number of the GPU that a name means."""
    return int(device.partition(":")[2] or 0)


def is_meant(wanted: str, device: str) -> bool:
    """Does a device of this session have the name that is wanted? `auto` has that of the device it will turn out to be:
    should torch not be able to use it, the training says so."""
    return wanted == device or (device == "auto" and wanted == ("cuda:0" if gpu_count() else "cpu"))


def in_words(devices: Sequence[str]) -> dict[str, str]:
    """What runs will call each device of this session, found out without torch; asks the driver where one is a GPU.
    Devices of another kind are left out."""
    ours = [device for device in devices if device == "auto" or DEVICE.fullmatch(device)]
    names = [] if all(map(is_cpu, ours)) else visible_gpu_names()
    return {
        device: names[number_of(device)] if not is_cpu(device) and number_of(device) < len(names) else "CPU"
        for device in ours
    }


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


def visible_gpu_names() -> list[str]:
    """The GPUs that this process may use, in the order in which torch counts them."""
    names, visible = gpu_names(), os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return names
    numbers = [word.strip() for word in visible.split(",")]
    return [names[int(number)] for number in numbers if number.isdecimal() and int(number) < len(names)]


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
    are more than two; its share of them where several train on the CPU side by side. $OMP_NUM_THREADS is the most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = max(1, (cores - 1 if cores > 2 else cores) // _sharing)
    most = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(most)) if most.isdecimal() and int(most) else share


_sharing = 1  # trainings that share this process's cores; see share_cores


def share_cores(devices: Sequence[str]) -> None:
    """From now on the cores of this process are for the workers of these devices."""
    global _sharing
    _sharing = max(1, sum(map(is_cpu, devices)))


def prepare_process() -> None:
    """Settings of the whole process that make training on a CPU faster. Before torch is imported and before the thread
    that trains begins: both remember how they found it."""
    _set("OMP_DYNAMIC", "false")  # given fewer threads than asked for, oneDNN waits for ever for the others
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
        _set("GOMP_SPINCOUNT", "10000")  # turns of some 20 ns: a little longer than from one operation to the next


_found: dict[str, str | None] = {}  # the variables of the environment that were set here, as they were before


def _set(variable: str, value: str) -> None:
    _found.setdefault(variable, os.environ.get(variable))
    os.environ[variable] = value


def environment_as_found() -> dict[str, str]:
    """The environment without what `prepare_process` has set in it: for a process that is not ours."""
    now: dict[str, str | None] = {**os.environ, **_found}
    return {variable: value for variable, value in now.items() if value is not None}


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
    evaluation, which would take its own beside them."""
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
