"""The machine's readings, with a driver that a test scripts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import until
from tui.readings import GpuReading, Reading, Readings
from tui.widgets.device import DevicePanel


class NVMLError(Exception):
    pass


class FakeNvml:
    """Two GPUs; the second does not tell its power."""

    NVML_TEMPERATURE_GPU = 0
    NVMLError = NVMLError

    def __init__(self, *, driver: bool = True) -> None:
        self.driver = driver
        self.inits = 0

    def nvmlInit(self) -> None:  # noqa: N802 (the driver's name)
        self.inits += 1
        if not self.driver:
            raise NVMLError("no driver")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 (the driver's name)
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802 (the driver's name)
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802 (the driver's name)
        return f"NVIDIA H{handle}"

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802 (the driver's name)
        return SimpleNamespace(gpu=98 - handle, memory=40)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802 (the driver's name)
        return SimpleNamespace(used=45_100_000_000, total=85_500_000_000, free=0)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802 (the driver's name)
        if handle == 1:
            raise NVMLError("not supported")
        return 612_400

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802 (the driver's name)
        return 61 + handle


FIRST = GpuReading("NVIDIA H0", 0.98, 45_100_000_000, 85_500_000_000, 612.4, 61)
SECOND = GpuReading("NVIDIA H1", 0.97, 45_100_000_000, 85_500_000_000, None, 62)


@pytest.fixture(autouse=True)
def all_gpus_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_the_gpus_of_the_session_are_read_in_its_order() -> None:
    nvml = FakeNvml()
    readings = Readings(("cuda:1", "cuda:0"), nvml)
    assert readings.read().gpus == (SECOND, FIRST)
    readings.read()
    assert nvml.inits == 1
    assert Readings(("auto",), FakeNvml()).read().gpus == (FIRST,)


def test_a_session_on_the_cpu_does_not_ask_the_driver() -> None:
    nvml = FakeNvml()
    assert Readings(("cpu",), nvml).read().gpus == ()
    assert nvml.inits == 0


def test_without_a_driver_there_are_no_gpus_and_no_error() -> None:
    assert Readings(("auto",), FakeNvml(driver=False)).read().gpus == ()


@pytest.mark.parametrize(("visible", "expected"), [("1", (SECOND,)), ("", ()), ("1,0", (SECOND,)), ("7", ())])
def test_gpus_that_cuda_does_not_show_are_not_counted(
    monkeypatch: pytest.MonkeyPatch, visible: str, expected: tuple[GpuReading, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Readings(("cuda:0",), FakeNvml()).read().gpus == expected


def test_cpu_and_memory_are_what_the_machine_says() -> None:
    reading = Readings(("cpu",)).read()
    assert 0.0 <= reading.cpu_busy <= 1.0
    assert 0 < reading.memory_used <= reading.memory_total


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
async def test_the_panel_shows_gpu_memory_power_and_temperature(
    workbench: MakeWorkbench, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    reading = Reading(0.5, 6_100_000_000, 15_600_000_000, (FIRST, SECOND))
    monkeypatch.setattr("tests.tui.conftest.READING", reading)
    bench = workbench()
    async with bench.app.run_test(size=size) as pilot:
        await pilot.press("2")
        panel = bench.app.screen.query_one(DevicePanel)
        await until(pilot, lambda: panel.size.height == 2, "a line for each GPU")
        first, second = str(panel.render()).splitlines()
        assert "50%" in first
        assert "  98%   45.1 of 85.5 GB   612 W   61 °C" in first
        assert "97%   45.1 of 85.5 GB   62 °C" in second
        assert ("━━━" in first) == ("H0" in first) == (size[0] > 80)
