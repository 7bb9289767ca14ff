"""Room on the disk: what a run still needs there, and whether there is as much."""

from __future__ import annotations

import shutil
from pathlib import Path

from store.errors import DiskFull
from store.records import Recipe, Run

CHECKPOINTS = ("checkpoint.pt", "checkpoint.before.pt")
SPARE = 4 * 2**20  # bytes for what else is written: lines, logs, results.json and its backup


def aside(path: Path) -> Path:
    """Where a checkpoint that is of no use is kept: under a name that is not looked at."""
    return path.with_suffix(".damaged.pt")


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run that is done, those that were set aside, and what a lost worker left."""
    for path in folder.glob("checkpoint*.pt"):
        path.unlink(missing_ok=True)


def copies(recipe: Recipe) -> int:
    """How often the weights may be on the disk: in three checkpoints while the newest is swapped in, each with the
    weights, what the optimizer keeps, the best weights, and their average where the recipe asks for one."""
    kept_by_optimizer = 2 if recipe.optimizer == "adamw" else 1
    return 3 * (2 + kept_by_optimizer + (recipe.average > 0))


def needed(folder: Path, weights: int, recipe: Recipe) -> int:
    """Bytes that a run with so many bytes of weights may still write into its folder."""
    there = sum(path.stat().st_size for name in CHECKPOINTS if (path := folder / name).is_file())
    return max(0, copies(recipe) * weights - there) + SPARE


def free(folder: Path) -> int:
    """Bytes that may still be written there."""
    return shutil.disk_usage(folder).free


def check(folder: Path, weights: int, recipe: Recipe) -> None:
    """Raises DiskFull when a run with so many bytes of weights would not find room."""
    need, there = needed(folder, weights, recipe), free(folder)
    if there < need:
        raise DiskFull(
            f"too little room in {folder}: {need / 1e6:,.0f} MB are needed and {there / 1e6:,.0f} MB are free"
        )


def has_room(folder: Path, run: Run) -> bool:
    """Would this run, which was set aside for want of room, find it now? About: its network is not built for this."""
    try:
        return free(folder) >= needed(folder, 4 * run.params, run.recipe)
    except OSError:
        return False
