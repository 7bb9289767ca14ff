"""What the machine is doing, once a second: one line, and one more for each GPU after the first."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from tui import words
from tui.background import in_background
from tui.readings import GpuReading, Reading, Readings
from tui.widgets.live import TALL

BETWEEN_READINGS = 1.0  # seconds
METER = 8  # cells of a meter
MOST_LINES = 2  # GPUs that have a line each on a low screen
HOT = 90.0  # °C; most cards begin to slow themselves down a little above


class DevicePanel(Widget):
    """Reads while it is seen, in a thread: a driver that is busy may take a while to answer."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"device--label", "device--value", "device--full", "device--rest"}

    reading: reactive[Reading | None] = reactive[Reading | None](None, layout=True)

    def __init__(self, readings: Readings) -> None:
        super().__init__()
        self.readings = readings
        self.is_reading = False

    def on_mount(self) -> None:
        self.set_interval(BETWEEN_READINGS, self.read)
        self.read()

    def read(self) -> None:
        """Begin a reading, unless nobody sees it or the last one is still under way."""
        if self.screen.is_current and not self.is_reading:
            self.is_reading = True
            in_background(self, "readings", self.readings.read, self.show)

    def show(self, reading: Reading) -> None:
        self.is_reading = False
        self.reading = reading

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 if self.is_summed_up or not self.reading else max(1, len(self.reading.gpus))

    def render(self) -> Content:
        if self.reading is None:
            return self._part("reading the machine …", "label")
        if self.is_summed_up:
            gpus = [self._together(self.reading.gpus)]
        else:
            gpus = [self._gpu(number, gpu) for number, gpu in enumerate(self.reading.gpus)]
        first = self._machine(self.reading)
        indent = Content(" " * (first.cell_length + 3))
        lines = [first + Content("   ") + gpus[0], *(indent + gpu for gpu in gpus[1:])] if gpus else [first]
        return Content("\n").join(line.truncate(self.size.width, ellipsis=True) for line in lines)

    @property
    def is_summed_up(self) -> bool:
        """One line for all GPUs together: there are many, and the screen is low."""
        return self.reading is not None and len(self.reading.gpus) > MOST_LINES and self.screen.size.height < TALL

    @property
    def is_terse(self) -> bool:
        """Numbers only, without meters: a GPU has much to tell, and all of it is to fit at 80 columns."""
        return self.size.width < 110 and self.reading is not None and bool(self.reading.gpus)

    def _machine(self, reading: Reading) -> Content:
        memory = words.used(reading.memory_used, reading.memory_total)
        if self.is_terse:
            return self._part("CPU ", "label") + self._part(
                f"{words.percent(reading.cpu_busy, 0):>4} {memory}", "value"
            )
        return Content.assemble(
            self._part("CPU ", "label"),
            self._meter(reading.cpu_busy),
            self._part("   memory ", "label"),
            self._meter(reading.memory_used / reading.memory_total, memory),
        )

    def _gpu(self, number: int, gpu: GpuReading) -> Content:
        label = f"GPU {number} " if self.reading and len(self.reading.gpus) > 1 else "GPU "
        facts = (
            [words.used(gpu.memory_used, gpu.memory_total)] if gpu.memory_used is not None and gpu.memory_total else []
        )
        facts += [f"{gpu.watts:.0f} W"] if gpu.watts is not None else []
        content = self._part(label, "label") + self._meter(gpu.busy)
        content += self._part("   " + "   ".join(facts), "value")
        if gpu.celsius is not None:
            content += self._part(f"   {gpu.celsius:.0f} °C", "full" if gpu.celsius >= HOT else "value")
        if not self.is_terse:
            content += self._part(f"   {gpu.name.removeprefix('NVIDIA ')}", "label")
        return content

    def _together(self, gpus: Sequence[GpuReading]) -> Content:
        """All GPUs: how busy they are in the mean, their memory and power in sum, and the hottest."""
        busy = [gpu.busy for gpu in gpus if gpu.busy is not None]
        used, total = sum(gpu.memory_used or 0 for gpu in gpus), sum(gpu.memory_total or 0 for gpu in gpus)
        watts = [gpu.watts for gpu in gpus if gpu.watts is not None]
        celsius = [gpu.celsius for gpu in gpus if gpu.celsius is not None]
        facts = [words.used(used, total)] if total else []
        facts += [f"{sum(watts):,.0f} W"] if watts else []
        content = self._part(f"{len(gpus)} GPUs ", "label") + self._meter(fmean(busy) if busy else None)
        content += self._part("  " + "  ".join(facts), "value")
        if celsius:
            content += self._part(f"  {max(celsius):.0f} °C", "full" if max(celsius) >= HOT else "value")
        return content

    def _meter(self, share: float | None, text: str = "") -> Content:
        """A small bar, and what it stands for: `━━━━━─── 62%`."""
        if share is None:
            return self._part(words.NOTHING, "value")
        number = self._part(text or f"{words.percent(share, 0):>4}", "value")
        if self.is_terse:
            return number
        full = round(METER * min(max(share, 0.0), 1.0))
        return Content.assemble(
            self._part("━" * full, "full"),
            self._part("─" * (METER - full) + " ", "rest"),
            number,
        )

    def _part(self, text: str, part: str) -> Content:
        return Content.styled(text, self.get_visual_style(f"device--{part}"))
