"""Max pooling (trainer/pool.py): SIZE × SIZE pixels, which move on by STRIDE, with PADDING around the images."""

from __future__ import annotations

import triton
import triton.language as tl

from trainer.kernels.tiles import of_this_program, program, tile


@triton.jit
def _pixel(row, height, width):
    """The image, the line and the column of a row."""
    return row // (height * width), row // width % height, row % width


@program
def largest(
    images, result, chosen, rows, between, channels, height, width, height_of_result, width_of_result,
    SIZE: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr,
    ALIGN: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """→ result: the largest of SIZE × SIZE values, the first of these where there are several, or one that is NaN
    → chosen: which of them it was, counted line by line"""
    between, channels = between * ALIGN, channels * ALIGN
    row, channel = of_this_program(ROWS, CHANNELS)
    image, line, column = _pixel(row, height_of_result, width_of_result)
    best = tl.full((ROWS, CHANNELS), float("-inf"), tl.float32)
    which = tl.full((ROWS, CHANNELS), -1, tl.int32)
    for number in tl.static_range(SIZE * SIZE):
        y, x = line * STRIDE - PADDING + number // SIZE, column * STRIDE - PADDING + number % SIZE
        inside = (row < rows) & (y >= 0) & (y < height) & (x >= 0) & (x < width)
        at, _ = tile((image * height + y) * width + x, channel, between, rows, channels)
        there = inside[:, None] & (channel < channels)[None, :]
        value = tl.load(images + at, mask=there, other=0).to(tl.float32)
        takes = there & ((value > best) | (value != value) | (which < 0))
        best = tl.where(takes, value, best)
        which = tl.where(takes, number, which)
    at, there = tile(row, channel, channels, rows, channels)
    tl.store(result + at, best.to(result.dtype.element_ty), mask=there)
    tl.store(chosen + at, which.to(tl.int8), mask=there)


@program
def gradient_of_images(
    gradient, chosen, result, rows, between_gradient, channels, height, width, height_of_result, width_of_result,
    SIZE: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr,
    ALIGN: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """→ result: for each value of the images, the sum of the gradients of those for which it was chosen"""
    between_gradient, channels = between_gradient * ALIGN, channels * ALIGN
    row, channel = of_this_program(ROWS, CHANNELS)
    image, line, column = _pixel(row, height, width)
    total = tl.zeros((ROWS, CHANNELS), tl.float32)
    for number in tl.static_range(SIZE * SIZE):
        y, x = line + PADDING - number // SIZE, column + PADDING - number % SIZE  # STRIDE times those of the result
        inside = (row < rows) & (y >= 0) & (x >= 0) & (y % STRIDE == 0) & (x % STRIDE == 0)
        y, x = y // STRIDE, x // STRIDE
        inside = inside & (y < height_of_result) & (x < width_of_result)
        there = inside[:, None] & (channel < channels)[None, :]
        of_result = (image * height_of_result + y) * width_of_result + x
        at, _ = tile(of_result, channel, channels, rows, channels)
        which = tl.load(chosen + at, mask=there, other=-1)
        at, _ = tile(of_result, channel, between_gradient, rows, channels)
        slope = tl.load(gradient + at, mask=there, other=0).to(tl.float32)
        total += tl.where(which == number, slope, 0.0)
    at, there = tile(row, channel, channels, rows, channels)
    tl.store(result + at, total.to(result.dtype.element_ty), mask=there)
