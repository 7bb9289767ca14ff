"""The command line as scripts see it: exit status, stdout, stderr. Each call is a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from store.runs import RunStore

ROOT = Path(__file__).parent.parent
PROGRAM = [sys.executable, "-c", "from tui.cli import main; main()"]
SMALL = ["--set", "train_limit=512", "--set", "test_limit=100"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def environment(home: Path) -> dict[str, str]:
    unset = {"CIFAR_TUI_DATA"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return kept | {"CIFAR_TUI_HOME": str(home), "PYTHONPATH": str(ROOT)}


def call(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, env=environment(home), timeout=300)


def array(home: Path, *words: str) -> list[dict[str, Any]]:
    done = call(home, *words, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def timeless(run: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / run["id"] / "epochs.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in {"seconds", "images_per_second"}} for line in lines]


def test_models_lists_the_published_rows_first(home: Path) -> None:
    models = array(home, "models")
    assert [model["id"] for model in models[:3]] == ["lenet", "alexnet", "vgg11"]
    assert sum(model["published"] is not None for model in models) == 36
    assert models[0]["params"] == 62_006 and models[0]["published"]["accuracy"] == 0.7474
    assert models[0]["published"]["params"] == 62_006 and models[1]["published"]["params"] is None


def test_a_trained_run_is_in_the_results(home: Path) -> None:
    done = call(home, "--data", "synthetic", "train", "lenet", "--epochs", "2", "--seed", "7", *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["run", "epoch", "epoch", "run"]
    assert [event["epoch"] for event in events if event["event"] == "epoch"] == [1, 2]
    (run,) = array(home, "results")
    assert (run["model"], run["status"], run["dataset"], run["seed"]) == ("lenet", "done", "synthetic", 7)
    assert run["params"] == 62_006 and run["epochs_done"] == 2 and run["recipe"]["train_limit"] == 512
    assert array(home, "queue") == []
    shown = json.loads(call(home, "show", run["id"][:3], "--json").stdout)
    assert [epoch["epoch"] for epoch in shown["epochs"]] == [1, 2]
    assert "synthetic data, not CIFAR-10" in call(home, "show", run["id"]).stdout
    assert "synthetic data" in call(home, "results").stdout


def test_killed_in_the_middle_of_an_epoch_it_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """SIGKILL, fresh processes, an exact run: the same weights to the last bit."""
    words = ["--data", "synthetic", "--device", "cpu", "train", "lenet", "--epochs", "3", "--set", "exact=true"]
    words += ["--set", "train_limit=10000", "--set", "test_limit=500", "--json"]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert call(straight, *words).returncode == 0

    process = subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, text=True, env=environment(killed))
    assert process.stdout
    while '"epoch":1' not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(0.3)  # somewhere in epoch 2
    process.kill()
    process.wait()
    (run,) = array(killed, "results")
    assert run["status"] == "interrupted" and 1 <= run["epochs_done"] < 3

    assert call(killed, "resume").returncode == 0
    (one,), (other,) = array(straight, "results"), array(killed, "results")
    assert other["status"] == "done"
    assert timeless(one, straight / "runs") == timeless(other, killed / "runs")
    for name in ("last.safetensors", "best.safetensors"):
        weights = [home / "runs" / run["id"] / name for home, run in ((straight, one), (killed, other))]
        assert weights[0].read_bytes() == weights[1].read_bytes(), name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_saves_says_so_and_goes_on(number: signal.Signals, home: Path) -> None:
    words = ["--data", "synthetic", "train", "lenet", "--epochs", "2", "--set", "test_limit=100", "--json"]
    process = subprocess.Popen(
        [*PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home),
        preexec_fn=partial(signal.signal, number, signal.SIG_DFL),  # a shell's background jobs ignore Ctrl-C
    )
    assert process.stdout
    assert '"running"' in process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.count("\n") <= 1 and "Traceback" not in errors
    (run,) = array(home, "queue")
    assert run["status"] == "interrupted"


def test_a_pinned_run_waits_for_its_device_and_can_be_let_loose(home: Path) -> None:
    two, one = ["--data", "synthetic", "--device", "cpu:0,cpu:1"], ["--data", "synthetic", "--device", "cpu"]
    done = call(home, *two, "train", "lenet", "resnet20", "--epochs", "1", *SMALL, "--pin", "cpu:1", "--json")
    assert done.returncode == 0, done.stderr
    begun = [run for run in map(json.loads, done.stdout.splitlines()) if run.get("status") == "running"]
    assert [(run["model"], run["device_id"]) for run in begun] == [("resnet20", "cpu:1"), ("lenet", "cpu:1")]
    with RunStore.open(home) as store:
        run = replace(store.run(begun[1]["id"]), id="wait", status="queued", finished=None, epochs_done=0)
        store.add(run)
    waits = call(home, *one, "resume")
    assert waits.returncode == 1
    why = "pinned to cpu:1: this session does not train on it"
    assert waits.stderr == f"cifar-tui: 1 run not trained, {why}; cifar-tui resume trains what is queued\n"
    assert call(home, *one, "resume", "--pin", "any").returncode == 0
    (trained,) = (run for run in array(home, "results") if run["id"] == "wait")
    assert (trained["status"], trained["pinned_to"]) == ("done", None)


def test_resume_with_nothing_to_do_says_so(home: Path) -> None:
    done = call(home, "resume")
    assert done.returncode == 0 and "nothing is queued" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["train", "resnet19"], 2, "did you mean resnet18?"),
        (["train", "lenett"], 2, "did you mean lenet?"),
        (["trian", "lenet"], 2, "did you mean train?"),
        (["train"], 2, "MODEL"),
        (["train", "lenet", "--data", "x"], 2, "cifar-tui --data x train lenet"),
        (["train", "lenet", "--device=cpu"], 2, "cifar-tui --device=cpu train lenet"),
        (["train", "lenet", "--epochs", "0"], 2, "a whole number from 1"),
        (["train", "lenet", "--epochs", "many"], 2, "'many'"),
        (["train", "lenet", "--set", "epochs"], 2, "KEY=VALUE"),
        (["train", "lenet", "--set", "epoch=3"], 2, "did you mean 'epochs'?"),
        (["train", "lenet", "--set", "learning_rate=nan"], 2, "a number above 0"),
        (["train", "lenet", "--recipe", "publisched"], 2, "did you mean 'published'?"),
        (["train", "lenet", "--seed", "-1"], 2, "--seed"),
        (["train", "lenet", "--seed", "1", "--seeds", "2"], 2, "exclude each other"),
        (["train", "lenet"], 1, "data download"),
        (["--device", "gpu", "models"], 2, "cuda:0"),
        (["--device", "cuda:99", "models"], 2, "cuda:99"),
        (
            ["--data", "synthetic", "train", "lenet", "--pin", "cuda:1"],
            2,
            "this session trains on the first GPU, else the",
        ),
        (["--data", "synthetic", "train", "lenet", "--pin", "gpu 1"], 2, "--pin cannot be 'gpu 1'"),
        (["resume", "--pin", "cuda:1"], 2, "--pin cuda:1"),
        (["show", "nope"], 2, "nope"),
        (["resume", "nope"], 2, "nope"),
        (["--home", "/dev/null", "results"], 1, "/dev/null"),
        ([], 2, "terminal"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_gets_one_clear_line(words: list[str], status: int, said: str, home: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, *words],
        capture_output=True,
        text=True,
        env=environment(home) | {"CUDA_VISIBLE_DEVICES": ""},
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    assert said in done.stderr and done.stderr.count("\n") == 1 and not done.stdout
    assert done.stderr.startswith("cifar-tui: ")
