"""A convolution computed two columns at a time is the convolution that it stands for."""

from __future__ import annotations

import copy
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zoo
from store.records import Recipe
from tests.trainer.trained import resumed, trained
from trainer.data import load
from trainer.pairs import FromFew, ToFew, has_pairs, in_pairs, kind_of
from trainer.plan import Plan, cpu_ways
from trainer.source import Source


class Net(nn.Module):
    """One stage that can be paired, and what stands behind it. Images (N, colours, size, size)."""

    def __init__(self, size: int = 12, colours: int = 3, **options: Any) -> None:
        super().__init__()
        self.stage = stage(colours, **options)
        columns = self.stage(torch.zeros(1, colours, size, size)).numel()
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(columns, 10))

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.stage(images))
        return scores


def stage(colours: int = 3, channels: int = 6, pooling: Any = 2, **convolution: Any) -> nn.Sequential:
    options = {"kernel_size": 3} | convolution
    return nn.Sequential(nn.Conv2d(colours, channels, **options), nn.ReLU(), nn.MaxPool2d(pooling))


FROM_FEW = {"colours": 6, "channels": 16}


def both(net: Any) -> tuple[Any, Any]:
    """The network in channels_last, as it stands and in pairs."""
    net = net.to(memory_format=torch.channels_last)
    paired = copy.deepcopy(net)
    in_pairs(paired)
    return net, paired


def results(net: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    """Scores, and the gradients of images and parameters."""
    images = images.clone().requires_grad_()
    scores = net(images)
    F.cross_entropy(scores, labels).backward()
    return [scores.detach(), *(one.grad for one in (images, *net.parameters()) if one.grad is not None)]


@pytest.mark.parametrize("kind", [{}, FROM_FEW], ids=["to few", "from few"])
@pytest.mark.parametrize(
    "convolution",
    [
        {},
        {"kernel_size": 4},
        {"kernel_size": 5},
        {"padding": 1},
        {"kernel_size": (3, 5), "padding": (1, 2)},
        {"size": 10},
    ],
    ids=str,
)
def test_scores_and_gradients_are_those_of_the_layers(kind: dict[str, Any], convolution: dict[str, Any]) -> None:
    torch.manual_seed(0)
    plain, paired = both(Net(**kind, **convolution).double())
    assert type(paired.stage) is (FromFew if kind else ToFew)
    size = convolution.get("size", 12)
    images, labels = torch.randn(5, kind.get("colours", 3), size, size).double(), torch.arange(5)
    theirs, ours = results(plain, images, labels), results(paired, images, labels)
    assert len(theirs) == len(ours) == 6
    for a, b in zip(theirs, ours, strict=True):
        assert a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=1e-12)


def test_one_channel_is_few() -> None:
    torch.manual_seed(0)
    plain, paired = both(Net(channels=1).double())
    images, labels = torch.randn(5, 3, 12, 12).double(), torch.arange(5)
    for a, b in zip(results(plain, images, labels), results(paired, images, labels), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-12)


def test_of_equal_values_the_first_one_by_columns_gets_the_gradient() -> None:
    """With whole numbers nothing is rounded, and many of the four values that are pooled are equal. torch's pooling
    takes the first one by rows: it is held against ours with rows and columns exchanged."""
    plain, paired = both(Net().double())
    with torch.no_grad():
        for net in (plain, paired):
            for parameter, value in zip(net.stage.parameters(), whole_numbers(net.stage), strict=True):
                parameter.copy_(value)
    images = torch.randint(0, 2, (8, 3, 12, 12), generator=torch.Generator().manual_seed(0)).double()
    ours = paired.stage(images)
    convolution, relu, pooling = plain.stage
    convolved = convolution(images)
    theirs = pooling(relu(convolved).transpose(2, 3)).transpose(2, 3)
    assert torch.equal(ours, theirs)
    gradients = []
    for net, pooled in ((paired, ours), (plain, theirs)):
        pooled.backward(torch.arange(pooled.numel()).view_as(pooled).double())
        gradients.append([parameter.grad for parameter in net.stage.parameters()])
    windows = convolved.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    ties = (windows == windows.amax(4, keepdim=True)).sum(4) > 1
    assert ties[windows.amax(4) > 0].sum() > 100
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def whole_numbers(stage: Any) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(-1, 2, one.shape, generator=generator).double() for one in stage.parameters()]


def test_asked_for_its_gradients_a_second_time_it_refuses() -> None:
    """They have taken the place of what they are computed from."""
    _, paired = both(Net())
    loss = paired(torch.randn(2, 3, 12, 12)).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("kind", [{}, FROM_FEW], ids=["to few", "from few"])
def test_images_with_an_odd_number_of_columns_take_the_layers_as_they_stand(kind: dict[str, Any]) -> None:
    torch.manual_seed(0)
    plain, paired = both(Net(size=13, **kind))
    images, labels = torch.randn(2, kind.get("colours", 3), 13, 13), torch.arange(2)
    assert all(map(torch.equal, results(plain, images, labels), results(paired, images, labels)))


@pytest.mark.parametrize("kind", [{}, FROM_FEW], ids=["to few", "from few"])
def test_bfloat16_is_used_where_the_plan_asks_for_it(kind: dict[str, Any]) -> None:
    torch.manual_seed(0)
    plain, paired = both(Net(**kind))
    images = torch.randn(4, kind.get("colours", 3), 12, 12).contiguous(memory_format=torch.channels_last)
    gradients = []
    for net in (plain, paired):
        with Plan(precision="bf16").autocast("cpu"):
            given = images.clone().requires_grad_()
            pooled = net.stage(given)
        assert pooled.dtype == torch.bfloat16
        pooled.float().square().sum().backward()
        gradients.append([pooled.detach().float(), given.grad, *(one.grad for one in net.stage.parameters())])
    for a, b in zip(*gradients, strict=True):
        assert b.dtype == torch.float32 and torch.allclose(a, b, rtol=0.02, atol=0.02 * float(a.abs().max()))


def test_the_parameters_stay_what_they_are() -> None:
    net: Any = nn.Sequential(
        OrderedDict(first=stage(), named=nn.Sequential(OrderedDict(a=nn.Conv2d(6, 5, 1), b=stage(5, 16))))
    )
    names, parameters = list(net.state_dict()), list(net.parameters())
    net.eval()
    in_pairs(net)
    assert list(net.state_dict()) == names
    assert all(one is other for one, other in zip(net.parameters(), parameters, strict=True))
    assert not any(module.training for module in net.modules())
    assert [type(one) for one in (net.first, net.named.b)] == [ToFew, FromFew]


def test_other_layers_are_left_alone() -> None:
    hooked = stage()
    hooked[0].register_forward_pre_hook(lambda module, images: None)
    others = {
        "many channels": stage(9, 16),
        "channels of an image": stage(3, 16),  # whose gradient nobody asks for
        "a border wider than the kernel": stage(6, 16, padding=3),
        "stride": stage(stride=2),
        "dilation": stage(dilation=2),
        "groups": stage(channels=6, groups=3),
        "no bias": stage(bias=False),
        "mirrored border": stage(padding=1, padding_mode="reflect"),
        "padding by name": stage(padding="same"),
        "pooling of three": stage(pooling=3),
        "hooks": hooked,
        "no pooling": nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU()),
        "pooling that overlaps": nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2, stride=1)),
    }
    assert kind_of(stage()) is ToFew and kind_of(stage(6, 16, padding=2)) is FromFew
    assert [name for name, other in others.items() if kind_of(other)] == []
    assert not has_pairs(stage())  # it stands in no network that could hold another in its place


def test_lenet_is_the_one_of_the_table_that_is_tried_in_pairs() -> None:
    with torch.device("meta"):  # shapes without weights
        assert [id for id, card in zoo.CARDS.items() if card.published and has_pairs(zoo.build(id))] == ["lenet"]
    recipe = Recipe(precision="fp32")
    plans = cpu_ways(zoo.build("lenet"), recipe, threads=2)
    assert [(plan.layout, plan.pairs) for plan in plans] == [
        ("contiguous", False),
        ("channels_last", False),
        ("channels_last", True),
    ]
    assert [plan.pairs for plan in cpu_ways(zoo.build("resnet20"), recipe, threads=2)] == [False, False]


def test_a_training_in_pairs_learns_the_same_and_goes_on_after_a_stop(tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch_size=32, average=0.9)
    data = load(Source("synthetic"), train_limit=160, test_limit=40)
    apart, pairs = (Plan(layout="channels_last", threads=1, pairs=pairs) for pairs in (False, True))
    plain, theirs = trained("lenet", recipe, data, apart, 2)
    whole, ours = trained("lenet", recipe, data, pairs, 2)
    for state, kinds in ((plain, [nn.Sequential] * 2), (whole, [ToFew, FromFew])):
        assert state.average
        networks: list[Any] = [state.network, state.average.network]
        assert all(list(map(type, net.stages)) == kinds for net in networks)
    for a, b in zip(theirs, ours, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-4)
    for one, other in zip(plain.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-4)
    again = resumed("lenet", recipe, data, pairs, tmp_path)
    assert all(map(torch.equal, again.network.parameters(), whole.network.parameters()))
