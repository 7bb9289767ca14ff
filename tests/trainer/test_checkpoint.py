"""Checkpoints: whole or not there, and nothing that could run."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

import zoo
from store.records import Recipe
from tests.trainer.scripted import epoch
from trainer import checkpoint
from trainer.checkpoint import BEFORE, NEWEST, Damaged
from trainer.optim import optimizer
from trainer.plan import Plan
from trainer.state import State, Tally

PLAN = Plan(threads=1)


def state_of(network: nn.Module, steps: int = 4) -> State:
    tally = Tally.empty(steps, like=next(network.parameters()))
    return State(network=network, optimizer=optimizer(Recipe(), network), tally=tally)


def trained(seed: int = 0) -> State:
    """A state in the middle of its second epoch, with momentum and a best."""
    torch.manual_seed(seed)
    state = state_of(zoo.build("lenet"))
    state.network(torch.randn(8, 3, 32, 32)).sum().backward()
    state.optimizer.step()
    state.close(epoch(1))
    state.tally.losses[0], state.step, state.seconds, state.train_seconds = 1.25, 1, 3.5, 2.5
    return state


def same(one: State, other: State) -> bool:
    tensors = [
        (one.network.state_dict(), other.network.state_dict()),
        (one.best, other.best),
        (
            {"losses": one.tally.losses, "c": one.tally.correct},
            {"losses": other.tally.losses, "c": other.tally.correct},
        ),
    ]
    momentum = [
        torch.equal(a["momentum_buffer"], b["momentum_buffer"])
        for a, b in zip(one.optimizer.state.values(), other.optimizer.state.values(), strict=True)
    ]
    rest = [(s.step, s.seconds, s.train_seconds, s.epochs) for s in (one, other)]
    return (
        all(a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a) for a, b in tensors)
        and len(momentum) > 0
        and all(momentum)
        and rest[0] == rest[1]
    )


def test_a_restored_state_is_the_saved_one(tmp_path: Path) -> None:
    saved = trained()
    checkpoint.save(tmp_path, saved, PLAN)
    torch.manual_seed(99)
    fresh = state_of(zoo.build("lenet"))
    content, damaged = checkpoint.newest(tmp_path)
    assert content and not damaged and Plan.stored(content["plan"]) == PLAN
    checkpoint.restore(content, fresh)
    assert same(saved, fresh)


def test_dropout_goes_on_with_the_same_draws(tmp_path: Path) -> None:
    state = trained()
    checkpoint.save(tmp_path, state, PLAN)
    drawn = torch.rand(3, generator=state.generator)
    content, _ = checkpoint.newest(tmp_path)
    assert content
    checkpoint.restore(content, state)
    assert torch.equal(torch.rand(3, generator=state.generator), drawn)


def test_the_checkpoint_before_is_used_when_the_newest_is_damaged(tmp_path: Path) -> None:
    first, second = trained(), trained()
    checkpoint.save(tmp_path, first, PLAN)
    second.step = 2
    checkpoint.save(tmp_path, second, PLAN)
    (tmp_path / NEWEST).write_bytes((tmp_path / NEWEST).read_bytes()[:-4000])
    content, damaged = checkpoint.newest(tmp_path)
    assert content and content["step"] == 1 and len(damaged) == 1 and NEWEST in damaged[0]


def test_one_changed_byte_is_noticed(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, trained(), PLAN)
    path = tmp_path / NEWEST
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match="checksum"):
        checkpoint.load(path)


def test_without_a_checkpoint_that_loads_there_is_none(tmp_path: Path) -> None:
    for name in (NEWEST, BEFORE):
        (tmp_path / name).write_bytes(b"nothing")
    content, damaged = checkpoint.newest(tmp_path)
    assert content is None and len(damaged) == 2


class Hostile:
    """What would leave a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.mark,))


def test_a_checkpoint_that_carries_code_does_not_run_it(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    torch.save({"format": 1, "network": Hostile(mark)}, tmp_path / NEWEST)
    with pytest.raises(Damaged):
        checkpoint.load(tmp_path / NEWEST)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Hostile(mark)))  # noqa: S301  the test itself: the trap does work
    assert mark.exists()


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, trained(), PLAN)
    content, _ = checkpoint.newest(tmp_path)
    assert content
    with pytest.raises(Damaged, match="does not fit"):
        checkpoint.restore(content, state_of(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))))


def test_weights_come_back_through_safetensors(tmp_path: Path) -> None:
    import safetensors.torch

    network = zoo.build("lenet").to(memory_format=torch.channels_last)
    checkpoint.write_weights(tmp_path / "last.safetensors", network.state_dict())
    twin = zoo.build("lenet")
    twin.load_state_dict(safetensors.torch.load_file(tmp_path / "last.safetensors"))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), twin.parameters(), strict=True))
