"""Concatenation along the channels (trainer/channels.py)."""

from __future__ import annotations

import triton.language as tl
from triton.language import constexpr

from trainer.kernels.activation import RELU, activated, through_activation
from trainer.kernels.tiles import of_this_program, program, tile


@program
def put(
    images, added, result, rows, between, between_added, between_result, channels,
    ADDS: constexpr, ACTIVATION: constexpr, ALIGN: constexpr, ROWS: constexpr, CHANNELS: constexpr,
):  # fmt: skip
    """→ result: the images, or their sum with others, activated or not. The result is a part of a larger one."""
    between, between_added, between_result = between * ALIGN, between_added * ALIGN, between_result * ALIGN
    channels = channels * ALIGN
    row, channel = of_this_program(ROWS, CHANNELS)
    at, there = tile(row, channel, between, rows, channels)
    value = tl.load(images + at, mask=there, other=0)
    if ADDS:
        at, there = tile(row, channel, between_added, rows, channels)
        value = (value.to(tl.float32) + tl.load(added + at, mask=there, other=0).to(tl.float32)).to(value.dtype)
    at, there = tile(row, channel, between_result, rows, channels)
    tl.store(result + at, activated(value, ACTIVATION).to(result.dtype.element_ty), mask=there)


@program
def through_relu(
    gradient, result, changes, rows, between_gradient, channels,
    ALIGN: constexpr, ROWS: constexpr, CHANNELS: constexpr,
):  # fmt: skip
    """→ changes: the gradient, where the result of a ReLU is not 0"""
    between_gradient, channels = between_gradient * ALIGN, channels * ALIGN
    row, channel = of_this_program(ROWS, CHANNELS)
    at, there = tile(row, channel, between_gradient, rows, channels)
    slope = tl.load(gradient + at, mask=there, other=0)
    at, there = tile(row, channel, channels, rows, channels)
    value = tl.load(result + at, mask=there, other=0)
    tl.store(changes + at, through_activation(slope, value, RELU).to(slope.dtype), mask=there)
