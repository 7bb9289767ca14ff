"""Charts as SVG, for a page whose style names their colours (--s0 … --s7, see page.py). Numbers are shown as given."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

LETTER = 7.5  # units that a letter of a name takes, about
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


def line_chart(lines: Sequence[Line], label: str, width: int = 400, height: int = 200, low: float | None = None) -> str:
    """Lines over epochs; every line has at least one value. What lies below `low` is cut off."""
    values = [max(value, low) if low is not None else value for line in lines for value in line.values]
    count = max(len(line.values) for line in lines)
    ticks = even_ticks(min(values), max(values))
    x = Scale(1, max(count, 2), LEFT, width - RIGHT)
    y = Scale(ticks[0], ticks[-1], height - BOTTOM, TOP)
    parts = _grid(ticks, y, width)
    for epoch in sorted({1, count, *(round(tick) for tick in even_ticks(1, count) if 1 < tick < count)}):
        if epoch in {1, count} or min(x(epoch) - x(1), x(count) - x(epoch)) > 40:
            anchor = "end" if epoch == count > 1 else "middle"
            parts.append(_text(x(epoch), height - BOTTOM + 16, str(epoch), anchor))
    parts.append(_text(width - RIGHT, height - 4, "epoch", "end"))
    parts.append(f'<svg x="0" y="0" width="{width}" height="{height - BOTTOM + 2}">')  # cuts off what is below
    for line in lines:
        path = " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in _thinned(line.values))
        shape = f'points="{path}"' if len(line.values) > 1 else ""
        mark = (
            f'<polyline class="line{" thin" * line.thin}" style="stroke:var(--s{line.colour})" {shape}>'
            if shape
            else f'<circle cx="{x(1):.1f}" cy="{y(line.values[0]):.1f}" r="3" style="fill:var(--s{line.colour})">'
        )
        parts.append(f"{mark}<title>{html.escape(line.name)}</title></{'polyline' if shape else 'circle'}>")
    return _svg([*parts, "</svg>"], width, height, label)


def scatter_chart(
    points: Sequence[Point], label: str, ticks: Mapping[float, str], width: int = 480, height: int = 340
) -> str:
    """Points over a logarithmic axis with these ticks, as far as they fall on it. Those that no cheaper one excels have
    their names beside them, where there is room."""
    xs = [point.x for point in points]
    y_ticks = even_ticks(min(point.y for point in points), max(point.y for point in points))
    x = Scale(min(xs) * 0.8, max(xs) * 1.25, LEFT, width - RIGHT, log=True)
    y = Scale(y_ticks[0], y_ticks[-1], height - BOTTOM, TOP)
    parts = _grid(y_ticks, y, width)
    for tick, word in ticks.items():
        if LEFT + 12 <= x(tick) <= width - RIGHT - 12:
            parts.append(f'<path class="rule" d="M{x(tick):.1f} {TOP}V{height - BOTTOM}"/>')
            parts.append(_text(x(tick), height - BOTTOM + 16, word, "middle"))
    parts.append(_text(width - RIGHT, height - 4, label, "end"))
    for point in sorted(points, key=lambda point: point.own):
        paint = "fill:var(--s1)" if point.own else "fill:none;stroke:var(--s0);stroke-width:1.5"
        name = html.escape(f"{point.name}: {point.y:.2f}%{'' if point.own else ' published'}")
        parts.append(
            f'<circle cx="{x(point.x):.1f}" cy="{y(point.y):.1f}" r="4" style="{paint}"><title>{name}</title></circle>'
        )
    parts += _names([(x(point.x), y(point.y), point.name) for point in frontier(points)], width)
    return _svg(parts, width, height, label)


def _names(places: Sequence[tuple[float, float, str]], width: int) -> list[str]:
    """A name above each place, where it does not meet one that is there already."""
    taken: list[tuple[float, float, float]] = []  # from, to, height
    parts = []
    for x, y, name in places:
        length = LETTER * len(name)
        begin = x + 8 if x + 8 + length < width - RIGHT else x - 8 - length
        if all(begin > right or begin + length < left or abs(y - other) > 14 for left, right, other in taken):
            taken.append((begin, begin + length, y))
            parts.append(_text(begin, y - 6, name, "start", "name"))
    return parts


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
