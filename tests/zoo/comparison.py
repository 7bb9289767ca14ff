"""Do two networks compute the same function? Weights are carried over, and everything is compared in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SEED = 11


def assert_same_function(ours: nn.Module, reference: nn.Module) -> None:
    """Same scores in train and in eval mode, same running statistics, same gradients, all to 1e-8.

    Both must register their parameters and their buffers in the same order. Shapes may differ where sizes do not: a
    linear layer is a 1×1 convolution.
    """
    ours, reference = ours.double(), reference.double()
    _make_it_uneven(ours)
    _carry_over(ours, reference)
    images, towards = torch.randn(3, 3, 32, 32, dtype=torch.float64), torch.randn(3, 10, dtype=torch.float64)

    scores, expected = _scores(ours.train(), images), _scores(reference.train(), images)
    _assert_close(scores, expected, "scores in train mode")
    torch.autograd.backward(scores, towards)
    torch.autograd.backward(expected, towards)
    for (name, p), q in zip(ours.named_parameters(), reference.parameters(), strict=True):
        assert p.grad is not None, name
        assert q.grad is not None, name
        _assert_close(p.grad.flatten(), q.grad.flatten(), f"gradient of {name}")
    for (name, mine), theirs in zip(ours.named_buffers(), reference.buffers(), strict=True):
        _assert_close(mine, theirs, name)

    with torch.no_grad():
        _assert_close(_scores(ours.eval(), images), _scores(reference.eval(), images), "scores in eval mode")


def _make_it_uneven(network: nn.Module) -> None:
    """Moves scales away from 1 and offsets away from 0, so that none can be missing unnoticed."""
    torch.manual_seed(SEED)
    with torch.no_grad():
        for p in network.parameters():
            if p.dim() == 1:
                p.add_(0.2 * torch.randn_like(p))


def _carry_over(ours: nn.Module, reference: nn.Module) -> None:
    with torch.no_grad():
        for (name, mine), theirs in zip(ours.named_parameters(), reference.parameters(), strict=True):
            assert mine.numel() == theirs.numel(), name
            theirs.copy_(mine.view_as(theirs))


def _scores(network: nn.Module, images: Tensor) -> Tensor:
    torch.manual_seed(SEED)  # the same dropout
    scores: Tensor = network(images)
    return scores


def _assert_close(mine: Tensor, theirs: Tensor, what: str) -> None:
    torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-8, msg=lambda found: f"{what}: {found}")


class Plain(nn.Module):
    """A network as one function: it takes a Walk along the weights of ours and the images, and gives the scores."""

    def __init__(self, ours: nn.Module, function: Callable[[Walk, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.weights = nn.ParameterList(nn.Parameter(p.detach().clone().double()) for p in ours.parameters())
        for number, buffer in enumerate(ours.buffers()):
            self.register_buffer(f"buffer{number}", buffer.detach().clone())

    def forward(self, images: Tensor) -> Tensor:
        walk = Walk(self)
        scores = self.function(walk, images)
        walk.end()
        return scores


class Walk:
    """Uses up the weights of a network one after another, in the order in which they are registered."""

    def __init__(self, network: Plain) -> None:
        self.training = network.training
        self.weights: Iterator[Tensor] = iter(network.weights)
        self.buffers: Iterator[Tensor] = network.buffers()

    def take(self) -> Tensor:
        return next(self.weights)

    def conv(
        self, x: Tensor, stride: int = 1, padding: int | None = None, groups: int = 1, bias: bool = False
    ) -> Tensor:
        """A convolution; unless told otherwise, padded so that stride 1 keeps the size."""
        weight = self.take()
        padding = weight.shape[-1] // 2 if padding is None else padding
        return F.conv2d(x, weight, self.take() if bias else None, stride, padding, groups=groups)

    def linear(self, x: Tensor) -> Tensor:
        weight = self.take()
        return x @ weight.flatten(1).T + self.take()

    def norm(self, x: Tensor) -> Tensor:
        """Batch norm, its running statistics included, by its definition."""
        scale, offset = self.take(), self.take()
        running_mean, running_variance, batches = next(self.buffers), next(self.buffers), next(self.buffers)
        if self.training:
            count = x.numel() / x.shape[1]
            mean, variance = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            with torch.no_grad():
                running_mean.mul_(0.9).add_(0.1 * mean)
                running_variance.mul_(0.9).add_(0.1 * variance * count / (count - 1))
                batches.add_(1)
        else:
            mean, variance = running_mean, running_variance
        factor = scale / torch.sqrt(variance + 1e-5)
        return (x - mean[:, None, None]) * factor[:, None, None] + offset[:, None, None]

    def end(self) -> None:
        assert next(self.weights, None) is None, "weights are left over"
        assert next(self.buffers, None) is None, "buffers are left over"
