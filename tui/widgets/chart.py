"""A small line chart of text: Braille dots, four a cell in height and two in width. It needs no plotting library."""

from __future__ import annotations

from collections.abc import Sequence

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of U+2800, by row and column of a cell


def line_chart(values: Sequence[float], width: int, height: int) -> list[str]:
    """The values from left to right between the lowest and the highest, as `height` lines of `width` cells."""
    if not values:
        return [" " * width] * height
    columns, rows = 2 * width, 4 * height
    low, high = min(values), max(values)
    reach = (high - low) or 1.0
    cells = [[0] * width for _ in range(height)]
    before: int | None = None
    for column in range(columns):
        place = column * (len(values) - 1) / max(columns - 1, 1)
        left = min(int(place), max(len(values) - 2, 0))
        right = min(left + 1, len(values) - 1)
        value = values[left] + (values[right] - values[left]) * (place - left)
        row = round((rows - 1) * (high - value) / reach) if high > low else rows // 2
        steps = range(min(row, before + 1), max(row, before - 1) + 1) if before is not None else [row]
        for dot in steps:  # a steep part is drawn through, without gaps
            cells[dot // 4][column // 2] |= DOTS[dot % 4][column % 2]
        before = row
    return ["".join(chr(0x2800 + cell) if cell else " " for cell in line) for line in cells]
