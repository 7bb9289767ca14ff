"""Convolutions whose small groups are computed several at a time: torch's results and gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from trainer.grouped import MergedGroups, fewer_groups, has_small_groups, is_in_small_groups, with_merged_groups
from zoo import build
from zoo.catalogue import select


@pytest.mark.parametrize(
    ("channels", "results", "groups", "left", "bias"),
    [
        (96, 96, 32, 1, False),
        (152, 152, 38, 2, True),
        (128, 128, 32, 2, False),
        (200, 50, 2, 1, False),
        (24, 48, 3, 1, True),
    ],
)
def test_merged_groups_are_the_groups(channels: int, results: int, groups: int, left: int, bias: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = nn.Conv2d(channels, results, 3, stride=2, padding=1, groups=groups, bias=bias).double()
        images = torch.randn(2, channels, 7, 5, dtype=torch.double).to(memory_format=torch.channels_last)
        slope = torch.randn(2, results, 4, 3, dtype=torch.double)
    network = nn.Sequential(copy.deepcopy(layer))
    with_merged_groups(network)
    (merged,) = network
    assert isinstance(merged, MergedGroups) and merged.groups == left == fewer_groups(layer)
    assert merged.wide().is_contiguous(memory_format=torch.channels_last)
    assert merged.state_dict().keys() == layer.state_dict().keys()

    mine, torchs = (images.clone().requires_grad_() for _ in range(2))
    ours, expected = merged(mine), layer(torchs)
    ours.backward(slope)
    expected.backward(slope)
    assert torch.allclose(ours, expected, atol=1e-12, rtol=0)
    assert mine.grad is not None and torchs.grad is not None
    assert torch.allclose(mine.grad, torchs.grad, atol=1e-12, rtol=0)
    for one, other in zip(merged.parameters(), layer.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=1e-11, rtol=0)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(64, 64, 3),
        nn.Conv2d(64, 64, 3, groups=64),  # depthwise
        nn.Conv2d(128, 128, 3, groups=2),  # wide enough
        nn.Conv2d(64, 64, 3, groups=8, padding_mode="reflect", padding=1),
        nn.Conv2d(64, 64, 3, groups=8, padding="same"),
        nn.Linear(64, 64),
    ],
)
def test_other_layers_stay(layer: nn.Module) -> None:
    network = nn.Sequential(layer)
    assert not is_in_small_groups(layer) and not has_small_groups(network)
    with_merged_groups(network)
    assert network[0] is layer


def test_these_networks_have_small_groups() -> None:
    with torch.device("meta"):  # shapes without weights
        having = {card.id for card in select("*") if has_small_groups(build(card.id))}
    assert having == {
        "shufflenet_g2", "shufflenet_g3", "shufflenet_g4", "shufflenet_g8", "regnetx_200mf", "regnety_400mf",
        "resnext29_32x4d", "dpn26", "dpn92",
    }  # fmt: skip
