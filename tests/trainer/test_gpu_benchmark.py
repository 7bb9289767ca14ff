"""benchmarks/gpu.py, as far as it goes without a GPU: all of its way, on a small part of the images."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from tests.trainer.fake_gpu import H100, FakeGpu
from trainer import bench, ladder
from trainer.data import DataSet, load
from trainer.plan import Plan
from trainer.source import Source
from zoo import CARDS

OLD = FakeGpu(given=H100._replace(capability=(6, 1)))  # half precision is slow on a CPU
SMALL = {
    "NETWORKS": ("lenet",),
    "OWN": (),  # whole batches of 128 through interpreted kernels would take minutes
    "ONE": "lenet",
    "STEPS": 1,
}
ROOT = Path(bench.__file__).parents[1]


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load(Source("synthetic"), train_limit=220, test_limit=60)


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    checks = importlib.import_module("gpu_checks")
    for name, value in SMALL.items():
        monkeypatch.setattr(checks, name, value)
    monkeypatch.setattr(ladder, "with_own_kernels", lambda network: None)  # for the same reason
    yield importlib.import_module("gpu")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def asked(folder: Path, **options: Any) -> Namespace:
    """What the command line is parsed to."""
    usual = {"plain": "", "compiled": "*", "plan": None, "no_checks": False, "device": "cpu", "data": "synthetic"}
    return Namespace(rows="lenet", output=folder / "out", **usual | options)


def test_without_a_gpu_it_says_so_in_a_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "gpu.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 1 and not done.stdout and not list(tmp_path.iterdir())
    assert done.stderr == "benchmarks/gpu.py: torch finds no GPU here, so there is nothing to measure\n"


def test_it_checks_and_measures_and_writes_both_files(benchmark: ModuleType, data: DataSet, tmp_path: Path) -> None:
    options = asked(tmp_path)
    assert benchmark.run(options, OLD, data, time.monotonic() + 1e6) == 1  # "nothing waits" needs a GPU
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["card"] == "NVIDIA H100" and [row["model"] for row in report["rows"]] == ["lenet"]
    said = report["checks"]
    assert [name for name, words in said.items() if "FAILED" in words] == ["nothing waits"]
    assert "every bit" in said["a replayed step is the plain step"]
    (row,) = report["rows"]
    assert (
        row["epoch"]
        and row["step_compiled"]
        and row["plain"] is None
        and not torch.are_deterministic_algorithms_enabled()
    )
    table = (tmp_path / "out.md").read_text()
    assert table.startswith("# NVIDIA H100\n") and "1 of 1 rows measured" in table and "not measured" in table


def test_what_the_budget_does_not_reach_is_not_measured(
    benchmark: ModuleType, data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "checks", lambda data, gpu: {"good": lambda: "yes"})
    options = asked(tmp_path)
    assert benchmark.run(options, OLD, data, time.monotonic()) == 0
    assert "0 of 1 rows measured" in (tmp_path / "out.md").read_text()


def test_a_plan_that_is_given_is_not_looked_for_and_only_the_rows_asked_for_are_compiled(
    benchmark: ModuleType, data: DataSet, tmp_path: Path
) -> None:
    plan = benchmark.plan_in_words("graph,fp32,channels_last")
    assert plan == Plan(mode="graph", precision="fp32", layout="channels_last")
    own = replace(plan, kernels=True, merged=True)
    assert benchmark.plan_in_words("graph,fp32,channels_last,merged,kernels") == own
    with pytest.raises(argparse.ArgumentTypeError, match="is no plan"):
        benchmark.plan_in_words("graph,fp32,channels_last,mode")
    options = asked(tmp_path, plan=plan, no_checks=True, compiled="vgg*")
    assert benchmark.run(options, OLD, data, time.monotonic() + 1e6) == 0
    report = json.loads((tmp_path / "out.json").read_text())
    (row,) = report["rows"]
    assert report["checks"] == {} and row["plan"] == "graph, fp32, channels_last"
    assert row["epoch"] and row["step"] and row["step_compiled"] is None


def test_ways_of_computing_a_step_stand_beside_the_first(
    benchmark: ModuleType, data: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = importlib.import_module("gpu_tried")
    gpu = FakeGpu(fails={"graph": RuntimeError("operation not permitted when stream is capturing")})
    tried.compare(["lenet"], ["no graph", "contiguous", "fp32"], data, gpu, time.monotonic() + 1e6)
    assert not any("," in way for way in tried.WAYS), "which is what separates them on the command line"
    first, *others = capsys.readouterr().out.splitlines()
    assert "lenet" in first and " 1.00× " in first
    assert all("graph: operation not permitted" in line for line in others) and len(others) == 2
    tried.compare(["lenet"], ["no graph"], data, gpu, time.monotonic() - 1)
    assert capsys.readouterr().out == "the budget is spent\n"


def test_the_smallest_rows_come_first_and_there_are_36(benchmark: ModuleType) -> None:
    ids = benchmark.chosen("*")
    macs = [CARDS[id].macs or 0 for id in ids]
    assert len(set(ids)) == 36 and ids[0] == "lenet" and macs == sorted(macs)
    assert benchmark.chosen("resnet*,lenet") == ["lenet", "resnet18", "resnet50", "resnet101"]
    assert benchmark.chosen("none") == []
