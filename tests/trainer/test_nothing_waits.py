"""What a captured step must not do, found without a GPU: read a value on the CPU, or bring one from there.

Each operation that torch is asked for while a step is taken passes by here. On a GPU these would make Python wait, and
end a capture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import zoo
from store.records import Recipe
from tests.trainer.fake_gpu import CPU
from trainer.batch import Place, draw
from trainer.data import DataSet, load
from trainer.engine import Engine
from trainer.fresh import fresh_state
from trainer.loop import test_step as judge
from trainer.loop import train_step
from trainer.plan import Plan
from trainer.source import Source
from trainer.state import Tally

READS = {"_local_scalar_dense", "item", "nonzero", "masked_select", "equal", "is_nonzero", "unique", "unique2"}
BRINGS = {"lift_fresh", "lift", "lift_fresh_copy", "_pin_memory"}  # torch.tensor(...) and its like


class Watch(TorchDispatchMode):
    """Remembers what a GPU would have to be waited for."""

    def __init__(self, device: torch.device = CPU) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        result = func(*args, **(kwargs or {}))
        indices = [one for one in tree_leaves(args[1:]) if isinstance(one, torch.Tensor)] if "index" in name else []
        if name in READS | BRINGS or any(one.dtype == torch.bool for one in indices):
            self.seen.append(name)
        elsewhere = [one for one in tree_leaves(result) if isinstance(one, torch.Tensor) and one.device != self.device]
        if elsewhere:
            self.seen.append(f"{name} on {elsewhere[0].device}")
        return result


def watched(body: Callable[[], object], device: torch.device = CPU) -> list[str]:
    body()  # to warm up: what is made once may be made now
    watch = Watch(device)
    with watch:
        body()
    return watch.seen


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load(Source("synthetic"), train_limit=96, test_limit=40)


RECIPES: dict[str, dict[str, Any]] = {
    "published": {},
    "clipped": {"clip_norm": 1.0, "decay_on": "weights", "optimizer": "nesterov"},
    "adamw": {"optimizer": "adamw", "label_smoothing": 0.1},
    "randaugment": {"policy": "randaugment", "cutout": 8, "mixup": 0.4},
    "trivialaugment": {"policy": "trivialaugment", "average": 0.9, "test_flip": True},
}


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", RECIPES)
def test_nothing_in_a_step_waits_for_the_gpu(data: DataSet, name: str, precision: Any) -> None:
    recipe, plan = Recipe(batch_size=32, **RECIPES[name]), Plan(precision=precision)
    engine = Engine(CPU, plan)
    network = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(), nn.Linear(256, 10))
    state = fresh_state(network, recipe, data, plan)
    drawn = draw(recipe, 96, 3, 0, 1)
    count = torch.tensor([1])
    rows = count * 32 + torch.arange(32)
    assert not watched(lambda: train_step(state, data, drawn, recipe, engine, Place(rows, count)))
    state.result.eval()
    tally = Tally.empty(2, state.tally.losses)
    assert not watched(lambda: judge(state, data.test, recipe, tally, engine, Place(rows - 32, count)))
    assert tally.losses[1] > 0 and state.tally.losses[1] > 0 and not state.tally.losses[0]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (lambda: torch.ones(3)[torch.tensor(1)], "_local_scalar_dense"),
        (lambda: torch.ones(3).sum().item(), "_local_scalar_dense"),
        (lambda: torch.ones(3)[torch.ones(3) > 0], "index"),
        (lambda: torch.tensor([1.0, 2.0]), "lift_fresh"),
        (lambda: float(torch.ones(())), "_local_scalar_dense"),
    ],
)
def test_the_watch_sees_what_it_is_for(body: Callable[[], object], expected: str) -> None:
    assert expected in watched(body)


@pytest.mark.parametrize("id", {card.family: id for id, card in reversed(zoo.CARDS.items()) if card.published}.values())
def test_no_network_waits_for_the_gpu(id: str) -> None:
    """The first of each family, forward and backward, on the meta device, where a value that is read does not exist."""
    meta = torch.device("meta")
    with meta:
        network = zoo.build(id).train()
        images, labels = torch.empty(4, 3, 32, 32), torch.zeros(4, dtype=torch.int64)

    def step() -> None:
        network.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()

    assert not watched(step, meta)
