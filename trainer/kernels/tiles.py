"""What our programs share. They look at images (N, C, H, W) that lie in memory as (N, H, W, C): a matrix with a row for
each pixel of each image and a column for each channel. A program takes a tile of it, ROWS × CHANNELS. Between two rows
may lie more than the channels, where the images are a part of others.

What is counted in channels is given as multiples of ALIGN, the largest power of two up to 8 that divides all of it: so
the compiler knows that as many values can be fetched at once, and one program serves all layers.
"""

from __future__ import annotations

import triton
import triton.language as tl

SIZES = [
    *("rows", "each", "parts", "channels"),
    *("between", "between_added", "between_gradient", "between_passing", "between_result"),
    *("height", "width", "height_of_result", "width_of_result"),
]

program = triton.jit(do_not_specialize=SIZES)


@triton.jit
def of_this_program(ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """The rows and channels of its tile."""
    return tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)


@triton.jit
def tile(row, channel, between, last, channels):
    """Where the values of a tile lie, and which of them are there."""
    there = (row < last)[:, None] & (channel < channels)[None, :]
    return row.to(tl.int64)[:, None] * between + channel[None, :], there
