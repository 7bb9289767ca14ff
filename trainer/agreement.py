"""On a GPU: do our own kernels compute here what torch does?

Between them and the card stands a compiler that changes with every version of Triton, and nobody has seen them on all
cards. So before a run makes use of them, each meets images of several shapes, and what it gives is held against torch's
layers in float64. Where more than rounding lies between, they are not used, and the run says so.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.channels import concatenated, split
from trainer.norm import Activation, Norm
from trainer.pool import MaxPool
from trainer.tiles import PROGRAMS, TILE, WIDEST, multiprocessors

ALLOWED = {torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 2e-2}  # of a norm; rounding takes a fifth at most
NEAR_ZERO = 0.05  # where rounding may decide whether a ReLU lets a gradient pass

Results = Iterator[tuple[str, Tensor | None, Tensor | None]]
"""What it is, what our kernels say, what torch says in float64."""


class Case(NamedTuple):
    """Layers and the images that they meet."""

    shape: tuple[int, int, int, int]
    beside: int = 0  # other channels that lie in memory between two pixels
    activation: Activation = "relu"
    adds: bool = False
    passes: bool = False

    def __str__(self) -> str:
        words = [self.activation] * (self.activation != "none") + ["a sum"] * self.adds + ["passed on"] * self.passes
        return f"{' × '.join(map(str, self.shape))}, {self.beside} beside{''.join(f', {word}' for word in words)}"


def cases(device: torch.device) -> list[Case]:
    """Powers of two and others; wider and narrower than a tile; the first with more than one for each program."""
    enough = 3 * PROGRAMS * multiprocessors(device) * TILE // (2 * WIDEST * 16 * 16) + 1
    return [
        Case((enough, WIDEST, 16, 16), passes=True),
        Case((8, 130, 4, 4), 20, adds=True),
        Case((5, 24, 7, 6), 24, "none", adds=True),
        Case((6, 13, 5, 7), 0, "silu"),
        Case((4, 520, 2, 2), 8, "none", passes=True),
    ]


class Difference(NamedTuple):
    """Between a tensor of ours and what torch computes in float64."""

    what: str
    found: float  # as a part of the norm of torch's
    allowed: float
    case: Case

    @property
    def is_rounding(self) -> bool:
        return self.found <= self.allowed  # NaN is not

    def __str__(self) -> str:
        return f"{self.what} {self.found:.1e} away from torch's: {self.case}"


@functools.cache
def disagreement(device: torch.device, dtype: torch.dtype) -> str | None:
    """In words: where our kernels and torch's layers differ on this GPU, with images of this type; None: nowhere."""
    return next((str(one) for one in differences(device, dtype) if not one.is_rounding), None)


def differences(device: torch.device, dtype: torch.dtype) -> Iterator[Difference]:
    """How far all that our kernels compute lies from what torch's layers do."""
    for case in cases(device):
        draw = _Images(case, dtype, device)
        for what, ours, exact in (*_norm(case, draw), *_pool(draw), *_channels(draw)):
            assert ours is not None and exact is not None
            with torch.no_grad():
                found = float((ours.double() - exact).norm() / exact.norm())
            yield Difference(what, found, ALLOWED[ours.dtype], case)


class _Images:
    """Draws images of a case, by a generator of its own: a training's numbers stay as they are."""

    def __init__(self, case: Case, dtype: torch.dtype, device: torch.device) -> None:
        self.case, self.dtype, self.device = case, dtype, device
        self._generator = torch.Generator(device).manual_seed(0)

    def __call__(self, channels: int | None = None) -> Tensor:
        count, usual, height, width = self.case.shape
        channels = channels or usual
        shape = (count, channels + self.case.beside, height, width)
        images = torch.randn(shape, generator=self._generator, device=self.device).to(self.dtype)
        return images.contiguous(memory_format=torch.channels_last)[:, :channels]

    def factors(self, count: int) -> Tensor:
        return torch.rand(count, generator=self._generator, device=self.device) + 0.5


def _norm(case: Case, draw: _Images) -> Results:
    layer = nn.BatchNorm2d(case.shape[1], device=draw.device)
    with torch.no_grad():
        layer.weight.copy_(draw.factors(len(layer.weight)))
        layer.bias.copy_(draw.factors(len(layer.bias)))
    exact, ours = copy.deepcopy(layer).double(), Norm(layer, case.activation, case.passes)
    inputs = [draw().requires_grad_() for _ in range(1 + case.adds)]
    doubles = [images.detach().double().requires_grad_() for images in inputs]

    expected = exact(doubles[0]) + (doubles[1] if case.adds else 0)
    expected = {"relu": F.relu, "silu": F.silu, "none": lambda it: it}[case.activation](expected)
    result, *passed = ours(*inputs) if case.passes else (ours(*inputs),)
    slope = draw() * ((expected.abs() > NEAR_ZERO) | (case.activation != "relu"))
    slopes = [slope, *(draw() for _ in passed)]
    torch.autograd.backward([result, *passed], slopes)
    torch.autograd.backward([expected, *doubles[: len(passed)]], [slope.double() for slope in slopes])

    yield "a norm is", result, expected
    for images, double in zip(inputs, doubles, strict=True):
        yield "gradients of a norm's images are", images.grad, double.grad
    for parameter, wanted in zip(ours.parameters(), exact.parameters(), strict=True):
        yield "gradients of a norm's parameters are", parameter.grad, wanted.grad
    yield "statistics of a norm are", ours.running_mean, exact.running_mean
    yield "statistics of a norm are", ours.running_var, exact.running_var


def _pool(draw: _Images) -> Results:
    for layer in (nn.MaxPool2d(2), nn.MaxPool2d(3, 1, 1)):
        images = draw().requires_grad_()
        double = images.detach().double().requires_grad_()
        result, expected = MaxPool(layer)(images), layer(double)
        slope = torch.ones_like(result) + result.detach()  # as good as any, and of its shape
        torch.autograd.backward([result], [slope])
        torch.autograd.backward([expected], [slope.double()])
        yield "max pooling is", result, expected
        yield "gradients of max pooling are", images.grad, double.grad


def _channels(draw: _Images) -> Results:
    """Of the ReLU of a concatenation of images with a sum, which is then taken apart."""
    parts = [draw().requires_grad_() for _ in range(3)]
    doubles = [part.detach().double().requires_grad_() for part in parts]
    channels = parts[0].shape[1]
    whole = concatenated([parts[0], (parts[1], parts[2])], True)
    expected = F.relu(torch.cat([doubles[0], doubles[1] + doubles[2]], dim=1))
    sizes = [channels // 2, 2 * channels - channels // 2]
    slope = draw(2 * channels) * (expected > NEAR_ZERO)
    for total, one in ((split(whole, sizes), slope), (expected.split(sizes, dim=1), slope.double())):
        # Two tensors that do not lie beside each other: so they must be put together.
        torch.autograd.backward(list(total), [part.clone() for part in one.split(sizes, dim=1)])
    yield "a concatenation is", whole, expected
    for part, double in zip(parts, doubles, strict=True):
        yield "gradients of a concatenation are", part.grad, double.grad
