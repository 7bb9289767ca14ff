"""Concatenation by our kernels, interpreted, beside torch; and which of a network's are replaced."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer import channels
from trainer.channels import Part, Shuffle, beside_each_other, concatenated, split
from trainer.fusing import with_own_kernels
from trainer.norm import Norm

pytest.importorskip("triton", reason="torch brings triton on Linux alone")


def some_images(channels: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(3, channels, 6, 5, generator=generator).to(dtype)
    return images.to(memory_format=torch.channels_last).requires_grad_()


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_concatenations_and_their_gradients_are_those_of_torch(relu: bool, dtype: torch.dtype) -> None:
    """Of a tensor, of a part of one, of a sum, and of one that is wider than a tile."""
    results, gradients = [], []
    for is_ours in (True, False):
        one, wide, two, three, widest = (some_images(n, n, dtype) for n in (16, 24, 7, 8, 70))
        parts: list[Part] = [one, wide[:, 8:], (two, wide[:, :7]), three, widest]
        if is_ours:
            result = concatenated(parts, relu)
        else:
            result = torch.cat([one, wide[:, 8:], two + wide[:, :7], three, widest], dim=1)
            result = F.relu(result) if relu else result
        result.backward(some_images(result.shape[1], 1, dtype).detach())
        results.append(result)
        gradients.append([images.grad for images in (one, wide, two, three, widest)])
    assert torch.equal(*results) and results[0].is_contiguous(memory_format=torch.channels_last)
    for ours, expected in zip(*gradients, strict=True):
        assert ours is not None and expected is not None and torch.equal(ours, expected)


def test_what_is_not_finite_stays_so() -> None:
    images = some_images(8, 0).detach().clone(memory_format=torch.preserve_format)
    images[0, 0, 0, 0] = torch.nan
    result = concatenated([images, images], True)
    assert result.isnan().sum() == 2


@pytest.mark.parametrize("sizes", [[5, 3], [1, 6, 1]])
def test_gradients_of_what_was_taken_apart_come_together_again(sizes: list[int]) -> None:
    ours, torchs = some_images(8, 0), some_images(8, 0)
    for parts in (split(ours, sizes), torchs.split(sizes, dim=1)):
        torch.stack([(part * (number + 2)).sum() for number, part in enumerate(parts)]).sum().backward()
    assert ours.grad is not None and torchs.grad is not None and torch.equal(ours.grad, torchs.grad)


def test_parts_that_lie_beside_each_other_are_not_copied() -> None:
    whole = some_images(24, 0).detach()
    a, b, c = whole.split([8, 4, 12], dim=1)
    assert torch.equal(beside_each_other([a, b, c]), whole)
    assert beside_each_other([a, b, c]).data_ptr() == whole.data_ptr()
    assert beside_each_other([b, c]).data_ptr() == b.data_ptr() and torch.equal(beside_each_other([b, c]), whole[:, 8:])
    for parts in ([a, c], [b, a], [a, b.clone(memory_format=torch.channels_last)], [a, some_images(4, 1).detach()]):
        together = beside_each_other(parts)
        assert torch.equal(together, torch.cat(parts, dim=1)) and together.data_ptr() != parts[0].data_ptr()


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_shuffle_deals_out_the_same_cards_and_keeps_the_layout(groups: int) -> None:
    ours, torchs = some_images(8, 0), some_images(8, 0)
    network = nn.Sequential(nn.BatchNorm2d(8), nn.ChannelShuffle(groups))
    whole = with_own_kernels(network)
    assert whole is not None
    shuffle = whole.get_submodule("1")
    assert isinstance(shuffle, Shuffle)
    result, expected = shuffle(ours), F.channel_shuffle(torchs, groups)
    assert torch.equal(result, expected) and result.is_contiguous(memory_format=torch.channels_last)
    for one in (result, expected):
        one.backward(some_images(8, 1).detach())
    assert ours.grad is not None and torchs.grad is not None and torch.equal(ours.grad, torchs.grad)
    assert ours.grad.is_contiguous(memory_format=torch.channels_last)
    flat = ours.detach().contiguous()
    assert torch.equal(shuffle(flat), expected) and shuffle(flat).is_contiguous()


def test_other_layouts_shapes_and_types_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_Concatenated", None)  # would be missed
    monkeypatch.setattr(channels, "_Split", None)
    one, other = some_images(8, 0).detach(), some_images(8, 1).detach()
    flat = one.contiguous()
    assert torch.equal(concatenated([flat, other], True), F.relu(torch.cat([flat, other], dim=1)))
    assert torch.equal(concatenated([one.double(), other], False), torch.cat([one.double(), other], dim=1))
    assert torch.equal(concatenated([(one, other[:, :1])], False), one + other[:, :1])
    tokens = one.flatten(2)
    assert torch.equal(concatenated([tokens, tokens], False), torch.cat([tokens, tokens], dim=1))
    assert all(torch.equal(a, b) for a, b in zip(split(flat, [3, 5]), flat.split([3, 5], dim=1), strict=True))


class Dense(nn.Module):
    """As DenseNet: what was found before is put beside what a block finds."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.conv = nn.Conv2d(3, 8, 1, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        return torch.cat([self.conv(F.relu(self.norm(x))), x], dim=1)


class Dual(nn.Module):
    """As a dual path network: some channels are added, some put beside."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.conv = nn.Conv2d(3, 8, 1, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.norm(self.stem(images))
        (a, b), (c, d) = x.split([5, 3], dim=1), self.conv(x).split([5, 3], 1)
        return F.relu(torch.cat([a + c, b, d], 1))


@pytest.mark.parametrize(
    ("network", "functions", "passes"),
    [
        (Dense(), [(concatenated, False)], True),
        (Dual(), [(split, [5, 3]), (split, [5, 3]), (concatenated, True)], False),
    ],
)
def test_networks_that_put_images_beside_each_other_compute_what_they_computed(
    network: nn.Module, functions: list[tuple[Any, Any]], passes: bool
) -> None:
    """By our kernels: scores, gradients and statistics."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        parameter.data = torch.rand(parameter.shape, generator=generator) - 0.5
    network = network.to(memory_format=torch.channels_last)
    twin = copy.deepcopy(network)
    whole = with_own_kernels(twin)
    assert isinstance(whole, torch.fx.GraphModule)
    ours = [(node.target, node.args[1]) for node in whole.graph.nodes if node.target in (concatenated, split)]
    assert ours == functions
    assert [layer.passes for layer in whole.modules() if isinstance(layer, Norm)] == [passes]
    images = some_images(3, 0).detach()
    expected, result = (one(images) for one in (network, whole))
    for one in (expected, result):
        one.backward(some_images(one.shape[1], 1).detach())
    assert torch.allclose(result, expected, atol=1e-5)
    for a, b in zip(network.parameters(), twin.parameters(), strict=True):
        assert a.grad is not None and b.grad is not None and torch.allclose(a.grad, b.grad, atol=1e-4)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(network.buffers(), twin.buffers(), strict=True))


class Putting(nn.Module):
    """A norm, and what a test puts together."""

    def __init__(self, then: Any) -> None:
        super().__init__()
        self.norm, self.then = nn.BatchNorm2d(3), then

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.then(images, self.norm(images))
        return result


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (lambda x, y: torch.cat((x, y), 1), [(concatenated, False)]),
        (lambda x, y: torch.cat([x, x * 2 + y * 3], dim=1), [(concatenated, False)]),
        (lambda x, y: torch.cat([x, y], dim=2), []),
        (lambda x, y: torch.cat([x, y]), []),
        (lambda x, y: y.split(1, dim=1)[0], []),  # sizes of the parts, not their number
        (lambda x, y: y.split([1, 3], dim=2)[0], []),
        (lambda x, y: y.split([1, 2], dim=1)[0], [(split, [1, 2])]),
        (lambda x, y: with_and_without(F.relu, torch.cat([x, y], dim=1)), [(concatenated, False)]),
        (lambda x, y: torch.cat([(z := x + y), z], dim=1), [(concatenated, False)]),  # one sum, twice
    ],
)
def test_only_lists_along_the_channels_are_replaced(then: Any, expected: list[tuple[Any, Any]]) -> None:
    network = Putting(then)
    twin = copy.deepcopy(network)
    whole = with_own_kernels(twin)
    assert isinstance(whole, torch.fx.GraphModule)
    assert [
        (node.target, node.args[1]) for node in whole.graph.nodes if node.target in (concatenated, split)
    ] == expected
    images = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(whole(images), network(images))  # in a layout that is left to torch


def with_and_without(change: Any, images: Tensor) -> Tensor:
    result: Tensor = change(images) - images
    return result
