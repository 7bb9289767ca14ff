"""A depthwise convolution with gradients of our own is the convolution that it stands for."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from store.records import Recipe
from tests.trainer.trained import resumed, trained
from trainer import depthwise
from trainer.data import load
from trainer.depthwise import Depthwise, has_depthwise, is_depthwise, with_own_depthwise
from trainer.fresh import fresh_state
from trainer.plan import Plan, cpu_ways
from trainer.source import Source

LAYERS: list[dict[str, Any]] = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": 3, "padding": 1, "size": 2},
    {"kernel_size": 5, "padding": 2},
    {"kernel_size": 5, "padding": 2, "stride": 2, "size": 4},
    {"kernel_size": 7, "padding": 3, "size": 2},
    {"kernel_size": 7, "padding": 3, "stride": 2, "size": 9, "each": 2},
    {"kernel_size": 3, "padding": 1, "each": 2},
    {"kernel_size": (3, 5), "padding": (0, 2), "stride": (2, 1), "size": 9},
    {"kernel_size": (5, 2), "padding": (1, 0), "stride": (1, 3)},
    {"kernel_size": 6, "padding": (1, 2), "stride": (1, 3), "size": 11, "each": 3},
    {"kernel_size": (1, 7), "padding": (0, 3), "size": 5},
    {"kernel_size": 4, "stride": 4, "size": 12},
    {"kernel_size": 5, "padding": 1, "stride": 3, "size": 4},
]


def layer(kernel_size: Any = 3, each: int = 1, channels: int = 4, size: int = 8, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(channels, each * channels, kernel_size, groups=channels, **options)


def both(one: nn.Module) -> tuple[Any, Any]:
    """A network as it stands, and with gradients of our own."""
    ours = copy.deepcopy(one)
    with_own_depthwise(ours)
    return one, ours


def results(net: nn.Module, images: Tensor, precision: Any = "fp32") -> list[Tensor]:
    """What comes out, and the gradients of images and parameters."""
    images = images.clone().requires_grad_()
    with Plan(precision=precision).autocast("cpu"):
        found = net(images)
    weights = torch.linspace(-1, 1, found.numel()).view(found.shape)
    (found * weights.to(found.dtype)).sum().backward()
    return [found.detach(), *(one.grad for one in (images, *net.parameters()) if one.grad is not None)]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("options", LAYERS, ids=str)
def test_results_and_gradients_are_those_of_the_layer(
    options: dict[str, Any], bias: bool, memory_format: torch.memory_format
) -> None:
    torch.manual_seed(0)
    plain, own = both(nn.Sequential(layer(**options, bias=bias).double()))
    assert type(own[0]) is Depthwise
    size = options.get("size", 8)
    images = torch.randn(6, 4, size, size).double().to(memory_format=memory_format)
    theirs, ours = results(plain, images), results(own, images)
    assert len(theirs) == len(ours) == 3 + bias
    for a, b in zip(theirs, ours, strict=True):
        assert a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", LAYERS, ids=str)
def test_in_bfloat16_they_are_as_near_to_those_in_float32_as_torchs(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    plain, own = both(nn.Sequential(layer(**options, bias=False)))
    size = options.get("size", 8)
    images = torch.randn(16, 4, size, size).to(memory_format=torch.channels_last)
    exact = results(copy.deepcopy(plain), images)
    for true, a, b in zip(exact, results(plain, images, "bf16"), results(own, images, "bf16"), strict=True):
        assert a.dtype == b.dtype
        theirs, ours = (float((one - true).norm() / true.norm()) for one in (a, b))
        assert 0 < ours < max(1.2 * theirs, 0.006)  # rounding is 0.004 at most, and here and there done twice


def test_more_images_than_the_caches_hold_are_taken_one_part_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    images = torch.randn(7, 4, 8, 8).double()
    plain, own = both(nn.Sequential(layer(5, padding=2).double()))
    seen: list[int] = []
    only = depthwise._only_kernels

    def noted(gradient: Tensor, *given: Any) -> Tensor:
        seen.append(len(gradient))
        return only(gradient, *given)

    monkeypatch.setattr(depthwise, "CACHED", images.nbytes * 2 // 5)
    monkeypatch.setattr(depthwise, "_only_kernels", noted)
    for a, b in zip(results(plain, images), results(own, images), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-12)
    assert seen == [3, 3, 3, 3, 1, 1]  # twice each: three columns of the kernel, and two


def test_what_is_fast_already_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    own: Any = Depthwise(layer(3, padding=1, stride=2))
    monkeypatch.setattr(depthwise, "_Depthwise", None)  # who used it would fail
    assert own(torch.randn(2, 4, 8, 8)).shape == (2, 4, 4, 4)
    with pytest.raises(AttributeError), Plan(precision="bf16").autocast("cpu"):
        own(torch.randn(2, 4, 8, 8))


def test_gradients_that_nobody_asks_for_are_not_computed() -> None:
    own = Depthwise(layer(5, padding=2))
    own.weight.requires_grad_(False)
    images = torch.randn(2, 4, 8, 8, requires_grad=True)
    own(images).sum().backward()
    assert images.grad is not None and own.weight.grad is None
    own.weight.requires_grad_()
    own(images.detach()).sum().backward()
    assert own.weight.grad is not None


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "stride", "met", "zeros"),
    [
        (2, 5, 2, 1, 3, 1),  # MobileNet V3's last ones
        (4, 5, 2, 1, 5, 2),
        (4, 5, 2, 2, 5, 2),
        (1, 3, 1, 1, 1, 0),
        (2, 7, 3, 1, 3, 1),
        (1, 5, 2, 2, 1, 0),
        (3, 7, 4, 1, 7, 4),  # more zeros than a kernel needs: all of it meets the images somewhere
    ],
)
def test_what_of_a_kernel_only_meets_zeros_is_left_out(
    size: int, kernel: int, padding: int, stride: int, met: int, zeros: int
) -> None:
    one = layer(kernel_size=kernel, padding=padding, stride=stride)
    ours, images = Depthwise(copy.deepcopy(one)), torch.randn(2, 4, size, size)
    weight, around = ours._meeting(images)
    assert (tuple(weight.shape[2:]), around) == ((met, met), (zeros, zeros))
    assert torch.allclose(ours(images), one(images), atol=1e-6)
    for plain, own in zip(results(one, images), results(ours, images), strict=True):
        assert torch.allclose(plain, own, atol=1e-5)


def test_on_a_gpu_they_are_always_computed_so() -> None:
    data = load(Source("synthetic"), train_limit=8, test_limit=8)
    state = fresh_state(zoo.build("mobilenetv3_small"), Recipe(), data, Plan(mode="graph"))
    assert any(isinstance(one, Depthwise) for one in state.network.modules())


def test_the_parameters_stay_what_they_are_and_nothing_is_drawn() -> None:
    net: Any = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(layer(bias=False), layer(each=2)))
    names, parameters = list(net.state_dict()), list(net.parameters())
    net.eval()
    drawn = torch.get_rng_state()
    with_own_depthwise(net)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert list(net.state_dict()) == names
    assert all(one is other for one, other in zip(net.parameters(), parameters, strict=True))
    assert not any(module.training for module in net.modules())
    assert [type(one) for one in (net[0], net[1][0], net[1][1])] == [nn.Conv2d, Depthwise, Depthwise]


def test_other_layers_are_left_alone() -> None:
    hooked = layer()
    hooked.register_forward_hook(lambda module, given, found: None)
    others = {
        "groups of more than one channel": nn.Conv2d(8, 8, 3, groups=4),
        "no groups": nn.Conv2d(8, 8, 3),
        "one channel": nn.Conv2d(1, 1, 3),
        "dilation": layer(dilation=2),
        "mirrored border": layer(padding=1, padding_mode="reflect"),
        "padding by name": layer(padding="same"),
        "hooks": hooked,
        "upwards": nn.ConvTranspose2d(4, 4, 3, groups=4),
        "ours already": Depthwise(layer()),
    }
    assert is_depthwise(layer()) and is_depthwise(layer(each=2, stride=2))
    assert [name for name, other in others.items() if is_depthwise(other)] == []
    assert not has_depthwise(layer())  # it stands in no network that could hold another in its place


def test_networks_with_such_layers_are_tried_with_these_gradients_too() -> None:
    there = {id for id, card in zoo.CARDS.items() if card.published and has_depthwise(zoo.build(id))}
    families = ("mobilenet", "shufflenet", "efficientnet", "pnasnet")
    assert there == {id for id, card in zoo.CARDS.items() if card.published and id.startswith(families)}
    plans = cpu_ways(zoo.build("mobilenetv2"), Recipe(precision="fp32"), threads=2)
    assert [(plan.layout, plan.depthwise) for plan in plans] == [
        ("contiguous", False),
        ("channels_last", False),
        ("channels_last", True),
    ]
    assert not any(plan.depthwise for plan in cpu_ways(zoo.build("lenet"), Recipe(), threads=2))


def test_a_training_with_them_learns_the_same_and_goes_on_after_a_stop(tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch_size=32)
    data = load(Source("synthetic"), train_limit=96, test_limit=40)
    apart, own = (Plan(layout="channels_last", threads=1, depthwise=depthwise) for depthwise in (False, True))
    plain, theirs = trained("mobilenetv3_small", recipe, data, apart, 2)
    whole, ours = trained("mobilenetv3_small", recipe, data, own, 2)
    for state, replaced in ((plain, False), (whole, True)):
        assert any(isinstance(one, Depthwise) for one in state.network.modules()) == replaced
    for a, b in zip(theirs, ours, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-3)
    again = resumed("mobilenetv3_small", recipe, data, own, tmp_path)
    assert all(map(torch.equal, again.network.parameters(), whole.network.parameters()))
