"""The published augmentation, a batch at a time: a random crop out of the bordered image, a random flip, normalise.

The published recipe runs PIL on one image after the other: RandomCrop(32, padding=4), RandomHorizontalFlip, ToTensor,
Normalize. Here the images stay where they are, as bytes, and one indexing operation cuts a whole batch. The same
draws give the same bits (tests/trainer/test_augment.py compares every one of them with torchvision).

All that is random in an epoch is a function of (seed, epoch), drawn once before the epoch's first batch. So every
device sees the images in the same order, and a run that stopped in the middle of an epoch needs to remember only the
step.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

BORDER = 4  # black pixels around an image, laid before it is normalised
MEAN = (0.4914, 0.4822, 0.4465)  # of red, green and blue over the training set, as fractions of 255 (kuangliu's recipe)
STD = (0.2470, 0.2435, 0.2616)


class Draws(NamedTuple):
    """Everything random in one epoch over N images. Position i of the epoch shows image `order[i]`, cut at row
    `top[i]` and column `left[i]` of its bordered form, then mirrored if `flip[i]`."""

    order: Tensor  # (N,) int64: each image once
    top: Tensor  # (N,) int64 in 0 … 8; 4 is the middle
    left: Tensor  # (N,) int64 in 0 … 8
    flip: Tensor  # (N,) bool


def epoch_draws(
    count: int,
    seed: int,
    epoch: int,
    device: torch.device | str = "cpu",
    augmentation: Literal["crop-flip", "none"] = "crop-flip",
) -> Draws:
    """The draws of an epoch (from 1) over `count` images: a pure function of the arguments, on every device the same.

    "none" draws the same order as "crop-flip" and leaves every image as it is: cut in the middle, never mirrored.
    """
    generator = torch.Generator().manual_seed(_generator_seed(seed, epoch))
    order = torch.randperm(count, generator=generator)
    if augmentation == "none":
        middle = torch.full((count,), BORDER)
        draws = Draws(order, middle, middle, torch.zeros(count, dtype=torch.bool))
    else:
        top, left = torch.randint(0, 2 * BORDER + 1, (2, count), generator=generator)
        draws = Draws(order, top, left, torch.randint(0, 2, (count,), generator=generator).bool())
    return Draws(*(tensor.to(device) for tensor in draws))


def _generator_seed(seed: int, epoch: int) -> int:
    """Neighbouring seeds and epochs must not give neighbouring generators, so both are hashed. Python's own `hash`
    would differ from process to process."""
    digest = hashlib.blake2b(f"epoch {epoch} of seed {seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # manual_seed takes 63 bits


def augmented_batch(
    padded: Tensor,
    labels: Tensor,
    draws: Draws,
    start: int,
    stop: int,
    *,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> tuple[Tensor, Tensor]:
    """Positions `start` … `stop` − 1 of the epoch: images (B, 3, 32, 32) of `dtype`, normalised, and labels (B,).

    `padded` holds the bordered images, uint8 (N, 3, 40, 40), and `labels` is int64 (N,); both and `draws` are on one
    device, and nothing waits for that device. A `stop` past the end gives the shorter last batch. Where `padded` is not
    in channels_last, all of it is copied first.
    """
    images, labels = cropped(padded, labels, draws, slice(start, stop))
    return normalised(images, dtype=dtype, memory_format=memory_format), labels


def cropped(padded: Tensor, labels: Tensor, draws: Draws, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
    """The images at positions `rows` of the epoch as they are shown, uint8 (B, 3, 32, 32), and their labels (B,)."""
    chosen = draws.order[rows]
    count, colours, height, width = padded.shape
    size = height - 2 * BORDER
    # Every square of 32 × 32 pixels, by the pixel in its upper left corner: (corners, 32, 96). It is not a copy, only
    # another way to step through the images, whose pixels follow each other in memory.
    pixels = padded.permute(0, 2, 3, 1).contiguous()
    corners = count * height * width - (size - 1) * (width + 1)
    squares = pixels.as_strided((corners, size, size * colours), (colours, width * colours, 1))
    images = squares.index_select(0, (chosen * height + draws.top[rows]) * width + draws.left[rows])  # (B, 32, 96)
    # Of an image and its mirror one is chosen eight bytes at a time: torch's `where` takes as long for one.
    mirrored = images.view(-1, size, size, colours).flip(2).view_as(images)
    words = torch.where(draws.flip[rows].view(-1, 1, 1), mirrored.view(torch.int64), images.view(torch.int64))
    return words.view(torch.uint8).view(-1, size, size, colours).permute(0, 3, 1, 2), labels[chosen]


def normalised(
    images: Tensor,
    *,
    dtype: torch.dtype = torch.float32,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Bytes (N, 3, H, W) as the network sees them: each colour with mean 0 and deviation 1 over the training set.

    The order of the operations is that of ToTensor and Normalize, because another order rounds differently.
    """
    white, mean, std = _colours(dtype, images.device, images.shape[2:])
    floats = images.to(dtype, memory_format=torch.channels_last).div_(white).sub_(mean).div_(std)
    return floats.contiguous(memory_format=memory_format)


@cache
def _colours(dtype: torch.dtype, device: torch.device, size: torch.Size) -> tuple[Tensor, ...]:
    """White, MEAN and STD, each (1, 3, H, W): written out for every pixel, as then a CPU treats many numbers at once.
    White, too, because a GPU does not divide by a number but multiplies by its inverse, which rounds differently.
    Made once: to bring them to a GPU at every batch would make the GPU wait."""
    colours = (torch.tensor(values, dtype=dtype, device=device) for values in ((255.0,) * 3, MEAN, STD))
    return tuple(
        colour.view(1, 3, 1, 1).expand(1, 3, *size).contiguous(memory_format=torch.channels_last) for colour in colours
    )
