"""What the machine is doing: its CPU and memory through psutil, its GPUs through NVIDIA's management library (NVML)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.device import number_of


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU now. What a card does not tell is None."""

    name: str
    busy: float | None  # fraction of the last moments in which something ran on it
    memory_used: int | None  # bytes
    memory_total: int | None
    watts: float | None
    celsius: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine now."""

    cpu_busy: float  # fraction of all cores
    memory_used: int  # bytes
    memory_total: int
    gpus: tuple[GpuReading, ...] = ()


class Readings:
    """Reads the machine. Slow the first time, when it loads its libraries: read in a thread."""

    def __init__(self, devices: Sequence[str], nvml: Any = None) -> None:
        """`devices` of the session, whose GPUs are read; `nvml` is pynvml unless said."""
        self.devices = devices
        self._nvml = nvml
        self._handles: list[Any] | None = None

    def read(self) -> Reading:
        """A reading. The CPU's is the mean since the last one."""
        import psutil

        memory = psutil.virtual_memory()
        busy = psutil.cpu_percent(interval=None) / 100
        return Reading(busy, memory.total - memory.available, memory.total, tuple(map(self._gpu, self._gpus())))

    def _gpus(self) -> list[Any]:
        """The GPUs that this session trains on, found once; none where there is no NVIDIA driver."""
        if self._handles is None:
            wanted = [number_of(device) for device in self.devices if device == "auto" or device.startswith("cuda")]
            visible = self._visible() if wanted else []
            self._handles = [visible[number] for number in wanted if number < len(visible)]
        return self._handles

    def _visible(self) -> list[Any]:
        """Every GPU that CUDA shows to this process, in its order."""
        if self._nvml is None:
            import pynvml

            self._nvml = pynvml
        nvml = self._nvml
        try:
            nvml.nvmlInit()
            every = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
            named = os.environ.get("CUDA_VISIBLE_DEVICES")
            if named is None:
                return every
            words = [word.strip() for word in named.split(",")]
            return [every[int(word)] for word in words if word.isdecimal() and int(word) < len(every)]
        except nvml.NVMLError:
            return []

    def _gpu(self, handle: Any) -> GpuReading:
        nvml = self._nvml

        def ask(question: Callable[[], Any]) -> Any:
            try:
                return question()
            except nvml.NVMLError:  # this card does not tell
                return None

        name = ask(lambda: nvml.nvmlDeviceGetName(handle))
        rates = ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle))
        memory = ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
        milliwatts = ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        celsius = ask(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
        return GpuReading(
            name=name or "GPU",
            busy=None if rates is None else rates.gpu / 100,
            memory_used=None if memory is None else memory.used,
            memory_total=None if memory is None else memory.total,
            watts=None if milliwatts is None else milliwatts / 1000,
            celsius=celsius,
        )
