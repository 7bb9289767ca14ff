"""Distortions beyond crop and flip, drawn for each image and computed for a whole batch: RandAugment, TrivialAugment.

- RandAugment, Cubuk and others, 2019, https://arxiv.org/abs/1909.13719: two distortions in a row, each of the same
  moderate strength.
- TrivialAugment (wide), Müller and Hutter, 2021, https://arxiv.org/abs/2103.10158: one distortion of any strength.

Distortions and their strengths are those of torchvision's transforms, to which tests compare them. Every image goes
through every distortion and keeps the one that was drawn for it: so nothing waits for the device, and a batch has the
same shapes every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Policy = Literal["none", "randaugment", "trivialaugment"]

MOVES = ("identity", "shear x", "shear y", "translate x", "translate y", "rotate")
"""Of where a pixel is taken from. All of them are one sampling of the image."""

COLOURS = ("brightness", "colour", "contrast", "sharpness", "posterise", "solarise", "auto-contrast", "equalise")
"""Of what a pixel's value is."""

KINDS = (*MOVES, *COLOURS)

BINS = 31  # strengths from none to the greatest
STRENGTH = 9  # of RandAugment's distortions, as a number of bins
RANDAUGMENT = {
    "shear x": 0.3, "shear y": 0.3, "translate x": 32 * 150 / 331, "translate y": 32 * 150 / 331, "rotate": 30.0,
    "brightness": 0.9, "colour": 0.9, "contrast": 0.9, "sharpness": 0.9, "posterise": 4.0, "solarise": 255.0,
}  # fmt: skip
"""The greatest strengths: a slope, pixels, degrees, parts; bits taken away; levels that are turned."""
TRIVIALAUGMENT = {
    "shear x": 0.99, "shear y": 0.99, "translate x": 32.0, "translate y": 32.0, "rotate": 135.0,
    "brightness": 0.99, "colour": 0.99, "contrast": 0.99, "sharpness": 0.99, "posterise": 6.0, "solarise": 255.0,
}  # fmt: skip
UNSIGNED = {"identity", "posterise", "solarise", "auto-contrast", "equalise"}


class Distortions(NamedTuple):
    """What was drawn for N images: one distortion after the other."""

    kind: Tensor  # (rounds, N) int64, a place in KINDS
    strength: Tensor  # (rounds, N) float32, in the unit of the kind, with its sign


def draw_distortions(policy: Policy, count: int, generator: torch.Generator) -> Distortions | None:
    """The distortions of an epoch over `count` images."""
    if policy == "none":
        return None
    rounds, most = (2, RANDAUGMENT) if policy == "randaugment" else (1, TRIVIALAUGMENT)
    kind = torch.randint(0, len(KINDS), (rounds, count), generator=generator)
    bins = torch.randint(0, BINS, (rounds, count), generator=generator)
    sign = torch.randint(0, 2, (rounds, count), generator=generator) * 2 - 1
    if policy == "randaugment":
        bins = torch.full_like(bins, STRENGTH)
    greatest = torch.tensor([most.get(name, 0.0) for name in KINDS])
    signed = torch.tensor([name not in UNSIGNED for name in KINDS])
    strength = greatest[kind] * bins / (BINS - 1)
    strength = torch.where(kind == KINDS.index("posterise"), strength.round(), strength)
    moved = (kind == KINDS.index("translate x")) | (kind == KINDS.index("translate y"))
    strength = torch.where(moved, strength.trunc(), strength)  # whole pixels
    return Distortions(kind, torch.where(signed[kind], sign * strength, strength))


def distorted(images: Tensor, drawn: Distortions) -> Tensor:
    """Images (B, 3, H, W) uint8, each with its distortions (`drawn` for these B images)."""
    for kind, strength in zip(drawn.kind, drawn.strength, strict=True):
        images = before = moved(images, kind, strength)
        for place, change in enumerate(CHANGES, start=len(MOVES)):
            images = torch.where((kind == place).view(-1, 1, 1, 1), change(before, strength.view(-1, 1, 1, 1)), images)
    return images


def moved(images: Tensor, kind: Tensor, strength: Tensor) -> Tensor:
    """Each image sheared, translated or rotated, nearest pixels, black where it had none; others as they are."""
    height, width = images.shape[2:]
    _, shear_x, shear_y, across, down, turn = (torch.where(kind == place, strength, 0.0) for place in range(len(MOVES)))
    sine, cosine = (turn * (math.pi / 180)).sin(), (turn * (math.pi / 180)).cos()
    # Where the pixel at (x, y) from the centre is taken from. Shears keep the corner in its place, not the centre.
    x_from = torch.stack([cosine, shear_x - sine, shear_x * (height / 2) - across], 1)
    y_from = torch.stack([sine + shear_y, cosine, shear_y * (width / 2) - down], 1)
    x = (torch.arange(width, device=images.device) - (width - 1) / 2).expand(height, width)
    y = (torch.arange(height, device=images.device) - (height - 1) / 2).view(-1, 1).expand(height, width)
    places = torch.stack([x, y, torch.ones_like(x)])  # (3, H, W)
    grid = torch.einsum("bij,jhw->bhwi", torch.stack([x_from * 2 / width, y_from * 2 / height], 1), places)
    return F.grid_sample(images.float(), grid, mode="nearest", align_corners=False).to(torch.uint8)


def blended(images: Tensor, other: Tensor, strength: Tensor) -> Tensor:
    """The images moved away from `other` (strength > 0) or towards it (< 0; −1 is the other one)."""
    part = 1 + strength
    return (part * images + (1 - part) * other).clamp(0, 255).to(torch.uint8)


def grey(images: Tensor) -> Tensor:
    """Their brightness, (B, 1, H, W) uint8."""
    red, green, blue = images.unbind(1)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).to(torch.uint8).unsqueeze(1)


def brightness(images: Tensor, strength: Tensor) -> Tensor:
    return blended(images, torch.zeros_like(images), strength)


def colour(images: Tensor, strength: Tensor) -> Tensor:
    return blended(images, grey(images), strength)


def contrast(images: Tensor, strength: Tensor) -> Tensor:
    return blended(images, grey(images).float().mean((1, 2, 3), keepdim=True), strength)


def sharpness(images: Tensor, strength: Tensor) -> Tensor:
    """Away from the blurred image, or towards it. The outermost pixels stay."""
    kernel = torch.ones(3, 1, 3, 3, device=images.device)
    kernel[:, :, 1, 1].fill_(5)  # not `= 5`, which a GPU would have to be sent
    sums = F.conv2d(images.float(), kernel, groups=3)  # whole numbers, which are exact in the TF32 of a GPU, too
    blurred = images.clone()
    blurred[:, :, 1:-1, 1:-1] = (sums / 13).round().to(torch.uint8)
    return blended(images, blurred, strength)


def posterise(images: Tensor, strength: Tensor) -> Tensor:
    """Without their last bits."""
    unit = torch.pow(2, strength.clamp(0, 7)).round().to(torch.uint8)  # other distortions' strengths come here, too
    return images // unit * unit


def solarise(images: Tensor, strength: Tensor) -> Tensor:
    """The brightest levels turned into dark ones: from 255 − strength up."""
    return torch.where(images >= 255 - strength, 255 - images, images)


def auto_contrast(images: Tensor, strength: Tensor) -> Tensor:
    """Each colour stretched from 0 to 255."""
    least, most = images.amin((2, 3), keepdim=True).float(), images.amax((2, 3), keepdim=True).float()
    stretched = ((images - least) * (255 / (most - least))).clamp(0, 255).to(torch.uint8)
    return torch.where(most > least, stretched, images)


def equalise(images: Tensor, strength: Tensor) -> Tensor:
    """Each colour with every level about as often as any other."""
    levels = images.flatten(2).long()  # (B, 3, H·W)
    often = torch.zeros(*levels.shape[:2], 256, dtype=torch.int64, device=images.device)
    often.scatter_add_(2, levels, torch.ones_like(levels))
    step = (levels.shape[2] - often.gather(2, levels.amax(2, keepdim=True))) // 255  # (B, 3, 1)
    upto = (often.cumsum(2) - often + step // 2) // step.clamp(min=1)
    equal = upto.clamp(0, 255).gather(2, levels).to(torch.uint8).view_as(images)
    return torch.where(step.unsqueeze(3) > 0, equal, images)


CHANGES: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    brightness, colour, contrast, sharpness, posterise, solarise, auto_contrast, equalise,
)  # fmt: skip
"""One for each of COLOURS: images (B, 3, H, W) uint8 and strengths (B, 1, 1, 1) to images."""
