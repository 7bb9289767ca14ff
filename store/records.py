"""The records: what is known of a training, frozen. A change makes a newer record (`msgspec.structs.replace`).

They are validated by `msgspec.convert` where input enters; constructors and `replace` do not validate. A field added
later has a default, so that what was stored before still reads. Accuracies are fractions, times are seconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

Status = Literal["queued", "running", "paused", "done", "stopped", "failed", "interrupted"]
DatasetName = Literal["cifar10", "synthetic"]

OVER: frozenset[Status] = frozenset({"done", "stopped", "failed"})
"""A run with one of these is over; with any other it is in the queue."""

Count = Annotated[int, Meta(ge=1)]
Fraction = Annotated[float, Meta(ge=0.0, lt=1.0)]


class Recipe(Struct, frozen=True, kw_only=True):
    """How to train. The defaults are the published recipe (see trainer/recipes.py for the presets).

    Everything that the published recipe does not have is off by default.
    """

    name: str = "published"  # of the preset; a recipe changed from it keeps the name, the difference is shown
    epochs: Annotated[int, Meta(ge=1, le=100_000)] = 200
    batch_size: Annotated[int, Meta(ge=1, le=50_000)] = 128
    optimizer: Literal["sgd", "nesterov", "adamw", "muon"] = "sgd"  # what each is: trainer/optim.py
    learning_rate: Annotated[float, Meta(gt=0.0, le=100.0)] = 0.01  # the highest of the schedule
    schedule: Literal["cosine", "one-cycle", "linear", "constant"] = "cosine"  # over `epochs`; cosine in whole epochs
    warmup: Annotated[float, Meta(ge=0.0, le=1000.0)] = 0.0  # epochs in which the rate climbs; one-cycle: 0 is 30%
    momentum: Fraction = 0.9  # for adamw the decay of its first moment
    weight_decay: Annotated[float, Meta(ge=0.0, le=1.0)] = 5e-4  # sgd: in the gradient; adamw, muon: times the rate
    decay_on: Literal["all", "weights"] = "all"  # weights: not on biases nor on what norms learn
    clip_norm: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.0  # the longest a step's whole gradient may be; 0: as it is
    augmentation: Literal["crop-flip", "none"] = "crop-flip"
    policy: Literal["none", "randaugment", "trivialaugment"] = "none"  # distortions after crop and flip
    cutout: Annotated[int, Meta(ge=0, le=32)] = 0  # pixels: the side of a square of mean grey; 0: none
    mixup: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.0  # alpha of the beta distribution of the shares; 0: no mixing
    label_smoothing: Fraction = 0.0  # the part of the target that is spread over all classes
    average: Fraction = 0.0  # what a running mean of the weights keeps at each step; it is tested and kept. 0: none
    test_flip: bool = False  # test on each image and its mirror image: the mean of the scores counts
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"  # auto: what the device does best
    train_limit: Annotated[int, Meta(ge=1, le=50_000)] | None = None  # use only the first N images
    test_limit: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    exact: bool = False  # bit-reproducible on the same device: nothing that a timing could decide
    threads: Annotated[int, Meta(ge=1, le=1024)] = 2  # CPU threads of an exact run; other runs adapt to the machine


class Step(Struct, frozen=True, kw_only=True):
    """Where a training is inside its epoch. Shown, never stored."""

    epoch: int  # from 1
    phase: Literal["prepare", "train", "test"]
    step: int  # steps of this phase that are done
    steps: int  # of this phase
    loss: float | None = None  # mean over this phase so far
    accuracy: float | None = None  # over this phase so far
    images_per_second: float | None = None


class Epoch(Struct, frozen=True, kw_only=True):
    """What one pass over the training set achieved. One line of epochs.jsonl."""

    epoch: int  # from 1
    train_loss: float  # mean over the epoch, while the weights were changing
    train_accuracy: float
    test_loss: float  # after the epoch, on the whole test set
    test_accuracy: float
    learning_rate: float
    seconds: float  # the whole epoch, evaluation included
    images_per_second: float  # of the training part


class Run(Struct, frozen=True, kw_only=True):
    """One training of one model. A run that is not over is a job, so the queue is kept by keeping the runs."""

    id: str  # short, can be typed
    model: str  # an id of the catalogue
    status: Status = "queued"
    dataset: DatasetName = "cifar10"
    recipe: Recipe = Recipe()
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    device: str = ""  # in words, e.g. "cpu" or "NVIDIA H100"; empty until it begins
    device_id: str = ""  # the same as --device names it, e.g. "cuda:1"; empty until it begins
    pinned_to: str | None = None  # the only device that may train it, as --device names it; None: any
    lost_devices: tuple[str, ...] = ()  # that stopped working while they trained it, see trainer/outcome.py
    params: int = 0
    epochs_done: int = 0
    best_accuracy: float | None = None  # over all epochs on the test set: what the published table reports
    best_epoch: int | None = None
    last_accuracy: float | None = None  # after the last epoch: the honest one
    seconds: float = 0.0  # sum over its epochs
    images_per_second: float | None = None  # of the last epoch's training part
    created: datetime
    finished: datetime | None = None
    error: str | None = None  # one line: why it failed, or why it waits
    notice: str | None = None  # one line: what to know about it, e.g. that it restarted from an older checkpoint
    plan: str = ""  # how the device ran it, e.g. "fp32, channels_last, 2 threads"
    data_folder: str | None = None  # where its images were read from; None for synthetic
    imported: str | None = None  # the file that its weights came from: it was not trained here, its recipe says nothing
    model_file: str | None = None  # the file of an own model; None for a model of ours
    model_digest: str | None = None  # SHA-256 of that file's text when the run was queued
    position: float = 0.0  # in the queue: lower is sooner
    moved: bool = False  # it waits where the user has put it: nothing that is queued later comes before it
    tags: tuple[str, ...] = ()  # the user's words for it, see `RunStore.label`
    note: str = ""  # the user's line about it
    environment: dict[str, str] = {}  # what it ran with: versions of python, torch, cifar-tui, … by name

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def waits_for_room(self) -> bool:
        """It was set aside because the disk was full, and goes on by itself; one that a user paused has no error."""
        return self.status == "paused" and self.error is not None


def summarise(run: Run, epochs: list[Epoch]) -> Run:
    """The run with everything that its epochs tell: how many, best, last, seconds."""
    if not epochs:
        return msgspec.structs.replace(
            run,
            epochs_done=0,
            best_accuracy=None,
            best_epoch=None,
            last_accuracy=None,
            seconds=0.0,
            images_per_second=None,
        )
    best = max(epochs, key=lambda epoch: epoch.test_accuracy)  # the first of equals
    return msgspec.structs.replace(
        run,
        epochs_done=epochs[-1].epoch,
        best_accuracy=best.test_accuracy,
        best_epoch=best.epoch,
        last_accuracy=epochs[-1].test_accuracy,
        seconds=sum(epoch.seconds for epoch in epochs),
        images_per_second=epochs[-1].images_per_second,
    )
