"""Images as our programs for a GPU see them (trainer/kernels/tiles.py), and how they are cut for these."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

TILE = 4096  # values that a program works on at a time
WIDEST = 64  # channels of these: a line of memory, in half precision
PROGRAMS = 4  # for each of a GPU's multiprocessors, of those that add up


def is_laid_out(images: Tensor) -> bool:
    """Are these (N, H, W, C) in memory, whatever lies between two pixels?"""
    return images.dim() == 4 and between(images) > 0


def between(images: Tensor) -> int:
    """How far it is in memory from a pixel to the next one; 0 when that differs, or channels are not neighbours."""
    count, channels, height, width = images.shape
    of_image, of_channel, of_row, of_pixel = images.stride()
    if width == 1:
        of_pixel = of_row
    if width * height == 1:
        of_pixel = of_image
    fits = (
        (channels == 1 or of_channel == 1)
        and (height == 1 or of_row == width * of_pixel)
        and (count == 1 or of_image == height * width * of_pixel)
    )
    return of_pixel if fits and of_pixel >= channels else 0


def laid_out(images: Tensor) -> Tensor:
    """The same images, laid out so."""
    return images if is_laid_out(images) else images.contiguous(memory_format=torch.channels_last)


class Tiles(NamedTuple):
    """How images are cut for the programs: parts × columns of them add up, each going through tiles below each other;
    one for each tile computes a result."""

    rows: int  # pixels of all images
    align: int  # divides all that is counted in channels
    of_rows: int  # of a tile
    of_channels: int
    each: int  # rows of a part
    parts: int
    columns: int

    @classmethod
    def of(cls, images: Tensor, *steps: int) -> Tiles:
        """For images, and for others of their shape: so far it is from a pixel to the next one."""
        count, channels, height, width = images.shape
        rows, of_channels = count * height * width, min(WIDEST, _power_of_two(channels))
        of_rows, columns = TILE // of_channels, -(-channels // of_channels)
        wanted = max(1, PROGRAMS * multiprocessors(images.device) // columns)
        each = -(-rows // (wanted * of_rows)) * of_rows
        align = math.gcd(channels, *steps, 8)
        return cls(rows, align, of_rows, of_channels, each, -(-rows // each), columns)

    @property
    def all(self) -> tuple[int, int]:
        """The grid of those that compute a result."""
        return -(-self.rows // self.of_rows), self.columns

    @property
    def size(self) -> dict[str, int]:
        """What a program is compiled for."""
        return {"ALIGN": self.align, "ROWS": self.of_rows, "CHANNELS": self.of_channels}

    def aligned(self, *counts: int) -> list[int]:
        """What is counted in channels, as the programs take it."""
        return [count // self.align for count in counts]


def _power_of_two(number: int) -> int:
    """The next one that is not smaller."""
    return 1 << (number - 1).bit_length()


def multiprocessors(device: torch.device) -> int:
    """Of a GPU; elsewhere programs run one after the other."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
