"""How a plan is chosen, with trials that a test makes up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from store.records import Recipe
from trainer import plan
from trainer.plan import Layout, Plan, cpu_plan, exact_plan, faster_layout, probe_key


class Net(nn.Module):
    """Scores (N, 10) of images (N, 3, 32, 32), with dropout."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 8, 8), nn.Flatten(), nn.Dropout(), nn.Linear(16 * width, 10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.layers(images)
        return scores


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every trial that was made. One takes 2 s in (N, C, H, W) and 1 s in (N, H, W, C)."""
    made: list[str] = []

    def trial(network: nn.Module, layout: Layout, batch: int) -> object:
        def step() -> float:
            made.append(layout)
            return 2.0 if layout == "contiguous" else 1.0

        return step

    monkeypatch.setattr(plan, "_trial", trial)
    return made


def test_the_faster_layout_is_chosen(trials: list[str]) -> None:
    assert cpu_plan(Net(), Recipe()).layout == "channels_last"
    assert trials[:4] == ["contiguous", "channels_last"] * 2  # in turn


def test_whole_batches_are_tried_only_where_a_step_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    pace = 0.001  # seconds an image

    def trial(network: nn.Module, layout: Layout, batch: int) -> Callable[[], float]:
        batches.append(batch)
        return lambda: batch * pace

    monkeypatch.setattr(plan, "_trial", trial)
    faster_layout(Net(), 128)
    assert batches == [32, 32, 128, 128]
    batches.clear()
    pace = 0.1
    faster_layout(Net(), 128)
    assert batches == [32, 32]


def test_a_layout_that_is_hardly_faster_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"contiguous": 1.0, "channels_last": 0.98}
    monkeypatch.setattr(plan, "_trial", lambda network, layout, batch: lambda: seconds[layout])
    assert faster_layout(Net(), 32) == "contiguous"


def test_what_was_found_is_remembered_for_this_network_batch_and_number_of_threads(
    trials: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "layouts.json"
    assert cpu_plan(Net(), Recipe(), file).layout == "channels_last"
    tried = len(trials)
    assert tried and cpu_plan(Net(), Recipe(epochs=3), file).layout == "channels_last"
    assert len(trials) == tried
    cpu_plan(Net(width=8), Recipe(), file)
    assert len(trials) > tried
    keys = [probe_key(net, recipe, n) for net, recipe, n in (
        (Net(), Recipe(), 1), (Net(8), Recipe(), 1), (Net(), Recipe(batch_size=64), 1), (Net(), Recipe(), 2),
        (nn.Flatten(), Recipe(), 1),
    )]  # fmt: skip
    assert len(set(keys)) == 5 and probe_key(Net(), Recipe(), 1) == keys[0]


def test_a_file_that_cannot_be_read_only_costs_another_trial(trials: list[str], tmp_path: Path) -> None:
    file = tmp_path / "layouts.json"
    file.write_bytes(b'{"half a fi')
    assert cpu_plan(Net(), Recipe(), file).layout == "channels_last"
    assert trials
    trials.clear()
    assert cpu_plan(Net(), Recipe(), file).layout == "channels_last" and not trials


def test_a_home_that_cannot_be_written_only_costs_the_memory(trials: list[str], tmp_path: Path) -> None:
    assert cpu_plan(Net(), Recipe(), tmp_path / "missing" / "layouts.json").layout == "channels_last"


def test_an_exact_plan_depends_on_the_recipe_alone(trials: list[str]) -> None:
    assert exact_plan(Recipe(exact=True, threads=5), on_gpu=False) == Plan(threads=5)
    assert exact_plan(Recipe(exact=True, precision="bf16"), on_gpu=True) == Plan(mode="graph", precision="bf16")
    assert exact_plan(Recipe(exact=True, optimizer="muon"), on_gpu=True) == Plan()
    assert not trials


def test_a_trial_leaves_the_network_and_the_generator_as_they_were() -> None:
    net = Net()
    before = [one.detach().clone() for one in net.parameters()]
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    faster_layout(net, 8, patience=0)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert all(one.grad is None for one in net.parameters()) and net.training


def test_a_plan_comes_back_from_a_checkpoint_and_an_older_one_too() -> None:
    there = Plan(mode="graph", precision="fp16", layout="channels_last")
    assert Plan.stored({"mode": "graph", "precision": "fp16", "layout": "channels_last", "threads": None}) == there
    assert Plan.stored({"precision": "fp32", "layout": "contiguous", "threads": 2}) == Plan(threads=2)
    assert (
        there.in_words() == "graph, fp16, channels_last" and Plan(threads=1).in_words() == "fp32, contiguous, 1 thread"
    )
