"""`--models`: own models on the command line, each call a process of its own, and in the app."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.widgets import Markdown

from store.records import Recipe, Run
from store.runs import RunStore
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import done, until
from tui.compare import own_bests, what_differs
from tui.screens.model import ModelPage
from tui.widgets.facts import Facts
from tui.widgets.table import AnyTable, RecordTable
from zoo import CARDS
from zoo.own import GROUP, cards_of, read

ROOT = Path(__file__).parent.parent.parent
SMALL = ["--set", "train_limit=256", "--set", "test_limit=100", "--epochs", "1"]
EXAMPLE = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "your-own-model.md").read_text(encoding="utf-8"), re.DOTALL
)
IMPORTED = """
import sys
from tui.cli import status_of
status_of(sys.argv[1:])
print(sorted({"torch", "textual"} & set(sys.modules)))
"""


@pytest.fixture
def my_net(tmp_path: Path) -> Path:
    """The example of the documentation."""
    path = tmp_path / "my_net.py"
    path.write_text(EXAMPLE[0], encoding="utf-8")
    return path


def call(folder: Path, *words: str, code: str = "from tui.cli import main; main()") -> subprocess.CompletedProcess[str]:
    """`cifar-tui WORDS...` in this folder, with its home and its installed packages in it."""
    return subprocess.run(
        [sys.executable, "-c", code, "--data", "synthetic", "--device", "cpu", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"CIFAR_TUI_HOME": str(folder / "home"), "PYTHONPATH": f"{ROOT}{os.pathsep}{folder / 'site'}"},
        timeout=300,
    )


def install(folder: Path, module: str) -> None:
    """Install a distribution that offers the models of a module."""
    info = folder / "site" / "nets-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nmine = {module}\n")


def test_the_example_of_the_documentation_is_listed_trained_and_compared(tmp_path: Path, my_net: Path) -> None:
    listed = call(tmp_path, "--models", "my_net.py", "models", "--json")
    assert listed.returncode == 0, listed.stderr
    model = json.loads(listed.stdout)[-1]
    assert (model["id"], model["family"], model["count"]) == ("my_net", "own", "own")
    assert model["file"] == str(my_net)
    assert model["published"] is None and model["year"] is None
    trained = call(tmp_path, "--models", "my_net.py", "train", "my_net", *SMALL)
    assert trained.returncode == 0 and trained.stderr == ""
    (run,) = json.loads(call(tmp_path, "results", "--json").stdout)
    assert (run["model"], run["status"], run["params"]) == ("my_net", "done", model["params"])
    assert run["model_file"] == str(my_net)
    table = call(tmp_path, "results").stdout.splitlines()
    assert len(table) == 2 and "my_net" in table[1]


@pytest.mark.parametrize(
    ("text", "why", "command"),
    [
        ("import no_such\ndef bad(classes=10): ...", "ModuleNotFoundError: No module named 'no_such'", ["models"]),
        ("from torch import nn\ndef bad(classes=10): return nn.Linear(32, 7)", "shape 2×3×32×7", ["train", "lenet"]),
        ("def bad(classes=10) return 3", "line 1: SyntaxError", []),
    ],
)
def test_a_bad_file_is_refused_in_one_line_with_status_2(
    tmp_path: Path, text: str, why: str, command: list[str]
) -> None:
    (tmp_path / "bad.py").write_text(text)
    refused = call(tmp_path, "--models", "bad.py", *command)
    assert refused.returncode == 2
    assert why in refused.stderr and refused.stderr.startswith("cifar-tui: bad.py")
    assert refused.stderr.count("\n") == 1 and refused.stdout == ""
    assert not (tmp_path / "home").exists()


def test_torch_has_its_settings_before_a_file_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    text = "import os, sys\nsys.exit(f'torch {os.environ.get(\"GOMP_SPINCOUNT\")}')\ndef n(classes=10): ..."
    (tmp_path / "asks.py").write_text(text)
    assert "SystemExit: torch 10000" in call(tmp_path, "--models", "asks.py", "models").stderr


def test_the_option_stands_before_the_command(tmp_path: Path, my_net: Path) -> None:
    refused = call(tmp_path, "train", "my_net", "--models", "my_net.py")
    assert refused.returncode == 2
    assert "cifar-tui --models my_net.py" in refused.stderr


def test_a_run_goes_on_when_its_file_is_named_and_says_so_when_it_is_not(tmp_path: Path, my_net: Path) -> None:
    recipe = Recipe(epochs=1, train_limit=256, test_limit=100)
    with RunStore.open(tmp_path / "home") as store:
        run = Run(id="abcd", model="my_net", status="interrupted", dataset="synthetic", recipe=recipe,
                  model_file=str(my_net), model_digest="of another text", created=datetime.now(UTC))  # fmt: skip
        store.add(run)
    for words in (["resume"], ["resume", "abcd"], ["eval", "abcd"], ["export", "weights", "abcd"]):
        refused = call(tmp_path, *words)
        assert refused.returncode == 2
        assert refused.stderr == (
            f"cifar-tui: run abcd: my_net is not in the catalogue now: start cifar-tui with --models {my_net}\n"
        )
    resumed = call(tmp_path, "--models", str(my_net), "resume")
    assert resumed.returncode == 0, resumed.stderr
    (run_now,) = json.loads(call(tmp_path, "results", "--json").stdout)
    assert run_now["status"] == "done"
    evaluated = call(tmp_path, "--models", str(my_net), "eval", "abcd", "--limit", "50")
    assert evaluated.returncode == 0 and "my_net.py has changed since run abcd was queued" in evaluated.stderr
    assert run_now["notice"] == "my_net.py has changed since this run was queued"


def test_a_package_offers_models_that_are_listed_without_torch_and_trained(tmp_path: Path, my_net: Path) -> None:
    install(tmp_path, "my_nets")
    (tmp_path / "site" / "my_nets.py").write_text(EXAMPLE[0], encoding="utf-8")
    listed = call(tmp_path, "models", code=IMPORTED)
    *_, row, imported = listed.stdout.splitlines()
    assert row.startswith("my_net ") and "own" in row
    assert imported == "[]"
    trained = call(tmp_path, "train", "my_net", *SMALL, "--json")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout.splitlines()[-1])["status"] == "done"


def test_a_broken_package_costs_one_line_and_nothing_else(tmp_path: Path) -> None:
    install(tmp_path, "nowhere_to_be_found")
    listed = call(tmp_path, "models")
    assert listed.returncode == 0 and "lenet" in listed.stdout
    assert listed.stderr == (
        "cifar-tui: the models of the package nets (nowhere_to_be_found) are left out: "
        "there is no module nowhere_to_be_found\n"
    )


async def test_the_app_shows_an_own_model_and_works_out_its_facts(
    workbench: MakeWorkbench, my_net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (card,) = cards_of(read(my_net))
    monkeypatch.setitem(CARDS, card.id, card)
    bench = workbench()
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await pilot.press("G")
        table = bench.app.screen.query_one(AnyTable)
        assert table.current == "my_net"
        assert [str(cell) for cell in table.get_row("my_net")][1:4] == ["own", "–", "–"]
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(bench.app.screen, ModelPage), "the page")
        page = bench.app.screen
        assert page.query_one(Markdown).source.startswith("## My net: two convolutions")
        facts = page.query_one(Facts)
        assert ("file", str(my_net)) in facts.facts
        await until(pilot, lambda: page.query_one(RecordTable).shown, "the layers")
        assert ("parameters", "20,138 (0.08 MB)") in facts.facts


async def test_the_app_sets_aside_what_it_has_no_model_for_and_goes_on_with_the_rest(workbench: MakeWorkbench) -> None:
    lost = done("abcd", "lost_net", 0.5, status="interrupted", finished=None, model_file="/nets/lost_net.py")
    bench = workbench([lost, done("efgh", "lenet", 0.5, status="interrupted", finished=None)])
    async with bench.app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "efgh" in bench.trainings, "the other run trains")
        run = bench.store.run("abcd")
        assert run.status == "interrupted"
        assert run.error == "lost_net is not in the catalogue now: start cifar-tui with --models /nets/lost_net.py"
        assert "abcd" not in bench.trainings


def test_runs_of_an_earlier_text_do_not_count_as_the_models_own_best(
    my_net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (card,) = cards_of(read(my_net))
    assert card.own is not None
    monkeypatch.setitem(CARDS, card.id, card)
    now = done("efgh", "my_net", 0.7, model_digest=card.own.digest)
    before = done("abcd", "my_net", 0.9, model_digest="of another text", seed=1)
    assert what_differs(now) == []
    assert what_differs(before) == ["an earlier my_net.py"]
    assert own_bests([before, now])["my_net"].mean == 0.7
