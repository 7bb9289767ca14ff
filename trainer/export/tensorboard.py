"""Runs as event files for TensorBoard: `tensorboard --logdir FOLDER` shows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import asdict

from store.records import Epoch, Run
from trainer.export.place import place_folder, required

SCALARS = {
    # tag              field of an epoch
    "accuracy/test": "test_accuracy",
    "accuracy/train": "train_accuracy",
    "loss/test": "test_loss",
    "loss/train": "train_loss",
    "learning_rate": "learning_rate",
    "images_per_second": "images_per_second",
    "seconds": "seconds",
}


def export_tensorboard(runs: Sequence[tuple[Run, Sequence[Epoch]]], folder: Path, *, force: bool = False) -> Path:
    """A folder with a folder of event files for each run. Steps are epochs; the times are those of the training, as far
    as they are known: epochs one after the other from when the run was made. Raises Problem."""
    required("tensorboardX", "tensorboard")

    def fill(beside: Path) -> None:
        for run, epochs in runs:
            write_events(run, epochs, beside / name_of(run))

    return place_folder(folder, fill, force=force)


def name_of(run: Run) -> str:
    """What TensorBoard calls a run; synthetic data cannot be taken for CIFAR-10."""
    return f"{run.model}-{run.id}" + ("-synthetic" if run.dataset == "synthetic" else "")


def write_events(run: Run, epochs: Sequence[Epoch], folder: Path) -> None:
    """One event file."""
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        clock = run.created.timestamp()
        facts = json.dumps({"seed": run.seed, "dataset": run.dataset, "device": run.device, **asdict(run.recipe)})
        writer.add_text("run", facts, 0, clock)
        for epoch in epochs:
            clock += epoch.seconds
            for tag, field in SCALARS.items():
                writer.add_scalar(tag, getattr(epoch, field), epoch.epoch, clock)
    (written,) = folder.iterdir()
    written.rename(folder / f"events.out.tfevents.{int(run.created.timestamp())}.{run.id}")  # without the host's name
