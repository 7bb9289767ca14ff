"""Norms with what follows them: our programs for a GPU, interpreted, beside torch; and which layers become one."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from store.records import Epoch, Recipe
from tests.trainer.fake_gpu import FakeGpu
from trainer import norm, pool
from trainer.data import load
from trainer.fusing import with_own_kernels
from trainer.gpu import begin_on_gpu
from trainer.job import fresh_network
from trainer.loop import fit
from trainer.norm import Activation, Norm
from trainer.plan import Plan
from trainer.pool import MaxPool
from trainer.source import Source
from trainer.tiles import between
from zoo.catalogue import select

pytest.importorskip("triton", reason="torch brings triton on Linux alone")

ACTIVATIONS: dict[Activation, Any] = {"none": lambda images: images, "relu": F.relu, "silu": F.silu}


def some_images(shape: tuple[int, ...], dtype: torch.dtype, seed: int, beside: int = 0) -> Tensor:
    """In channels_last, `beside` other channels in memory between two pixels."""
    count, channels, height, width = shape
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, channels + beside, height, width, generator=generator)
    images = images.to(dtype).contiguous(memory_format=torch.channels_last)
    return images[:, beside // 2 : beside // 2 + channels]


def some_norm(channels: int, seed: int = 0) -> nn.BatchNorm2d:
    generator, layer = torch.Generator().manual_seed(seed), nn.BatchNorm2d(channels)
    for tensor in (layer.weight, layer.bias, *layer.buffers()):
        if tensor.is_floating_point():
            tensor.data = torch.rand(channels, generator=generator) + 0.5
    return layer


def is_close(ours: Tensor | None, torchs: Tensor | None, tolerance: float) -> bool:
    """By the norm of the difference."""
    assert ours is not None and torchs is not None and ours.isfinite().all()
    return bool((ours.double() - torchs).norm() <= tolerance * torchs.norm() + 1e-12)


@pytest.mark.parametrize(
    ("activation", "adds"), [("none", False), ("none", True), ("relu", False), ("relu", True), ("silu", False)]
)
@pytest.mark.parametrize(
    ("shape", "beside", "dtype", "tolerance"),
    [
        ((4, 24, 8, 8), 0, torch.float32, 1e-5),
        ((4, 24, 8, 8), 0, torch.float16, 1e-3),
        ((4, 24, 8, 8), 0, torch.bfloat16, 1e-2),
        ((3, 13, 5, 7), 0, torch.float32, 1e-5),  # nothing is a multiple of anything
        ((2, 130, 4, 4), 24, torch.float32, 1e-5),  # a part of a concatenation, wider than a tile
        ((20, 64, 8, 8), 0, torch.float32, 1e-5),  # more rows than one program goes through
        ((9, 5, 1, 1), 0, torch.float32, 1e-5),
    ],
)
def test_norm_sum_and_activation_and_their_gradients_are_those_of_torch(
    activation: Activation, adds: bool, shape: tuple[int, ...], beside: int, dtype: torch.dtype, tolerance: float
) -> None:
    layer = some_norm(shape[1])
    torchs, ours = copy.deepcopy(layer).double(), Norm(layer, activation)
    images = some_images(shape, dtype, 1, beside).requires_grad_()
    added = some_images(shape, dtype, 2, beside).requires_grad_() if adds else None
    slope = some_images(shape, dtype, 3, beside)

    exact = images.detach().double().requires_grad_()
    exact_added = None if added is None else added.detach().double().requires_grad_()
    expected = torchs(exact) if exact_added is None else torchs(exact) + exact_added
    expected = ACTIVATIONS[activation](expected)
    result = ours(images, added)
    # Where rounding made 0 of a value, or something of 0, its gradient is another one: both are given what is not near.
    slope = slope * ((expected.abs() > 0.01) | (activation != "relu"))
    result.backward(slope)
    expected.backward(slope.double())

    assert result.dtype == dtype and is_close(result, expected, tolerance)
    assert is_close(images.grad, exact.grad, 5 * tolerance)
    assert is_close(layer.weight.grad, torchs.weight.grad, tolerance)
    assert is_close(layer.bias.grad, torchs.bias.grad, tolerance)
    if added is not None and exact_added is not None:
        assert is_close(added.grad, exact_added.grad, tolerance)
    assert is_close(layer.running_mean, torchs.running_mean, 1e-5)
    assert is_close(layer.running_var, torchs.running_var, 1e-5)
    assert layer.num_batches_tracked == 1


def test_a_small_variance_beside_a_large_mean_keeps_its_digits() -> None:
    images = some_images((8, 16, 8, 8), torch.float32, 0) + 1000
    layer = some_norm(16)
    torchs, ours = copy.deepcopy(layer).double(), Norm(layer, "none")
    torchs(images.double())
    ours(images)
    assert is_close(layer.running_var, torchs.running_var, 1e-5)
    naive = (images.square().mean((0, 2, 3)) - images.mean((0, 2, 3)).square()) * 512 / 511
    assert not is_close(naive, images.double().var((0, 2, 3)), 1e-2)  # what the sums from 0 on would give


@pytest.mark.parametrize("beside", [0, 8])
def test_gradients_of_images_that_are_passed_on_come_together(beside: int) -> None:
    shape = (3, 24, 6, 5)
    layer, results = some_norm(24), []
    for is_ours in (True, False):
        images = some_images(shape, torch.float32, 0).requires_grad_()
        twin = copy.deepcopy(layer)
        y, x = Norm(twin, "relu", passes=True)(images) if is_ours else (F.relu(twin(images)), images)
        loss = (y * some_images(shape, torch.float32, 1)).sum()
        passed = torch.cat([x, x[:, :beside]], dim=1) if beside else x  # whose gradient is a part of another
        (loss + (passed * some_images((3, 24 + beside, 6, 5), torch.float32, 2)).sum()).backward()
        results.append([y.double(), images.grad, twin.weight.grad, twin.bias.grad])
    assert all(is_close(ours, torchs, 1e-5) for ours, torchs in zip(*results, strict=True))
    y, x = Norm(layer, "relu", passes=True)(images := some_images(shape, torch.float32, 0).requires_grad_())
    x.sum().backward()  # and nobody needed the norm
    assert is_close(images.grad, torch.ones(shape).double(), 0)


def test_of_a_single_value_there_is_no_variance() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        Norm(some_norm(8), "relu")(some_images((1, 8, 1, 1), torch.float32, 0))


def test_what_is_not_finite_stays_so() -> None:
    images = some_images((2, 8, 4, 4), torch.float32, 0)
    images[0, 0, 0, 0] = torch.nan
    result = Norm(some_norm(8), "relu")(images)
    assert result[:, 0].isnan().all() and result[:, 1:].isfinite().all()


def test_other_layouts_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(norm, "_Norm", None)  # would be missed
    images, added = (
        some_images((2, 8, 4, 4), torch.float32, 0).contiguous(),
        some_images((2, 8, 4, 4), torch.float32, 1),
    )
    layer = some_norm(8)
    expected = F.relu(copy.deepcopy(layer)(images) + added)
    assert torch.equal(Norm(layer, "relu")(images, added), expected)
    assert torch.equal(Norm(some_norm(8), "silu")(images), F.silu(some_norm(8)(images)))


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (torch.zeros(2, 8, 4, 4).to(memory_format=torch.channels_last), 8),
        (torch.zeros(2, 24, 4, 4).to(memory_format=torch.channels_last)[:, 8:16], 24),
        (torch.zeros(2, 8, 4, 4), 0),
        (torch.zeros(2, 8, 4, 8).to(memory_format=torch.channels_last)[..., ::2], 16),
        (torch.zeros(2, 8, 4, 8).to(memory_format=torch.channels_last)[..., :4], 0),  # rows end early
        (torch.zeros(2, 8, 1, 1).expand(2, 8, 4, 4), 0),
        (torch.zeros(2, 1, 4, 4), 1),
        (torch.zeros(2, 8, 1, 1), 8),
        (torch.zeros(1, 8, 1, 1).expand(3, 8, 1, 1), 0),
    ],
)
def test_how_far_a_pixel_lies_from_the_next(images: Tensor, expected: int) -> None:
    assert between(images) == expected


@pytest.mark.parametrize("model", [card.id for card in select("*")])
def test_all_norms_and_poolings_of_the_catalogue_are_found(model: str) -> None:
    network = fresh_network(model, 0, 10)

    def count(whole: nn.Module | None, *kinds: type[nn.Module]) -> list[int]:
        return [sum(isinstance(layer, kind) for layer in whole.modules()) if whole else 0 for kind in kinds]

    expected = count(network, nn.BatchNorm2d, nn.MaxPool2d)
    expected[0] -= {"efficientnet": 1}.get(model, 0)  # the first block has a norm that it makes no use of
    whole = with_own_kernels(network)
    assert count(whole, Norm, MaxPool) == expected and count(whole, nn.BatchNorm2d) == [0]
    assert (whole is None) == (expected == [0, 0])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("resnet20", {("relu", 1): 10, ("relu", 2): 9}),
        ("mobilenetv2", {("relu", 1): 36, ("none", 2): 14, ("none", 1): 7}),
        ("shufflenet_g2", {("relu", 1): 33, ("none", 1): 3, ("relu", 2): 13}),
        ("efficientnet", {("silu", 1): 32, ("none", 1): 7, ("none", 2): 9}),
        ("pnasnet_a", {("relu", 1): 1, ("relu", 2): 20, ("none", 1): 2}),
    ],
)
def test_a_fused_network_computes_what_it_computed(
    model: str, expected: dict[tuple[Activation, int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With torch's own norms and pooling inside: the same bits of scores, gradients and statistics."""
    for module in (norm, pool):
        monkeypatch.setattr(module, "is_laid_out", lambda images: False)
    network = fresh_network(model, 0, 10).train()
    twin = copy.deepcopy(network)
    whole = with_own_kernels(twin)
    assert isinstance(whole, torch.fx.GraphModule)
    kinds = Counter(
        (layer.activation, len(node.args))
        for node in whole.graph.nodes
        if node.op == "call_module" and isinstance(layer := whole.get_submodule(node.target), Norm)
    )
    assert kinds == expected
    images = some_images((2, 3, 32, 32), torch.float32, 0)
    for one in (network, whole):
        with torch.random.fork_rng():
            torch.manual_seed(0)  # of dropout
            one(images).square().sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(network.buffers(), twin.buffers(), strict=True))
    pairs = [(a.grad, b.grad) for a, b in zip(network.parameters(), twin.parameters(), strict=True)]
    assert all(torch.equal(a, b) if a is not None and b is not None else a is b for a, b in pairs)


class Following(nn.Module):
    """A norm and what a test lets follow it."""

    def __init__(self, then: Any) -> None:
        super().__init__()
        self.conv, self.norm, self.relu, self.then = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), then

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.then(self, images, self.conv(images))
        return result


@pytest.mark.parametrize(
    ("then", "activation", "arguments"),
    [
        (lambda it, x, y: it.relu(it.norm(y)), "relu", 1),
        (lambda it, x, y: it.relu(it.norm(y) + x), "relu", 2),
        (lambda it, x, y: it.relu(x + it.norm(y)), "relu", 2),
        (lambda it, x, y: F.relu(operator_iadd(it.norm(y), x), inplace=True), "relu", 2),
        (lambda it, x, y: F.silu(it.norm(y) + x), "none", 2),
        (lambda it, x, y: it.norm(y) + 3, "none", 1),  # no images
        (lambda it, x, y: it.relu(it.norm(y) + y), "none", 1),  # others have the images of the norm
        (lambda it, x, y: double(it.norm(y)), "none", 1),  # there is no other half
        (lambda it, x, y: with_and_without(F.relu, it.norm(y)), "none", 1),
        (lambda it, x, y: it.norm(y) * x, "none", 1),
        (lambda it, x, y: F.gelu(it.norm(y)), "none", 1),
    ],
)
def test_only_what_nobody_else_needs_becomes_one(then: Any, activation: Activation, arguments: int) -> None:
    network = Following(then).train()
    whole = with_own_kernels(network)
    assert isinstance(whole, torch.fx.GraphModule)
    layer = whole.get_submodule("norm")
    assert isinstance(layer, Norm) and layer.activation == activation
    assert [len(node.args) for node in whole.graph.nodes if node.target == "norm"] == [arguments]
    images = some_images((2, 3, 4, 4), torch.float32, 0).contiguous()
    assert torch.equal(whole(images), copy.deepcopy(network)(images))


def operator_iadd(one: Tensor, other: Tensor) -> Tensor:
    one += other
    return one


def double(one: Tensor) -> Tensor:
    return one + one


def with_and_without(change: Any, one: Tensor) -> Tensor:
    result: Tensor = change(one) - one
    return result


def test_what_cannot_be_followed_or_is_listened_to_is_left_as_it_is() -> None:
    assert with_own_kernels(Following(lambda it, x, y: it.norm(y) if y.sum() > 0 else y)) is None
    assert with_own_kernels(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())) is None
    twice = Following(lambda it, x, y: it.norm(it.norm(y)))
    assert with_own_kernels(twice) is None
    heard = Following(lambda it, x, y: it.norm(y))
    heard.norm.register_forward_hook(lambda *args: None)
    assert with_own_kernels(heard) is None
    for layer in (nn.BatchNorm2d(3, affine=False), nn.BatchNorm2d(3, momentum=None), nn.InstanceNorm2d(3)):
        assert with_own_kernels(nn.Sequential(layer)) is None


def test_a_run_with_own_kernels_learns_what_it_learns_without() -> None:
    """Two epochs with their short last batches, replayed, in float32."""
    data, recipe = load(Source("synthetic"), train_limit=70, test_limit=20), Recipe(epochs=2, batch_size=40)
    ends = []
    for has_own in (False, True):
        network = nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)
        )
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            for parameter in network.parameters():
                parameter.uniform_(-0.1, 0.1)
        plan = Plan(mode="graph", layout="channels_last", kernels=has_own)
        state, engine = begin_on_gpu(network, recipe, data, FakeGpu(), plan, None)
        assert engine.plan.kernels == has_own and not engine.remarks
        epochs = [news for news in fit(state, data, recipe, 0, engine) if isinstance(news, Epoch)]
        ends.append((epochs[-1].train_loss, [tensor.clone() for tensor in state.network.state_dict().values()]))
    (loss, tensors), (fused_loss, fused_tensors) = ends
    assert fused_loss == pytest.approx(loss, rel=1e-5)
    assert all(is_close(ours, torchs.double(), 1e-4) for ours, torchs in zip(fused_tensors, tensors, strict=True))
