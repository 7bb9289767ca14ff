"""`cifar-tui bench`, with measurements that were made up: what it prints for people, and for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.bench import Comparison, Speed, Task
from tui.cli import status_of


def speed(images: float, memory: int = 1000) -> Speed:
    return Speed(
        train_images_per_second=images,
        test_images_per_second=2 * images,
        epoch_seconds=55_000 / images,
        whole=False,
        peak_memory=memory,
        plan="fp32",
    )


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Task, int]]:
    asked: list[tuple[Task, int]] = []

    def compare(task: Task, rounds: int, tell: Callable[[str], None]) -> Comparison:
        asked.append((task, rounds))
        tell(f"{task.model}: round 1")
        ours, plain = [speed(400.0), speed(300.0)], [speed(100.0, 800), speed(100.0, 500)]
        return Comparison(model=task.model, dataset="synthetic", device=task.device, ours=ours, plain=plain)

    monkeypatch.setattr("tui.commands.bench.compare", compare)
    monkeypatch.setenv("CIFAR_TUI_HOME", str(tmp_path / "home"))
    return asked


def bench(*words: str) -> int:
    return status_of(["--data", "synthetic", "--device", "cpu", "bench", *words])


def test_for_scripts_it_prints_ratios_measurements_and_surroundings(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("lenet", "mobilenetv2", "--json") == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert [one["model"] for one in told["models"]] == ["lenet", "mobilenetv2"]
    ratios = told["models"][0]["ratios"]
    assert ratios["train"] == {"median": 3.5, "least": 3.0, "most": 4.0}
    assert ratios["memory"] == {"median": 1.625, "least": 1.25, "most": 2.0}
    assert told["models"][0]["plain"][0]["train_images_per_second"] == 100.0
    assert told["surroundings"]["cores"] >= 1 and told["surroundings"]["torch"].count(".") >= 2
    assert "lenet: round 1" in said.err


def test_for_people_it_prints_a_row_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("lenet", "--rounds", "2") == 0
    said = capsys.readouterr().out
    assert "3.50× (3.00–4.00)" in said and "1.62× (1.25–2.00)" in said and "2 rounds" in said


def test_without_a_name_three_networks_are_measured(made_up: list[tuple[Task, int]]) -> None:
    assert bench("--whole") == 0
    assert [task.model for task, _ in made_up] == ["lenet", "mobilenetv2", "resnet18"]
    assert {(task.seconds, rounds) for task, rounds in made_up} == {(0.0, 3)}


def test_several_devices_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["--data", "synthetic", "--device", "cpu:0,cpu:1", "bench", "lenet"]) == 2
    assert capsys.readouterr().err == "cifar-tui: bench measures one device: --device cpu or --device cuda:0\n"
