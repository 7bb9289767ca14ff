"""What may follow a norm, a sum or a concatenation."""

from __future__ import annotations

import triton
import triton.language as tl

NONE, RELU, SILU = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)


@triton.jit
def activated(value, ACTIVATION: tl.constexpr):
    if ACTIVATION == RELU:
        value = tl.where(value <= 0, 0.0, value)  # so that NaN stays NaN
    elif ACTIVATION == SILU:
        value = value / (1 + tl.exp(-value))
    return value


@triton.jit
def through_activation(gradient, value, ACTIVATION: tl.constexpr):
    """The gradient of what was activated; of ReLU `value` may be its result as well."""
    if ACTIVATION == RELU:
        gradient = tl.where(value <= 0, 0.0, gradient)
    elif ACTIVATION == SILU:
        sigmoid = 1 / (1 + tl.exp(-value))
        gradient = gradient * sigmoid * (1 + value * (1 - sigmoid))
    return gradient
