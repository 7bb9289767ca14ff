"""Charts as SVG, for a page whose style names their colours (--s0 … --s7, see page.py). Numbers are shown as given."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

POINTS = 200  # of a line at most: more cannot be told apart
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 10, 34  # margins


class Line(NamedTuple):
    """Values after epochs 1, 2, …"""

    name: str
    values: Sequence[float]
    colour: int = 0  # 0 … 7
    thin: bool = False


class Point(NamedTuple):
    """A network in a scatter chart."""

    name: str
    x: float  # above 0: the axis is logarithmic
    y: float
    own: bool  # a filled dot; what was published is a ring


class Scale:
    """From a value to a place on the paper."""

    def __init__(self, low: float, high: float, begin: float, end: float, *, log: bool = False) -> None:
        self._by: Callable[[float], float] = math.log10 if log else float
        self._low, high = self._by(low), self._by(high)
        self._unit = (end - begin) / ((high - self._low) or 1.0)
        self._begin = begin

    def __call__(self, value: float) -> float:
        return self._begin + (self._by(value) - self._low) * self._unit


def line_chart(lines: Sequence[Line], label: str, width: int = 640, height: int = 260) -> str:
    """Lines over epochs; every line has at least one value."""
    values = [value for line in lines for value in line.values]
    count = max(len(line.values) for line in lines)
    ticks = even_ticks(min(values), max(values))
    x = Scale(1, max(count, 2), LEFT, width - RIGHT)
    y = Scale(ticks[0], ticks[-1], height - BOTTOM, TOP)
    parts = _grid(ticks, y, width)
    for epoch in sorted({1, count, *(round(tick) for tick in even_ticks(1, count) if 1 < tick < count)}):
        if epoch in {1, count} or min(x(epoch) - x(1), x(count) - x(epoch)) > 40:
            parts.append(_text(x(epoch), height - BOTTOM + 16, str(epoch), "middle"))
    parts.append(_text(width - RIGHT, height - 4, "epoch", "end"))
    for line in lines:
        path = " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in _thinned(line.values))
        shape = f'points="{path}"' if len(line.values) > 1 else ""
        mark = (
            f'<polyline class="line{" thin" * line.thin}" style="stroke:var(--s{line.colour})" {shape}>'
            if shape
            else f'<circle cx="{x(1):.1f}" cy="{y(line.values[0]):.1f}" r="3" style="fill:var(--s{line.colour})">'
        )
        parts.append(f"{mark}<title>{html.escape(line.name)}</title></{'polyline' if shape else 'circle'}>")
    return _svg(parts, width, height, label)


def scatter_chart(
    points: Sequence[Point], label: str, x_ticks: Callable[[float], str], width: int = 640, height: int = 380
) -> str:
    """Points over a logarithmic axis, whose ticks `x_ticks` writes. Those that no cheaper one excels are named."""
    xs = [point.x for point in points]
    y_ticks = even_ticks(min(point.y for point in points), max(point.y for point in points))
    x = Scale(min(xs) * 0.8, max(xs) * 1.25, LEFT, width - RIGHT, log=True)
    y = Scale(y_ticks[0], y_ticks[-1], height - BOTTOM, TOP)
    parts = _grid(y_ticks, y, width)
    for tick in log_ticks(min(xs) * 0.8, max(xs) * 1.25):
        parts.append(f'<path class="rule" d="M{x(tick):.1f} {TOP}V{height - BOTTOM}"/>')
        parts.append(_text(x(tick), height - BOTTOM + 16, x_ticks(tick), "middle"))
    parts.append(_text(width - RIGHT, height - 4, label, "end"))
    for point in sorted(points, key=lambda point: point.own):
        paint = "fill:var(--s1)" if point.own else "fill:none;stroke:var(--s0);stroke-width:1.5"
        name = html.escape(f"{point.name}: {point.y:.2f}%{'' if point.own else ' published'}")
        parts.append(
            f'<circle cx="{x(point.x):.1f}" cy="{y(point.y):.1f}" r="4" style="{paint}"><title>{name}</title></circle>'
        )
    taken: list[tuple[float, float]] = []
    for point in frontier(points):
        at_x, at_y = x(point.x), y(point.y)
        end = at_x > width * 0.7
        if all(abs(at_y - other_y) > 13 or abs(at_x - other_x) > 150 for other_x, other_y in taken):
            taken.append((at_x, at_y))
            parts.append(_text(at_x + (-8 if end else 8), at_y - 5, point.name, "end" if end else "start", "name"))
    return _svg(parts, width, height, label)


def frontier(points: Sequence[Point]) -> list[Point]:
    """The points that no cheaper one reaches or excels, from the cheapest to the most expensive."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if not best or point.y > best[-1].y:
            best.append(point)
    return best


def even_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers at even distances, the first not above `low`, the last not below `high`."""
    room = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(room / about))
    step = next(factor * power for factor in (1, 2, 5, 10) if room / (factor * power) <= about)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between two numbers above 0; with twice and five times of each where these are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens = [10.0**power for power in powers if low <= 10.0**power <= high]
    if len(tens) > 2:
        return tens
    finer = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [tick for tick in finer if low <= tick <= high]


def _thinned(values: Sequence[float]) -> list[tuple[int, float]]:
    """Epochs and their values, at most POINTS of them, the first and the last among them."""
    count = len(values)
    if count <= POINTS:
        return list(enumerate(values, start=1))
    places = sorted({round(number * (count - 1) / (POINTS - 1)) for number in range(POINTS)})
    return [(place + 1, values[place]) for place in places]


def _grid(ticks: Sequence[float], y: Scale, width: int) -> list[str]:
    parts = []
    for tick in ticks:
        parts.append(f'<path class="rule" d="M{LEFT} {y(tick):.1f}H{width - RIGHT}"/>')
        parts.append(_text(LEFT - 6, y(tick) + 4, f"{tick:.6g}", "end"))
    return parts


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _svg(parts: Sequence[str], width: int, height: int, label: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(label)}">{"".join(parts)}</svg>'
