"""A batch as the network learns from it: cut, mirrored, perhaps distorted, normalised, perhaps holed and mixed."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import torch
from torch import Tensor

from store.records import Recipe
from trainer.augment import Draws, cropped, epoch_draws, normalised
from trainer.data import DataSet
from trainer.extras import Extras, epoch_extras, mixed, with_distortions, with_holes


class Form(TypedDict):
    """How images lie in memory."""

    dtype: torch.dtype
    memory_format: torch.memory_format


class Place(NamedTuple):
    """Which batch of a pass. As tensors on the device, a captured step can read it anew each time."""

    rows: slice | Tensor  # the positions of its images in the pass
    step: int | Tensor  # its number, from 0


class Drawn(NamedTuple):
    """All that is random in one epoch, apart from dropout."""

    draws: Draws
    extras: Extras

    def to(self, device: torch.device | str) -> Drawn:
        return Drawn(Draws(*(tensor.to(device) for tensor in self.draws)), self.extras.to(device))

    def tensors(self) -> list[Tensor]:
        """All there are, always in the same order."""
        return [*self.draws, *self.extras.tensors()]


def draw(recipe: Recipe, count: int, steps: int, seed: int, epoch: int) -> Drawn:
    """What is drawn for an epoch (from 1) of `count` images in `steps` batches: on the CPU, the same everywhere."""
    return Drawn(
        epoch_draws(count, seed, epoch, augmentation=recipe.augmentation),
        epoch_extras(recipe, count, steps, seed, epoch),
    )


def training_batch(data: DataSet, drawn: Drawn, recipe: Recipe, at: Place, form: Form) -> tuple[Tensor, Tensor]:
    """Images (B, 3, 32, 32) as they enter the network, and labels (B,)."""
    images, labels = cropped(data.padded, data.train.labels, drawn.draws, at.rows)
    images = with_distortions(images, drawn.extras, at.rows)
    batch = normalised(images, **form)
    batch = with_holes(batch, drawn.extras, at.rows, recipe.cutout)
    batch = mixed(batch, drawn.extras, at.step)
    return batch.contiguous(memory_format=form["memory_format"]), labels
