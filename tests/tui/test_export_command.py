"""The commands that take results away and bring weights in, from the words of a shell to the files."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from PIL import Image

from store.errors import Problem, UsageProblem
from store.records import Epoch, Recipe
from store.runs import RunStore
from tests.trainer.exported import a_run, epochs_of
from trainer.checkpoint import write_weights
from trainer.job import fresh_network
from tui.cli import program
from zoo import CARDS

PUBLISHED = ["Model", "Test Accuracy", "Other Config", "GPU", "Time Expended", "Parameter"]


def long_epochs(best: float) -> list[Epoch]:
    """200 epochs, the best one the 150th."""
    return [replace(epochs_of(1)[0], epoch=n, test_accuracy=best if n == 150 else 0.7) for n in range(1, 201)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two seeds of LeNet like the published one, a short one, one on synthetic data with weights, one that waits."""
    with RunStore.open(tmp_path / "home") as store:
        runs = [
            (a_run(id="aaaa", recipe=Recipe(), seed=0), long_epochs(0.74)),
            (a_run(id="bbbb", recipe=Recipe(), seed=1), long_epochs(0.76)),
            (a_run(id="cccc", recipe=Recipe(epochs=3)), epochs_of(3)),
            (a_run(id="dddd", recipe=Recipe(epochs=2), dataset="synthetic"), epochs_of(2)),
        ]
        for number, (run, epochs) in enumerate(runs):
            store.add(replace(run, status="running", created=datetime(2026, 1, 1, number, tzinfo=UTC)))
            for epoch in epochs:
                store.append(run.id, epoch)
            store.save(replace(run, status="done"))
        store.add(a_run(id="eeee", device=""))
        for which in ("best", "last"):
            write_weights(store.folder("dddd") / f"{which}.safetensors", fresh_network("lenet", 2).state_dict())
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands run."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("CIFAR_TUI_DATA", raising=False)
    return tmp_path / "here"


def invoke(home: Path, *words: str) -> Result:
    return CliRunner().invoke(program, ["--home", str(home), "--device", "cpu", *words], catch_exceptions=False)


def table(home: Path, *words: str) -> list[dict[str, str]]:
    result = invoke(home, "export", "table", "--format", "csv", *words)
    assert result.exit_code == 0
    return list(csv.DictReader(io.StringIO(result.stdout, newline="")))


def test_the_table_has_the_published_columns_first_and_all_36_rows_in_order(home: Path) -> None:
    rows = table(home)
    assert list(rows[0])[:6] == PUBLISHED
    published = [card for card in CARDS.values() if card.published]
    assert [row["ID"] for row in rows] == [card.id for card in published]
    assert len(rows) == 36
    lenet = rows[0]
    assert [lenet[name] for name in PUBLISHED] == ["LeNet", "74.74%", "", "RTX 3060", "0h-39m-23s", "62,006"]
    assert (lenet["Own Best"], lenet["Spread"], lenet["Difference"]) == ("75.00%", "1.41%", "+0.26")
    assert (lenet["Seeds"], lenet["Runs"], lenet["Epochs"]) == ("0 1", "aaaa bbbb", "200")
    assert rows[1]["Own Best"] == "" and rows[1]["Parameter"] == "", "the published table has no count of AlexNet"


def test_a_row_for_each_run_tells_what_makes_it_differ(home: Path) -> None:
    rows = {row["Run"]: row for row in table(home, "--runs")}
    assert list(rows) == ["aaaa", "bbbb", "cccc", "dddd"], "what has not begun has no row"
    assert rows["aaaa"]["Differs In"] == "" and rows["aaaa"]["Difference"] == "−0.74"
    assert rows["cccc"]["Differs In"] == "epochs 3" and rows["cccc"]["Test Accuracy"] == "74.74%"
    assert list(table(home, "bbbb")[0].values()) == list(rows["bbbb"].values())


def test_synthetic_results_never_stand_beside_published_numbers(home: Path) -> None:
    (row,) = table(home, "dddd")
    assert row["Model"] == "LeNet" and row["Data Set"] == "synthetic" and row["Own Best"] != ""
    assert [row[name] for name in ("Test Accuracy", "GPU", "Time Expended", "Parameter", "Difference")] == [""] * 5


def test_json_of_the_table_is_for_programs(home: Path) -> None:
    rows = json.loads(invoke(home, "export", "table", "--format", "json").stdout)
    lenet = rows[0]
    assert lenet["test_accuracy"] == 0.7474 and lenet["time_expended"] == 2363
    assert lenet["own_best"] == pytest.approx(0.75) and lenet["difference"] == pytest.approx(0.0026)
    assert lenet["seeds"] == [0, 1] and rows[1]["own_best"] is None


def test_a_table_goes_to_a_file_once(home: Path, elsewhere: Path) -> None:
    words = ("export", "table", "--format", "markdown", "--output", "table.md")
    assert invoke(home, *words).stdout == "table.md\n"
    text = (elsewhere / "table.md").read_text()
    assert text.startswith("| Model ")
    with pytest.raises(UsageProblem, match=r"table\.md is there already: --force replaces it"):
        invoke(home, *words)
    (elsewhere / "table.md").write_text("old")
    invoke(home, *words, "--force")
    assert (elsewhere / "table.md").read_text() == text


def test_notebooks_of_several_go_to_a_folder(home: Path, elsewhere: Path) -> None:
    invoke(home, "export", "notebook", "lenet", "cccc", "shufflenet")
    names = sorted(path.name for path in (elsewhere / "notebooks").iterdir())
    assert names == ["lenet-cccc.ipynb", "lenet.ipynb", *(f"shufflenet_g{n}.ipynb" for n in (1, 2, 3, 4, 8))]
    outputs = json.loads((elsewhere / "notebooks" / "lenet-cccc.ipynb").read_text())["cells"][-3]["outputs"]
    assert outputs[0]["text"][0].startswith("epoch   1/3")
    assert invoke(home, "--data", "synthetic", "export", "notebook", "vgg11").stdout == "vgg11.ipynb\n"
    first = json.loads((elsewhere / "vgg11.ipynb").read_text())["cells"][1]
    assert any(line.startswith('DATA = "synthetic"') for line in first["source"])


def test_a_word_that_is_neither_model_nor_run_is_refused_and_nothing_is_written(home: Path, elsewhere: Path) -> None:
    with pytest.raises(UsageProblem, match="there is no model 'vgg17': did you mean vgg1"):
        invoke(home, "export", "notebook", "vgg11", "vgg17")
    assert list(elsewhere.iterdir()) == []


def test_weights_come_with_card_and_graph_and_are_evaluated_from_the_file(home: Path, elsewhere: Path) -> None:
    result = invoke(home, "export", "weights", "dddd", "--onnx")
    stem = "lenet-dddd-best"
    assert result.stdout.split() == [f"{stem}.safetensors", f"{stem}.json", f"{stem}.onnx"]
    of_file = json.loads(invoke(home, "eval", f"{stem}.safetensors", "--limit", "300", "--json").stdout)
    of_run = json.loads(invoke(home, "eval", "dddd", "--limit", "300", "--json").stdout)
    for key in ("model", "dataset", "images", "accuracy", "loss", "confusion", "classes"):
        assert of_file[key] == of_run[key]
    assert (of_run["dataset"], of_run["images"], of_run["run"], of_file["run"]) == ("synthetic", 300, "dddd", None)
    text = invoke(home, "eval", "dddd", "--limit", "300").stdout
    assert "synthetic data, not CIFAR-10" in text and "stripes" in text and " ms for one image" in text
    row = next(line for line in text.splitlines() if line.startswith("stripes"))
    assert row.split()[2:] == [str(images or "·") for images in of_run["confusion"][of_run["classes"].index("stripes")]]


def test_a_missing_extra_is_named_before_anything_is_written(
    home: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(Problem, match=r"pip install 'cifar-tui\[onnx\]'"):
        invoke(home, "export", "weights", "dddd", "--onnx")
    with pytest.raises(Problem, match=r"pip install 'cifar-tui\[tensorboard\]'"):
        invoke(home, "export", "tensorboard")
    assert list(elsewhere.iterdir()) == []


def test_log_and_event_files(home: Path, elsewhere: Path) -> None:
    assert len(invoke(home, "export", "log", "aaaa").stdout.splitlines()) > 200
    assert invoke(home, "export", "tensorboard", "aaaa", "dddd", "--output", "tb").stdout == "tb\n"
    assert sorted(path.name for path in (elsewhere / "tb").iterdir()) == ["lenet-aaaa", "lenet-dddd-synthetic"]


def test_the_report_needs_nothing_from_elsewhere(home: Path, elsewhere: Path) -> None:
    result = invoke(home, "export", "report", "--output", "report.html")
    assert "evaluating LeNet, 1 of 1" in result.stderr
    text = (elsewhere / "report.html").read_text()
    assert not re.search(r"<(script|link|img|iframe)|src=|href=|@import|url\(", text)
    for heading in ("published and own results", "Runs", "Curves", "Accuracy against cost", "Class by class"):
        assert re.search(rf"<h2>[^<]*{heading}", text), heading
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text
    assert "synthetic images (not CIFAR-10)" in text and "stripes" in text
    overview = text.split('<figure class="overview">')[1].split("</figure>")[0]
    assert "aaaa" in overview and "dddd" not in overview, "synthetic runs are not in one picture with the others"
    assert str(home) not in text


def test_a_report_without_evaluation_and_without_runs(tmp_path: Path, home: Path) -> None:
    invoke(home, "export", "report", "--no-eval")
    assert "Left out with --no-eval." in Path("cifar-tui-report.html").read_text()
    invoke(tmp_path / "empty", "export", "report", "--output", "empty.html")
    assert "No run has finished an epoch yet." in Path("empty.html").read_text()


def test_imported_weights_are_shown_as_what_they_are(home: Path) -> None:
    invoke(home, "export", "weights", "dddd")
    result = invoke(home, "import", "weights", "lenet-dddd-best.safetensors", "--json")
    run: dict[str, Any] = json.loads(result.stdout)
    assert run["imported"] == "lenet-dddd-best.safetensors" and run["dataset"] == "synthetic"
    shown = invoke(home, "show", run["id"]).stdout
    assert "weights imported from" in shown and "recipe" not in shown and "seed" not in shown
    (row,) = table(home, run["id"])
    assert row["Differs In"] == "synthetic data, imported weights"
    assert (row["Status"], row["Recipe"], row["Seed"], row["Epochs"]) == ("imported", "", "", "")


def test_weights_of_another_network_are_refused(home: Path) -> None:
    invoke(home, "export", "weights", "dddd")
    with pytest.raises(Problem, match="is not a resnet20: it lacks"):
        invoke(home, "--data", "synthetic", "import", "weights", "lenet-dddd-best.safetensors", "--model", "resnet20")
    with pytest.raises(UsageProblem, match=r"run dddd is a lenet; --model is for a file"):
        invoke(home, "eval", "dddd", "--model", "resnet20")
    with pytest.raises(UsageProblem, match="no run 'zzzz'; nor is there a file zzzz"):
        invoke(home, "eval", "zzzz")
    with RunStore.open(home, write=False) as store:
        assert len(store.runs()) == 5


def test_predictions_are_plain_where_they_are_piped(home: Path, elsewhere: Path) -> None:
    Image.new("RGB", (50, 40), "red").save("red.png")
    Path("text.png").write_text("hello")
    result = invoke(home, "predict", "dddd", "red.png", "text.png")
    assert result.exit_code == 1 and "text.png is not a picture" in result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "red.png" and len(lines) == 4 and all(line.endswith("%") for line in lines[1:])
    assert "▀" not in result.stdout and "\x1b" not in result.stdout
    found = json.loads(invoke(home, "predict", "dddd", "red.png", "--json").stdout)
    assert len(found[0]["guesses"]) == 3 and 0 < found[0]["guesses"][0]["probability"] <= 1


def test_a_picture_is_drawn_two_pixels_to_a_cell() -> None:
    import torch

    from tui.commands.predict import drawn

    picture = torch.zeros(3, 32, 32, dtype=torch.uint8)
    picture[0, 0, 0], picture[2, 1, 0] = 255, 255  # red above blue
    text = drawn(picture)
    lines = text.plain.splitlines()
    assert len(lines) == 16 and all(line == "▀" * 32 for line in lines)
    assert text.spans[0].style == "#ff0000 on #0000ff"


def test_a_group_without_a_product_names_them(home: Path) -> None:
    with pytest.raises(UsageProblem, match="log, notebook, report, table, tensorboard, weights"):
        invoke(home, "export")
    with pytest.raises(UsageProblem, match="import weights FILE"):
        invoke(home, "import")


def test_a_table_needs_no_torch(home: Path) -> None:
    code = (
        "import sys\nfrom tui.cli import main\n"
        f"sys.argv[1:] = ['--home', {str(home)!r}, 'export', 'table', '--format', 'json']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'textual'} & set(sys.modules), 'too much was imported'\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ended.returncode == 0, ended.stderr
    assert len(json.loads(ended.stdout)) == 36
