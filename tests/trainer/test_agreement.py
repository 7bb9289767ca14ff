"""Our kernels are not used on a card on which they compute something else than torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from store.records import Recipe
from tests.trainer.conftest import EVERY_CASE
from tests.trainer.fake_gpu import CPU, FakeGpu
from trainer import agreement, channels, norm, pool
from trainer.agreement import ALLOWED, differences, disagreement
from trainer.data import load
from trainer.gpu import begin_on_gpu
from trainer.plan import Plan
from trainer.source import Source

pytest.importorskip("triton", reason="torch brings triton on Linux alone")


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    disagreement.cache_clear()
    yield
    disagreement.cache_clear()


def test_here_they_do_in_every_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreted, that is."""
    monkeypatch.setattr(agreement, "cases", EVERY_CASE)
    found = list(differences(CPU, torch.float16))
    assert len({one.case for one in found}) == 5 and len({one.what for one in found}) == 8
    assert all(one.is_rounding for one in found)


@pytest.mark.parametrize("dtype", ALLOWED)
def test_of_what_is_allowed_rounding_takes_a_fifth(dtype: torch.dtype) -> None:
    assert max(one.found / one.allowed for one in differences(CPU, dtype)) < 0.2
    assert disagreement(CPU, dtype) is None


@pytest.mark.parametrize(
    ("module", "function", "way", "number", "says"),
    [
        (norm, "_Norm", "forward", 0, "a norm is"),
        (norm, "_Norm", "backward", 0, "gradients of a norm's images are"),
        (norm, "_Norm", "backward", 1, "gradients of a norm's images are"),  # what was added
        (norm, "_Norm", "backward", 2, "gradients of a norm's parameters are"),
        (norm, "_Norm", "backward", 3, "gradients of a norm's parameters are"),
        (pool, "_MaxPool", "forward", 0, "max pooling is"),
        (pool, "_MaxPool", "backward", 0, "gradients of max pooling are"),
        (channels, "_Concatenated", "forward", 0, "a concatenation is"),
        (channels, "_Concatenated", "backward", 2, "gradients of a concatenation are"),
        (channels, "_Split", "backward", 0, "gradients of a concatenation are"),
    ],
)
@pytest.mark.parametrize("factor", [1.01, float("nan")], ids=["a percent", "nan"])
def test_what_is_wrong_is_found(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    function: str,
    way: str,
    number: int,
    says: str,
    factor: Any,
) -> None:
    layer = getattr(module, function)
    right = getattr(layer, way)

    def wrong(ctx: Any, *args: Any) -> Any:
        results = right(ctx, *args)
        if isinstance(results, Tensor):
            return results * factor
        return tuple(result * factor if index == number else result for index, result in enumerate(results))

    monkeypatch.setattr(layer, way, staticmethod(wrong))
    words = str(disagreement(CPU, torch.float16))
    assert words.startswith(says)
    assert words.endswith(" away from torch's: 3 × 13 × 4 × 3, 3 beside, relu, a sum, passed on")


def test_statistics_that_are_wrong_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = norm._Norm.forward

    def wrong(ctx: Any, images: Tensor, added: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, *rest: Any) -> Any:
        result = right(ctx, images, added, weight, bias, mean, *rest)
        mean += 0.01
        return result

    monkeypatch.setattr(norm._Norm, "forward", staticmethod(wrong))
    assert str(disagreement(CPU, torch.float16)).startswith("statistics of a norm are ")


def test_it_takes_no_random_numbers_from_the_run() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    disagreement(CPU, torch.float32)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("plan", [None, Plan(mode="graph", layout="channels_last", kernels=True)], ids=["new", "known"])
def test_a_run_does_without_kernels_that_are_wrong_and_says_so(
    monkeypatch: pytest.MonkeyPatch, plan: Plan | None
) -> None:
    """A new run, and one that goes on with a plan from another card."""
    monkeypatch.setattr("trainer.graph.disagreement", lambda device, dtype: "a norm is 1.0e+00 away from torch's: here")
    data, recipe = load(Source("synthetic"), train_limit=40, test_limit=10), Recipe(batch_size=40, precision="fp32")
    network = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 10))
    state, engine = begin_on_gpu(network, recipe, data, FakeGpu(), plan, None)
    assert not engine.plan.kernels and state.step == 0
    assert [line for line in engine.remarks if "a norm is 1.0e+00 away from torch's: here" in line]
