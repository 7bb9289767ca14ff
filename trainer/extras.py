"""What a recipe may do to a batch beyond crop and flip: distortions, cutout, mixup. The published recipe does nothing.

Everything random is drawn for a whole epoch from generators of its own, so that switching one of these on changes
neither the order of the images nor their crops, nor each other's draws.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from store.records import Recipe
from trainer.policy import Distortions, distorted, draw_distortions
from trainer.state import stable_hash


class Extras(NamedTuple):
    """The further draws of one epoch over N images, by position in the epoch; None what the recipe leaves out."""

    distortions: Distortions | None = None
    hole: Tensor | None = None  # (2, N) int64: row and column of the middle of each image's cutout
    share: Tensor | None = None  # (steps, 1) float32 in 0 … 1: how much of each image its own batch keeps in mixup

    def to(self, device: torch.device | str) -> Extras:
        moved = self.distortions and Distortions(*(tensor.to(device) for tensor in self.distortions))
        return Extras(moved, *(None if tensor is None else tensor.to(device) for tensor in self[1:]))

    def tensors(self) -> list[Tensor]:
        """All there are, always in the same order."""
        return [tensor for tensor in (*(self.distortions or ()), self.hole, self.share) if tensor is not None]


def epoch_extras(recipe: Recipe, count: int, steps: int, seed: int, epoch: int) -> Extras:
    """The draws of an epoch (from 1) of so many images and steps: a pure function of the arguments."""

    def generator(what: str) -> torch.Generator:
        return torch.Generator().manual_seed(stable_hash(seed, epoch, what))

    hole = torch.randint(0, 32, (2, count), generator=generator("cutout")) if recipe.cutout else None
    share = None
    if recipe.mixup:  # torch draws from a beta distribution only with its one global generator
        dice = np.random.Generator(np.random.PCG64(stable_hash(seed, epoch, "mixup")))
        share = torch.from_numpy(dice.beta(recipe.mixup, recipe.mixup, (steps, 1))).float()
    return Extras(draw_distortions(recipe.policy, count, generator("policy")), hole, share)


def with_distortions(images: Tensor, extras: Extras, rows: slice | Tensor) -> Tensor:
    """Images (B, 3, H, W) uint8 at positions `rows` of the epoch, distorted if the recipe says so."""
    if extras.distortions is None:
        return images
    return distorted(images, Distortions(*(drawn[:, rows] for drawn in extras.distortions)))


def with_holes(batch: Tensor, extras: Extras, rows: slice | Tensor, side: int) -> Tensor:
    """A normalised batch with a square of `side` pixels of each image set to the mean colour.

    The square may reach over the edge, as in the paper: Cutout, DeVries and Taylor, 2017,
    https://arxiv.org/abs/1708.04552
    """
    if extras.hole is None:
        return batch
    place = torch.arange(batch.shape[-1], device=batch.device)
    row, column = extras.hole[:, rows, None] - side // 2  # (B, 1) each: where the square begins
    down, across = (place >= row) & (place < row + side), (place >= column) & (place < column + side)  # (B, H), (B, W)
    return batch.masked_fill((down[:, :, None] & across[:, None, :]).unsqueeze(1), 0.0)


def mixed(batch: Tensor, extras: Extras, step: int | Tensor) -> Tensor:
    """A batch in which each image is laid over its neighbour: mixup, Zhang and others, 2017,
    https://arxiv.org/abs/1710.09412. The order is random, so the neighbour is a random partner."""
    if extras.share is None:
        return batch
    return torch.lerp(batch.roll(1, 0), batch, extras.share[step].to(batch.dtype).view(()))


def cross_entropy(
    scores: Tensor, labels: Tensor, extras: Extras, step: int | Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """The mean loss () of scores (B, classes) for labels (B,); for mixed images that of both, by their shares."""
    own = F.cross_entropy(scores, labels, label_smoothing=label_smoothing)
    if extras.share is None:
        return own
    neighbours = F.cross_entropy(scores, labels.roll(1), label_smoothing=label_smoothing)
    return torch.lerp(neighbours, own, extras.share[step].to(own.dtype).view(()))
