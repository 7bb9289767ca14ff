"""Optimizers and schedules, compared with torch's own."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

import zoo
from store.records import Recipe
from trainer.muon import as_matrix, hidden_matrices
from trainer.optim import Together, learning_rate, optimizer, set_learning_rate
from trainer.sgd import SGD

STEPS = 7  # of an epoch


def rates(recipe: Recipe) -> list[float]:
    """The rate of every step."""
    return [learning_rate(recipe, epoch, step, STEPS) for epoch in range(1, recipe.epochs + 1) for step in range(STEPS)]


def test_one_cycle_is_that_of_torch() -> None:
    recipe = Recipe(epochs=10, learning_rate=0.4, schedule="one-cycle")
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    cycle = torch.optim.lr_scheduler.OneCycleLR(sgd, max_lr=0.4, total_steps=10 * STEPS, cycle_momentum=False)
    expected = []
    for _ in range(10 * STEPS):
        expected.append(cycle.get_last_lr()[0])
        sgd.step()
        cycle.step()
    assert rates(recipe) == pytest.approx(expected, rel=1e-9)


def test_one_cycle_climbs_for_as_long_as_the_recipe_says() -> None:
    climbing = rates(Recipe(epochs=10, schedule="one-cycle", warmup=4.0))
    assert climbing.index(max(climbing)) == 4 * STEPS - 1
    assert max(climbing) == pytest.approx(0.01)


def test_cosine_steps_once_an_epoch_and_linear_at_every_step() -> None:
    cosine, linear = rates(Recipe(epochs=4)), rates(Recipe(epochs=4, schedule="linear"))
    assert len(set(cosine)) == 4 and len(set(linear)) == 4 * STEPS
    assert linear[0] == 0.01 and linear[2 * STEPS] == pytest.approx(0.005)
    assert linear[-1] == pytest.approx(0.01 / (4 * STEPS))
    assert set(rates(Recipe(epochs=4, schedule="constant"))) == {0.01}


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_rate_climbs_in_equal_steps_while_it_warms_up(schedule: Any) -> None:
    warm = rates(Recipe(epochs=5, schedule=schedule, warmup=2.0))
    climb = 2 * STEPS
    assert warm[:climb] == pytest.approx([0.01 * (step + 1) / climb for step in range(climb)])
    assert warm[climb] == pytest.approx(0.01) and all(
        a >= b for a, b in zip(warm[climb:], warm[climb + 1 :], strict=False)
    )


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant", "one-cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 3.0, 40.0])
@pytest.mark.parametrize("epochs", [1, 3])
def test_a_rate_is_never_negative_nor_above_the_recipes(schedule: Any, warmup: float, epochs: int) -> None:
    assert all(0 <= rate <= 0.01 + 1e-12 for rate in rates(Recipe(epochs=epochs, schedule=schedule, warmup=warmup)))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 4, 3),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Flatten(),
        nn.Linear(4 * 26 * 26, 16),
        nn.Linear(16, 10),
    )


def learn(net: nn.Module, how: Any, steps: int = 5) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        images = torch.randn(8, 3, 32, 32, generator=generator).to(next(net.parameters()).dtype)
        how.zero_grad()
        nn.functional.cross_entropy(net(images), torch.arange(8)).backward()
        how.step()


def weights_close(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_each_optimizer_is_the_one_of_torch() -> None:
    theirs: dict[str, Any] = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=5e-4),
        "nesterov": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=5e-4, nesterov=True),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.9, 0.999), weight_decay=5e-4),
    }
    ends = {}
    for name, make in theirs.items():
        ours, plain = network().double(), network().double()  # Adam makes much of a gradient that is only rounding
        learn(ours, optimizer(Recipe(optimizer=name), ours))  # type: ignore[arg-type] # a Literal
        learn(plain, make(plain.parameters()))
        assert weights_close(ours, plain), name
        ends[name] = ours
    assert not weights_close(ends["sgd"], ends["nesterov"]) and not weights_close(ends["sgd"], ends["adamw"])


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(optimizer="nesterov"),
        Recipe(momentum=0.0),
        Recipe(weight_decay=0.0),
        Recipe(decay_on="weights"),
    ],
    ids=["published", "nesterov", "no momentum", "no decay", "spared"],
)
def test_sgd_on_the_cpu_takes_the_steps_of_torchs_to_the_bit(recipe: Recipe) -> None:
    ours, theirs = network(), network()
    how, torchs = optimizer(recipe, ours), optimizer(recipe, theirs, captured=True)
    assert isinstance(how, SGD) and type(torchs) is torch.optim.SGD
    for rate in (0.01, 0.003):
        set_learning_rate(how, rate)
        set_learning_rate(torchs, rate)
        learn(ours, how, steps=3)
        learn(theirs, torchs, steps=3)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    mine, its = how.state_dict(), torchs.state_dict()
    assert [group | {"lr": 0} for group in mine["param_groups"]] == [group | {"lr": 0} for group in its["param_groups"]]
    assert mine["state"].keys() == its["state"].keys() and bool(its["state"]) == (recipe.momentum > 0)
    for number, kept in its["state"].items():
        assert torch.equal(mine["state"][number]["momentum_buffer"], kept["momentum_buffer"])


def test_sgd_on_the_cpu_takes_a_layer_that_was_left_out_at_first() -> None:
    net = network()
    how = optimizer(Recipe(), net)
    last = list(net[-1].parameters())
    before = [weight.detach().clone() for weight in last]
    images = torch.randn(8, 3, 32, 32)
    how.zero_grad()
    net[:-1](images).square().mean().backward()
    how.step()
    assert all(torch.equal(a, b) for a, b in zip(last, before, strict=True))
    learn(net, how, steps=2)
    assert not any(torch.equal(a, b) for a, b in zip(last, before, strict=True))


def test_weights_of_two_kinds_are_left_to_torchs_sgd() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2).double())
    how = optimizer(Recipe(), net)
    assert type(how) is torch.optim.SGD
    net[1](net[0](torch.randn(3, 4)).double()).sum().backward()
    how.step()


def test_decay_on_weights_spares_biases_and_norms() -> None:
    net = network()
    decayed, spared = optimizer(Recipe(decay_on="weights"), net).param_groups
    assert [one.ndim for one in decayed["params"]] == [4, 4, 4, 2, 2] and decayed["weight_decay"] == 5e-4
    assert {one.ndim for one in spared["params"]} == {1} and spared["weight_decay"] == 0.0
    assert len(decayed["params"]) + len(spared["params"]) == len(list(net.parameters()))


def test_muon_takes_the_hidden_matrices_and_leaves_the_rest_to_adamw() -> None:
    net = network()
    assert [tuple(one.shape) for one in hidden_matrices(net)] == [(4, 8, 3, 3), (16, 2704)]
    both = optimizer(Recipe(optimizer="muon"), net)
    assert isinstance(both, Together) and len(both.param_groups) == 2
    assert sum(len(group["params"]) for group in both.param_groups) == len(list(net.parameters()))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_muon_steps_a_filter_bank_as_torch_steps_its_matrix(layout: torch.memory_format) -> None:
    net = network().to(memory_format=layout)
    muon = optimizer(Recipe(optimizer="muon", learning_rate=0.02), net)
    weight = net[2].weight
    assert isinstance(weight, nn.Parameter)
    matrix = nn.Parameter(as_matrix(weight.detach(), weight).clone())
    alone = torch.optim.Muon([matrix], lr=0.02, weight_decay=5e-4, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    before = weight.detach().clone()
    for step in range(3):
        learn(net, muon, steps=1)
        assert weight.grad is not None
        matrix.grad = as_matrix(weight.grad, weight).clone()
        alone.step()
        assert torch.equal(as_matrix(weight.detach(), weight), matrix), step
    assert not torch.equal(before, weight)


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adamw", "muon"])
def test_an_optimizer_goes_on_from_what_it_saved(name: Any) -> None:
    recipe = Recipe(optimizer=name)
    straight = network()
    how = optimizer(recipe, straight)
    learn(straight, how, steps=2)
    resumed = copy.deepcopy(straight)
    again = optimizer(recipe, resumed)
    again.load_state_dict(copy.deepcopy(how.state_dict()))
    set_learning_rate(how, 0.005)
    set_learning_rate(again, 0.005)
    learn(straight, how, steps=2)
    learn(resumed, again, steps=2)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))


def test_a_rate_that_is_a_tensor_is_filled_in_place() -> None:
    net = network()
    captured = optimizer(Recipe(), net, captured=True)
    rate = captured.param_groups[0]["lr"]
    set_learning_rate(captured, 0.25)
    assert captured.param_groups[0]["lr"] is rate and rate.item() == 0.25


@pytest.mark.parametrize("model", ["vit_h1_l1", "mobilenetv2", "densenet121_k12"])
def test_muon_finds_matrices_in_every_kind_of_network(model: str) -> None:
    with torch.device("meta"):
        net = zoo.build(model)
    matrices = hidden_matrices(net)
    assert sum(one.numel() for one in matrices) > 0.5 * sum(one.numel() for one in net.parameters())
