"""What a notebook shows of a training: a line an epoch, and curves. Notebooks hold a copy of this file's code."""

from collections.abc import Mapping, Sequence

COLOURS = ("#3b82c4", "#d9822b", "#5a9e4b", "#b05fc0")  # readable on white and on black


def epoch_line(
    epoch: int,
    epochs: int,
    train_loss: float,
    train_accuracy: float,
    test_loss: float,
    test_accuracy: float,
    seconds: float,
) -> str:
    return (
        f"epoch {epoch:3d}/{epochs}  train loss {train_loss:.4f}, accuracy {100 * train_accuracy:5.2f}%"
        f"  test loss {test_loss:.4f}, accuracy {100 * test_accuracy:5.2f}%  {seconds:.1f} s"
    )


def curves(lines: Mapping[str, Sequence[float]], title: str, width: int = 640, height: int = 260) -> str:
    """A picture (SVG) of one line for each name; a point for each epoch, from 1."""
    values = [value for line in lines.values() for value in line]
    low, high = min(values), max(values)
    room = (high - low) or 1.0
    count = max(map(len, lines.values()))
    left, top, right, bottom = 50, 30, width - 10, height - 30

    def place(number: int, value: float) -> str:
        x = left + (right - left) * (number / (count - 1) if count > 1 else 0.5)
        return f"{x:.1f},{bottom - (bottom - top) * (value - low) / room:.1f}"

    parts = [f'<text x="{left}" y="16" font-weight="bold">{title}</text>']
    for tick in range(5):
        value = low + room * tick / 4
        y = bottom - (bottom - top) * tick / 4
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#8884" fill="none"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    parts.append(f'<text x="{left}" y="{height - 8}">epoch 1</text>')
    parts.append(f'<text x="{right}" y="{height - 8}" text-anchor="end">epoch {count}</text>')
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(place(at, value) for at, value in enumerate(line))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="2" fill="{colour}"/>' for x, y in _ends(points)]
        parts.append(f'<text x="{right - 90 * number}" y="16" text-anchor="end" fill="{colour}">{name}</text>')
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    style = 'font-family="sans-serif" font-size="12" fill="#888"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(parts)}</svg>'


def _ends(points: str) -> list[list[str]]:
    """The first and the last point of a line."""
    places = points.split()
    return [place.split(",") for place in (places[0], places[-1])]


def sparkline(values: Sequence[float]) -> str:
    """The same in a line of text, where no picture can be shown."""
    low, high = min(values), max(values)
    return "".join("▁▂▃▄▅▆▇█"[round(7 * (value - low) / ((high - low) or 1.0))] for value in values)
