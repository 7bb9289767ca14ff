"""What recipes may do beyond the published one: each by itself, and none of it random in another way."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from store.records import Recipe
from trainer.average import Average
from trainer.batch import Drawn, Place, draw, training_batch
from trainer.data import DataSet, load
from trainer.extras import Extras, cross_entropy, epoch_extras, mixed, with_holes
from trainer.source import Source

EVERYTHING = {"policy": "trivialaugment", "cutout": 16, "mixup": 0.8}
FORM: Any = {"dtype": torch.float32, "memory_format": torch.contiguous_format}


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load(Source("synthetic"), train_limit=100, test_limit=10)


def recipe(**changes: Any) -> Recipe:
    return Recipe(batch_size=32, **changes)


def batch(data: DataSet, drawn: Drawn, how: Recipe, step: int = 0) -> torch.Tensor:
    return training_batch(data, drawn, how, Place(slice(32 * step, 32 * step + 32), step), FORM)[0]


def test_the_published_recipe_draws_nothing_more() -> None:
    assert epoch_extras(Recipe(), 100, 4, seed=0, epoch=1) == Extras()


@pytest.mark.parametrize(
    "parts", list(itertools.combinations(EVERYTHING, 1)) + list(itertools.combinations(EVERYTHING, 2))
)
def test_what_is_switched_on_changes_no_other_draw(parts: tuple[str, ...]) -> None:
    some = draw(recipe(**{part: EVERYTHING[part] for part in parts}), 100, 4, seed=3, epoch=2)
    everything = draw(recipe(**EVERYTHING), 100, 4, seed=3, epoch=2)
    ids = [[tuple(one.flatten().tolist()) for one in drawn.tensors()] for drawn in (some, everything)]
    assert set(ids[0]) < set(ids[1])


def test_the_draws_depend_on_seed_and_epoch_and_nothing_else() -> None:
    torch.manual_seed(1)
    first = draw(recipe(**EVERYTHING), 100, 4, seed=3, epoch=2).tensors()
    torch.manual_seed(2)
    again = draw(recipe(**EVERYTHING), 100, 4, seed=3, epoch=2).tensors()
    assert len(first) == 8 and all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for seed, epoch in ((3, 3), (4, 2)):
        other = draw(recipe(**EVERYTHING), 100, 4, seed=seed, epoch=epoch).tensors()
        assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_positions_as_a_tensor_give_the_batch_that_a_slice_gives(data: DataSet) -> None:
    """So a captured step, which reads them from the device, sees what an eager step sees."""
    how = recipe(**EVERYTHING)
    drawn = draw(how, 100, 4, seed=0, epoch=1)
    place = Place(torch.arange(32, 64), torch.tensor(1))
    one, labels = training_batch(data, drawn, how, place, FORM)
    other, same = training_batch(data, drawn, how, Place(slice(32, 64), 1), FORM)
    assert torch.equal(one, other) and torch.equal(labels, same)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_batch_lies_in_memory_as_the_plan_says(data: DataSet, layout: torch.memory_format) -> None:
    how = recipe(**EVERYTHING)
    form: Any = {"dtype": torch.float32, "memory_format": layout}
    images, _ = training_batch(data, draw(how, 100, 4, 0, 1), how, Place(slice(0, 32), 0), form)
    assert images.is_contiguous(memory_format=layout) and images.shape == (32, 3, 32, 32)


def test_a_hole_is_a_square_of_mean_grey_that_may_reach_over_the_edge() -> None:
    images = torch.ones(3, 3, 32, 32)
    middles = torch.tensor([[16, 0, 31], [16, 5, 31]])
    holes = with_holes(images, Extras(hole=middles), slice(0, 3), side=8) == 0
    assert holes.sum((1, 2, 3)).tolist() == [3 * 64, 3 * 4 * 8, 3 * 5 * 5]
    assert holes[0, :, 12:20, 12:20].all() and holes[1, :, 0:4, 1:9].all() and holes[2, :, 27:, 27:].all()


def test_mixup_lays_each_image_over_its_neighbour_and_counts_both_labels() -> None:
    images, labels, scores = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3]), torch.randn(4, 10)
    extras = Extras(share=torch.tensor([[0.5], [0.8]]))
    both = mixed(images, extras, 1)
    assert torch.allclose(both[2], 0.8 * images[2] + 0.2 * images[1], atol=1e-6)
    target = 0.8 * F.one_hot(labels, 10) + 0.2 * F.one_hot(labels.roll(1), 10)
    assert torch.allclose(cross_entropy(scores, labels, extras, 1), F.cross_entropy(scores, target), atol=1e-6)


def test_shares_follow_the_beta_distribution() -> None:
    shares = epoch_extras(Recipe(mixup=0.2), 10, 20_000, 0, 1).share
    assert shares is not None and shares.min() >= 0 and shares.max() <= 1
    assert abs(float(shares.mean()) - 0.5) < 0.02
    assert float(shares.var()) == pytest.approx(0.25 / (2 * 0.2 + 1), rel=0.03)  # of Beta(a, a): 1 / (4 (2 a + 1))


def test_the_average_is_the_running_mean_of_what_it_followed() -> None:
    network = nn.BatchNorm1d(2)
    assert network.running_mean is not None
    average = Average(network, keeps=0.5)
    expected = network.weight.detach().clone()
    for step in range(20):
        with torch.no_grad():
            network.weight.add_(1.0)
            network.running_mean.add_(1.0)
        average.set_weight(step)
        average.follow(network)
        keeps = min(0.5, (1 + step) / (10 + step))
        expected = keeps * expected + (1 - keeps) * network.weight.detach()
    mean = average.network.state_dict()
    assert torch.allclose(mean["weight"], expected, atol=1e-5)
    assert torch.allclose(mean["running_mean"], expected - 1, atol=1e-5)  # statistics are averaged as weights are
    assert not average.network.training and not any(one.requires_grad for one in average.network.parameters())
