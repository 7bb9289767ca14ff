"""Batch norm, the sum and the activation after it (trainer/norm.py).

All sums are taken in float32 and in the same order every time.
"""

from __future__ import annotations

import triton
import triton.language as tl

from trainer.kernels.activation import NONE, activated, through_activation
from trainer.kernels.tiles import of_this_program, program, tile


@program
def add_up(
    images, partial, rows, each, between, channels,
    ALIGN: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Of `each` rows: the sums of a channel's values and of their squares, both counted from the channel's very first
    value, which takes nothing away from the digits of a small variance. → partial (parts, 2, channels)"""
    between, channels = between * ALIGN, channels * ALIGN
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    origin = tl.load(images + channel, mask=channel < channels, other=0).to(tl.float32)[None, :]
    first = tl.program_id(0) * each
    last = tl.minimum(first + each, rows)
    total = tl.zeros((ROWS, CHANNELS), tl.float32)
    squares = tl.zeros((ROWS, CHANNELS), tl.float32)
    for begin in range(first, last, ROWS):
        at, there = tile(begin + tl.arange(0, ROWS), channel, between, last, channels)
        value = tl.load(images + at, mask=there, other=0).to(tl.float32)
        value = tl.where(there, value - origin, 0.0)
        total += value
        squares += value * value
    out = partial + tl.program_id(0) * 2 * channels + channel
    tl.store(out, tl.sum(total, 0), mask=channel < channels)
    tl.store(out + channels, tl.sum(squares, 0), mask=channel < channels)


@triton.jit
def _total(partial, channel, parts, channels, PARTS: tl.constexpr, CHANNELS: tl.constexpr):
    """Both sums of these channels, over all parts."""
    total = tl.zeros((PARTS, CHANNELS), tl.float32)
    second = tl.zeros((PARTS, CHANNELS), tl.float32)
    for begin in range(0, parts, PARTS):
        at, there = tile(begin + tl.arange(0, PARTS), channel, 2 * channels, parts, channels)
        total += tl.load(partial + at, mask=there, other=0.0)
        second += tl.load(partial + at + channels, mask=there, other=0.0)
    return tl.sum(total, 0), tl.sum(second, 0)


@program
def statistics(
    images, partial, found, running_mean, running_variance, batches, rows, parts, channels, momentum, eps,
    PARTS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """→ found (2, channels): the mean of each channel, and 1 / its standard deviation. The running ones follow."""
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < channels
    total, squares = _total(partial, channel, parts, channels, PARTS, CHANNELS)
    origin = tl.load(images + channel, mask=inside, other=0).to(tl.float32)
    away = total / rows
    variance = tl.maximum(squares / rows - away * away, 0.0)
    mean = origin + away
    tl.store(found + channel, mean, mask=inside)
    tl.store(found + channels + channel, 1 / tl.sqrt(variance + eps), mask=inside)
    was = tl.load(running_mean + channel, mask=inside, other=0.0)
    tl.store(running_mean + channel, was + momentum * (mean - was), mask=inside)
    was = tl.load(running_variance + channel, mask=inside, other=0.0)
    unbiased = variance * (rows / (rows - 1.0))
    tl.store(running_variance + channel, was + momentum * (unbiased - was), mask=inside)
    if tl.program_id(0) == 0:
        tl.store(batches, tl.load(batches) + 1)


@triton.jit
def _parameters(found, weight, bias, channel, channels):
    """Of these channels, each (1, CHANNELS): mean, 1 / standard deviation, weight, bias."""
    inside = channel < channels
    mean = tl.load(found + channel, mask=inside, other=0.0)
    inverse = tl.load(found + channels + channel, mask=inside, other=0.0)
    weight = tl.load(weight + channel, mask=inside, other=0.0)
    bias = tl.load(bias + channel, mask=inside, other=0.0)
    return mean[None, :], inverse[None, :], weight[None, :], bias[None, :]


@program
def normalise(
    images, added, result, found, weight, bias, rows, between, between_added, channels,
    ADDS: tl.constexpr, ACTIVATION: tl.constexpr, ALIGN: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """→ result: activation((images − mean) / deviation · weight + bias + added)"""
    between, between_added, channels = between * ALIGN, between_added * ALIGN, channels * ALIGN
    row, channel = of_this_program(ROWS, CHANNELS)
    mean, inverse, weight, bias = _parameters(found, weight, bias, channel, channels)
    at, there = tile(row, channel, between, rows, channels)
    value = tl.load(images + at, mask=there, other=0).to(tl.float32)
    value = (value - mean) * inverse * weight + bias
    if ADDS:
        at, there = tile(row, channel, between_added, rows, channels)
        value += tl.load(added + at, mask=there, other=0).to(tl.float32)
    at, there = tile(row, channel, channels, rows, channels)
    tl.store(result + at, activated(value, ACTIVATION).to(result.dtype.element_ty), mask=there)


@program
def add_up_gradients(
    gradient, images, result, of_added, partial, found, weight, bias, rows, each, between_gradient, between, channels,
    ADDS: tl.constexpr, ACTIVATION: tl.constexpr, ALIGN: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Of `each` rows: the sums that are the gradients of bias and weight → partial (parts, 2, channels). Where
    something was added before an activation, its gradient → of_added."""
    between_gradient, between, channels = between_gradient * ALIGN, between * ALIGN, channels * ALIGN
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    mean, inverse, weight, bias = _parameters(found, weight, bias, channel, channels)
    first = tl.program_id(0) * each
    last = tl.minimum(first + each, rows)
    of_bias = tl.zeros((ROWS, CHANNELS), tl.float32)
    of_weight = tl.zeros((ROWS, CHANNELS), tl.float32)
    for begin in range(first, last, ROWS):
        row = begin + tl.arange(0, ROWS)
        at, there = tile(row, channel, between, last, channels)
        normal = (tl.load(images + at, mask=there, other=0).to(tl.float32) - mean) * inverse
        at, there = tile(row, channel, between_gradient, last, channels)
        slope = tl.load(gradient + at, mask=there, other=0).to(tl.float32)
        if ADDS and ACTIVATION != NONE:
            at, there = tile(row, channel, channels, last, channels)
            slope = through_activation(slope, tl.load(result + at, mask=there, other=0), ACTIVATION)
            tl.store(of_added + at, slope.to(of_added.dtype.element_ty), mask=there)
        else:
            slope = through_activation(slope, normal * weight + bias, ACTIVATION)
        of_bias += slope  # 0 outside
        of_weight += slope * normal
    out = partial + tl.program_id(0) * 2 * channels + channel
    tl.store(out, tl.sum(of_bias, 0), mask=channel < channels)
    tl.store(out + channels, tl.sum(of_weight, 0), mask=channel < channels)


@program
def total_gradients(partial, totals, parts, channels, PARTS: tl.constexpr, CHANNELS: tl.constexpr):
    """→ totals (2, channels): the gradients of bias and weight"""
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    of_bias, of_weight = _total(partial, channel, parts, channels, PARTS, CHANNELS)
    tl.store(totals + channel, of_bias, mask=channel < channels)
    tl.store(totals + channels + channel, of_weight, mask=channel < channels)


@program
def gradient_of_images(
    gradient, images, passing, totals, found, weight, bias, result, rows, between_gradient, between, between_passing,
    channels, ACTIVATION: tl.constexpr, PASSES: tl.constexpr,
    ALIGN: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """→ result: weight / deviation · (gradient − its mean − normalised images · mean of their product), and what came
    to the images past the norm"""
    between_gradient, between, channels = between_gradient * ALIGN, between * ALIGN, channels * ALIGN
    between_passing = between_passing * ALIGN
    row, channel = of_this_program(ROWS, CHANNELS)
    mean, inverse, weight, bias = _parameters(found, weight, bias, channel, channels)
    of_bias = tl.load(totals + channel, mask=channel < channels, other=0.0)[None, :]
    of_weight = tl.load(totals + channels + channel, mask=channel < channels, other=0.0)[None, :]
    at, there = tile(row, channel, between, rows, channels)
    normal = (tl.load(images + at, mask=there, other=0).to(tl.float32) - mean) * inverse
    at, there = tile(row, channel, between_gradient, rows, channels)
    slope = tl.load(gradient + at, mask=there, other=0).to(tl.float32)
    slope = through_activation(slope, normal * weight + bias, ACTIVATION)
    slope = weight * inverse * (slope - (of_bias + normal * of_weight) / rows)
    if PASSES:
        at, there = tile(row, channel, between_passing, rows, channels)
        slope += tl.load(passing + at, mask=there, other=0).to(tl.float32)
    at, there = tile(row, channel, channels, rows, channels)
    tl.store(result + at, slope.to(result.dtype.element_ty), mask=there)
