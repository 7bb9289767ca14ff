"""How numbers are written. Fractions and seconds come in, what a person reads comes out; nothing else formats them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from store.records import Run, Status

if TYPE_CHECKING:
    from trainer.estimate import Estimate

NOTHING = "–"

SYMBOLS: dict[Status, str] = {
    "queued": "◦",
    "running": "▶",
    "paused": "‖",
    "done": "✓",
    "stopped": "■",
    "failed": "✗",
    "interrupted": "↯",
}
WAITING: dict[Status, str] = {"queued": "waiting"}  # the words that differ from the status itself


def status(run: Run) -> str:
    """`✓ done`: a symbol and a word, so that colour is never needed."""
    return f"{SYMBOLS[run.status]} {WAITING.get(run.status, run.status)}"


def device(run: Run) -> str:
    """Where a run trains or has trained: `cuda:1 · NVIDIA H100`, and `CPU` where there is but one."""
    number = run.device_id if run.device_id not in {"auto", "cpu"} else ""
    return " · ".join(filter(None, [number, run.device]))


def percent(fraction: float | None, digits: int = 2) -> str:
    """0.7474 → `74.74%`."""
    return NOTHING if fraction is None else f"{100 * fraction:.{digits}f}%"


def difference(own: float, published: float) -> str:
    """How far an accuracy lies from the published one, in points: `▲ +0.31`, `▼ −1.20`, `= 0.00`."""
    points = round(100 * (own - published), 2)
    if points == 0:
        return "= 0.00"
    return f"▲ +{points:.2f}" if points > 0 else f"▼ −{-points:.2f}"


def points(own: float, published: float) -> str:
    """The same for a file, where no triangle is needed: `+0.31`, `−1.20`, `0.00`."""
    return difference(own, published).lstrip("▲▼= ")


def mean_and_spread(mean: float, spread: float | None, runs: int, digits: int = 2) -> str:
    """`74.31 ±0.22 ×3`: mean and standard deviation over so many seeds, in percent; one seed has no spread."""
    if runs == 1:
        return percent(mean, digits)
    return f"{100 * mean:.{digits}f} ±{100 * (spread or 0):.{digits}f} ×{runs}"


def count(number: int | None) -> str:
    """62006 → `62,006`."""
    return NOTHING if number is None else f"{number:,}"


def short_count(number: int | None) -> str:
    """62006 → `62.0K`, 11173962 → `11.2M`, 3682868736 → `3.7G`."""
    if number is None:
        return NOTHING
    if number < 1000:
        return str(number)
    value = number / 1000
    for unit in "KMG":
        if round(value, 1) < 1000:
            return f"{value:.1f}{unit}"
        value /= 1000
    return f"{value:.1f}T"


def size(bytes: float) -> str:
    """170498071 → `170.5 MB`. Units of 1000."""
    if bytes < 1000:
        return f"{bytes:.0f} B"
    for unit in ("kB", "MB"):
        bytes /= 1000
        if round(bytes, 1) < 1000:
            return f"{bytes:.1f} {unit}"
    return f"{bytes / 1000:.1f} GB"


def used(bytes: float, total: float) -> str:
    """`6.1 of 15.6 GB`. Units of 1000."""
    return f"{bytes / 1e9:.1f} of {total / 1e9:.1f} GB"


def weights_size(params: int | None) -> str:
    """What the parameters weigh as float32, four bytes each: 62006 → `0.25 MB`."""
    if params is None:
        return NOTHING
    return f"{4 * params / 1e6:.2f} MB" if params < 2_500_000 else f"{4 * params / 1e6:.1f} MB"


def duration(seconds: float | None) -> str:
    """2363 → `0h-39m-23s`, as the published table writes it."""
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}h-{minutes % 60:02d}m-{rest:02d}s"


def seconds(value: float) -> str:
    """A short time, exactly: `11.5 s`; from two minutes on as a duration."""
    return f"{value:.1f} s" if value < 120 else duration(value)


def time_left(seconds: float | None) -> str:
    """A rough time to come: `12s`, `4m 05s`, `3h 20m`, `2d 4h`, `156d`."""
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest}s"
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    if minutes < 48 * 60:
        return f"{minutes // 60}h {minutes % 60:02d}m"
    days, rest = divmod(minutes, 1440)
    return f"{days}d {rest // 60}h" if days < 10 else f"{days}d"


def estimate(time: Estimate | None) -> str:
    """A run's length to come: `3h 20m`, or `~3h 20m` when it is guessed from other networks."""
    return NOTHING if time is None else ("" if time.measured else "~") + time_left(time.seconds)


def clock(moment: datetime, now: datetime) -> str:
    """When something will be: `17:40`, `Tue 04:10` within a week, else `14 Mar 04:10`."""
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    return f"{moment:%a %H:%M}" if moment - now < timedelta(days=6) else f"{moment.day} {moment:%b %H:%M}"


def speed(images_per_second: float | None) -> str:
    """`12,345 images/s`."""
    if images_per_second is None:
        return f"{NOTHING} images/s"
    return f"{images_per_second:,.0f} images/s" if images_per_second >= 10 else f"{images_per_second:.1f} images/s"


def loss(value: float | None) -> str:
    """Four digits are as much as an eye can follow."""
    return NOTHING if value is None else f"{value:.4f}"


def rate(learning_rate: float | None) -> str:
    """A learning rate: `0.01`, `0.00988`, `2.5e-06`."""
    return NOTHING if learning_rate is None else f"{learning_rate:.3g}"


def latency(seconds: float) -> str:
    """How soon one image has its answer: 0.00412 → `4.12 ms`."""
    return f"{1000 * seconds:.3g} ms"


def several(number: int, thing: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def listing(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def farewell(run: Run, when: str) -> str:
    """What the shell shows of a run that was in flight when the program ended, and when it goes on."""
    if not run.device:
        return f"{run.model}: had not begun yet, begins {when}"
    inside = min(run.epochs_done + 1, run.recipe.epochs)
    return f"{run.model}: saved in epoch {inside} of {run.recipe.epochs}, goes on {when}"
