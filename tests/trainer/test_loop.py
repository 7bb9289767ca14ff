"""The training loop: exactly the published recipe, and resumable between any two of its records."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from store.errors import Problem
from store.records import Epoch, Recipe, Step
from trainer import checkpoint, loop
from trainer.augment import augmented_batch, epoch_draws
from trainer.data import DataSet, load
from trainer.engine import Engine
from trainer.loop import fit, steps_of
from trainer.optim import learning_rate, optimizer
from trainer.plan import Plan
from trainer.source import Source
from trainer.state import State, Tally

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch_size=64)


@pytest.fixture(scope="module")
def data() -> DataSet:
    """300 training images: four batches of 64 and a short one of 44."""
    return load(Source("synthetic"), train_limit=300, test_limit=100)


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Step after each step, however fast."""
    monkeypatch.setattr(loop, "PERIOD", 0.0)


class Small(nn.Module):
    """A network with a norm and dropout, so that buffers and generators matter: (N, 3, 32, 32) → (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3)
        )
        self.head = nn.Linear(4 * 8 * 8, 10)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.features(images))
        return scores


def small(seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Small().to(dtype)


def engine(dtype: torch.dtype = torch.float32) -> Engine:
    return Engine(CPU, Plan(threads=1), exact=True, dtype=dtype)


def state_of(network: nn.Module, data: DataSet, recipe: Recipe = RECIPE) -> State:
    tally = Tally.empty(steps_of(data.train, recipe), like=next(network.parameters()))
    return State(network=network, optimizer=optimizer(recipe, network), tally=tally)


def news(state: State, data: DataSet, recipe: Recipe = RECIPE, seed: int = 5) -> Iterator[Step | Epoch]:
    return fit(state, data, recipe, seed, engine(state.tally.losses.dtype))


def timeless(epochs: list[Epoch]) -> list[tuple[float, ...]]:
    return [(e.epoch, e.train_loss, e.train_accuracy, e.test_loss, e.test_accuracy, e.learning_rate) for e in epochs]


def weights_equal(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_twenty_steps_end_where_a_plain_loop_ends(data: DataSet) -> None:
    """Against torch.optim.SGD and CosineAnnealingLR, from the same weights and draws, in float64."""
    recipe = Recipe(epochs=4, batch_size=64)
    ours = nn.Sequential(nn.Conv2d(3, 6, 5), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 28 * 28, 10))
    ours = ours.double()
    plain = copy.deepcopy(ours)

    for _ in fit(state_of(ours, data, recipe), data, recipe, 5, engine(torch.float64)):
        pass

    sgd = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=4)
    steps = 0
    for epoch in range(1, 5):
        draws = epoch_draws(len(data.train), 5, epoch)
        plain.train()
        for first in range(0, len(data.train), 64):
            images, labels = augmented_batch(
                data.padded, data.train.labels, draws, first, first + 64, dtype=torch.float64
            )
            sgd.zero_grad()
            F.cross_entropy(plain(images), labels).backward()
            sgd.step()
            steps += 1
        cosine.step()
    assert steps == 20
    for name, tensor in plain.state_dict().items():
        assert torch.allclose(ours.state_dict()[name].double(), tensor.double(), rtol=0, atol=1e-12), name


def test_the_learning_rate_is_that_of_cosine_annealing_to_the_last_epoch() -> None:
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=200)
    for epoch in range(1, 201):
        assert learning_rate(Recipe(), epoch) == pytest.approx(cosine.get_last_lr()[0], rel=1e-9, abs=1e-15)
        sgd.step()
        cosine.step()


def test_weight_decay_is_on_every_parameter(data: DataSet) -> None:
    network = small()
    groups = optimizer(RECIPE, network).param_groups
    assert [len(group["params"]) for group in groups] == [len(list(network.parameters()))]
    assert groups[0]["weight_decay"] == 5e-4 and groups[0]["momentum"] == 0.9 and not groups[0]["nesterov"]


def test_an_epoch_trains_on_every_image_once_the_short_batch_too(data: DataSet) -> None:
    state, seen = state_of(small(), data), list[int]()
    state.network.register_forward_hook(
        lambda module, images, _: seen.append(len(images[0])) if module.training else None
    )
    first = next(one for one in news(state, data) if isinstance(one, Epoch))
    assert seen == [64, 64, 64, 64, 44]
    assert 0 < first.train_accuracy < 1 and first.images_per_second > 0


def test_the_losses_of_an_epoch_are_means_over_images(data: DataSet) -> None:
    """With a rate so small that nothing changes, the training loss is the loss of the network as it was."""
    network, recipe = small(dtype=torch.float64).eval(), Recipe(epochs=1, batch_size=64, learning_rate=1e-30)
    network.train = lambda mode=True: network  # type: ignore[method-assign]  # no dropout, no moving statistics
    recipe = Recipe(epochs=1, batch_size=64, learning_rate=1e-30, augmentation="none", weight_decay=0.0)
    (epoch,) = [one for one in news(state_of(network, data, recipe), data, recipe) if isinstance(one, Epoch)]
    draws = epoch_draws(300, 0, 1, augmentation="none")
    images, labels = augmented_batch(data.padded, data.train.labels, draws, 0, 300, dtype=torch.float64)
    scores = network(images)
    assert epoch.train_loss == pytest.approx(F.cross_entropy(scores, labels).item(), rel=1e-9)
    assert epoch.train_accuracy == pytest.approx((scores.argmax(1) == labels).double().mean().item())


def test_the_same_seed_trains_the_same_network_and_another_seed_another(data: DataSet) -> None:
    ends = {}
    for name, seed in {"one": 5, "again": 5, "other": 6}.items():
        state = state_of(small(), data)
        for _ in news(state, data, seed=seed):
            pass
        ends[name] = state
    assert weights_equal(ends["one"].network, ends["again"].network)
    assert timeless(ends["one"].epochs) == timeless(ends["again"].epochs)
    assert not weights_equal(ends["one"].network, ends["other"].network)


def test_best_weights_are_those_after_the_best_epoch(data: DataSet) -> None:
    state, after = state_of(small(), data), {}
    for one in news(state, data):
        if isinstance(one, Epoch):
            after[one.epoch] = {name: tensor.clone() for name, tensor in state.network.state_dict().items()}
    best = max(state.epochs, key=lambda epoch: epoch.test_accuracy).epoch
    assert all(torch.equal(state.best[name], tensor) for name, tensor in after[best].items())


def test_a_loss_that_is_not_finite_ends_the_run_and_says_where(data: DataSet) -> None:
    class Explodes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.calls = nn.Linear(3072, 10), 0

        def forward(self, images: Tensor) -> Tensor:
            self.calls += 1
            scores: Tensor = self.head(images.flatten(1))
            return scores * float("nan") if self.calls == 3 else scores

    with pytest.raises(Problem, match="loss became NaN at epoch 1, step 3"):
        list(news(state_of(Explodes(), data), data))


@pytest.mark.parametrize("records", [1, 4, 5, 6, 7, 12, 16])
def test_a_training_that_stopped_between_two_records_goes_on_to_the_same_end(
    data: DataSet, records: int, tmp_path: Path
) -> None:
    """Stopped in the middle of an epoch, after its last step, in its evaluation, and between two epochs."""
    straight = state_of(small(), data)
    for _ in news(straight, data):
        pass
    interrupted = state_of(small(), data)
    for _ in islice(news(interrupted, data), records):
        pass
    checkpoint.save(tmp_path, interrupted, Plan(threads=1))
    torch.manual_seed(1234)  # whatever happened between
    resumed = state_of(small(seed=77), data)
    content, _ = checkpoint.newest(tmp_path)
    assert content
    checkpoint.restore(content, resumed)
    for _ in news(resumed, data):
        pass
    assert weights_equal(straight.network, resumed.network)
    assert timeless(straight.epochs) == timeless(resumed.epochs)


def test_without_the_generator_a_resumed_training_ends_elsewhere(data: DataSet) -> None:
    """The control: what the test above protects can be lost."""
    straight, other = state_of(small(), data), state_of(small(), data)
    for _ in news(straight, data):
        pass
    records = news(other, data)
    for _ in islice(records, 2):
        pass
    other.generator.manual_seed(1234)
    for _ in records:
        pass
    assert not weights_equal(straight.network, other.network)
