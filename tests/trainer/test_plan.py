"""How a plan is chosen, with trials that a test makes up."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from store.records import Recipe
from trainer import plan
from trainer.device import cpu_threads
from trainer.plan import Layout, Plan, Precision, cpu_plan, cpu_precisions, exact_plan, fastest, probe_key


class Net(nn.Module):
    """Scores (N, 10) of images (N, 3, 32, 32), with dropout."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 8, 8), nn.Flatten(), nn.Dropout(), nn.Linear(16 * width, 10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.layers(images)
        return scores


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Plan, int]]:
    """Every trial that was made, and with how many images. One takes 2 s in (N, C, H, W) and 1 s in (N, H, W, C), in
    bfloat16, too, which this machine has."""
    made: list[tuple[Plan, int]] = []

    def trial(one: Plan, network: nn.Module, batch: int) -> float:
        made.append((one, batch))
        return 2.0 if one.layout == "contiguous" else 1.0

    monkeypatch.setattr(plan, "_trial", trial)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    return made


def chosen(monkeypatch: pytest.MonkeyPatch, seconds: dict[tuple[Precision, Layout], float]) -> tuple[str, str]:
    """The precision and layout that are chosen when trials take so long."""
    monkeypatch.setattr(plan, "_trial", lambda one, network, batch: seconds[one.precision, one.layout])
    found = fastest([Plan(precision=one, layout=layout) for one, layout in seconds], Net(), 32)
    return found.precision, found.layout


def test_the_faster_layout_is_chosen(trials: list[tuple[Plan, int]]) -> None:
    threads = cpu_threads()
    assert cpu_plan(Net(), Recipe()) == Plan(layout="channels_last", threads=threads)
    assert {(plan.precision, plan.layout) for plan, _ in trials} == {
        (precision, layout) for precision in ("fp32", "bf16") for layout in ("contiguous", "channels_last")
    }


def test_bfloat16_is_tried_where_the_cpu_has_it_and_the_recipe_leaves_it_open(
    monkeypatch: pytest.MonkeyPatch, trials: list[tuple[Plan, int]]
) -> None:
    assert cpu_precisions(Recipe()) == ["fp32", "bf16"]
    assert cpu_precisions(Recipe(precision="fp32")) == ["fp32"]
    assert cpu_precisions(Recipe(precision="bf16")) == ["bf16"]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False, "avx2": True})
    assert cpu_precisions(Recipe()) == ["fp32"]
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert cpu_precisions(Recipe()) == ["fp32"]


def test_less_precision_must_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    cl, co = "channels_last", "contiguous"
    full: dict[tuple[Precision, Layout], float] = {("fp32", "contiguous"): 1.5, ("fp32", "channels_last"): 1.0}
    assert chosen(monkeypatch, {**full, ("bf16", "contiguous"): 2.0, ("bf16", "channels_last"): 0.95}) == ("fp32", cl)
    assert chosen(monkeypatch, {**full, ("bf16", "contiguous"): 2.0, ("bf16", "channels_last"): 0.6}) == ("bf16", cl)
    assert chosen(monkeypatch, {**full, ("bf16", "contiguous"): 0.5, ("bf16", "channels_last"): 0.6}) == ("bf16", co)


def test_half_a_batch_is_tried_of_those_that_come_close(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []

    def trial(one: Plan, network: nn.Module, batch: int) -> float:
        made.append((one.layout, batch))
        return {("contiguous", 32): 1.0, ("contiguous", 64): 4.0, ("channels_last", 32): few}.get(
            (one.layout, batch), 3.0
        )

    monkeypatch.setattr(plan, "_trial", trial)
    ways = [Plan(), Plan(layout="channels_last")]
    few = 1.1
    assert fastest(ways, Net(), 128).layout == "channels_last"  # which is slower only with a few
    assert [batch for _, batch in made] == [32] * 4 + [64] * 8  # two turns each: one to warm up, and one more
    made.clear()
    few = 1.5
    assert fastest(ways, Net(), 128).layout == "contiguous"
    assert [batch for _, batch in made] == [32] * 4


def test_plans_take_turns_and_what_one_used_is_given_back_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def trial(one: Plan, network: nn.Module, batch: int) -> float:
        done.append(f"{one.layout} {batch}")
        return 1.0

    monkeypatch.setattr(plan, "give_back_memory", lambda: done.append("back"))
    monkeypatch.setattr(plan, "_trial", trial)
    fastest([Plan(), Plan(layout="channels_last")], Net(), 128)
    few = ["back", *["contiguous 32"] * 2, "back", *["channels_last 32"] * 2]
    half = ["back", *["contiguous 64"] * 2, "back", *["channels_last 64"] * 2]
    assert done == few + half * 2


def test_half_a_batch_is_tried_of_all_when_a_few_images_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    laps = {("contiguous", 32): 0.005, ("contiguous", 64): 0.04, ("channels_last", 32): 0.015}
    monkeypatch.setattr(plan, "_trial", lambda one, network, batch: laps.get((one.layout, batch), 0.03))
    assert fastest([Plan(), Plan(layout="channels_last")], Net(), 128, patience=0).layout == "channels_last"


def test_a_layout_that_is_hardly_faster_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    close: dict[tuple[Precision, Layout], float] = {("fp32", "contiguous"): 0.98, ("fp32", "channels_last"): 1.0}
    assert chosen(monkeypatch, close) == ("fp32", "channels_last")
    assert chosen(monkeypatch, close | {("fp32", "contiguous"): 0.9}) == ("fp32", "contiguous")


def test_what_was_found_is_remembered_for_this_network_batch_and_number_of_threads(
    trials: list[tuple[Plan, int]], tmp_path: Path
) -> None:
    file = tmp_path / "plans.json"
    assert cpu_plan(Net(), Recipe(), file).layout == "channels_last"
    tried = len(trials)
    assert tried and cpu_plan(Net(), Recipe(epochs=3), file).layout == "channels_last"
    assert len(trials) == tried
    cpu_plan(Net(width=8), Recipe(), file)
    assert len(trials) > tried
    tried = len(trials)
    cpu_plan(Net(), Recipe(precision="fp32"), file)
    assert len(trials) > tried
    keys = [probe_key(net, recipe, n) for net, recipe, n in (
        (Net(), Recipe(), 1), (Net(8), Recipe(), 1), (Net(), Recipe(batch_size=64), 1), (Net(), Recipe(), 2),
        (nn.Flatten(), Recipe(), 1),
    )]  # fmt: skip
    assert len(set(keys)) == 5 and probe_key(Net(), Recipe(), 1) == keys[0]


def test_a_file_that_cannot_be_read_only_costs_another_trial(trials: list[tuple[Plan, int]], tmp_path: Path) -> None:
    file = tmp_path / "plans.json"
    file.write_bytes(b'{"half a fi')
    assert cpu_plan(Net(), Recipe(), file).layout == "channels_last"
    assert trials
    trials.clear()
    assert cpu_plan(Net(), Recipe(), file).layout == "channels_last" and not trials


def test_a_home_that_cannot_be_written_only_costs_the_memory(trials: list[tuple[Plan, int]], tmp_path: Path) -> None:
    assert cpu_plan(Net(), Recipe(), tmp_path / "missing" / "plans.json").layout == "channels_last"


def test_an_exact_plan_depends_on_the_recipe_alone(trials: list[tuple[Plan, int]]) -> None:
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
    fastest([Plan(), Plan(precision="bf16", layout="channels_last")], net, 8, patience=0)
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
    assert Plan(layout="channels_last", pairs=True, threads=2).in_words() == "fp32, channels_last, in pairs, 2 threads"
    assert Plan(depthwise=True, threads=2).in_words() == "fp32, contiguous, own depthwise gradients, 2 threads"
