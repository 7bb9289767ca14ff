"""Notebooks: valid, complete, and the same training as ours."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
import torch
from msgspec.structs import replace

from store.errors import UsageProblem
from store.records import Epoch, Recipe, summarise
from tests.trainer.exported import a_run, epochs_of
from trainer.data import load
from trainer.export.notebook import beyond, export_notebook, notebook
from trainer.job import Job, fresh_network
from trainer.source import Source
from zoo import CARDS, card

SHORT = Recipe(epochs=1, train_limit=1000, test_limit=500, exact=True)


def sources(content: dict[str, Any], kind: str = "code") -> list[str]:
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def test_a_notebook_trains_as_our_own_trainer_does(tmp_path: Path) -> None:
    """Executed as Jupyter executes it: the first weights to the bit, the losses of the first epoch to six digits."""
    run = a_run(recipe=SHORT, seed=3, dataset="synthetic")
    data = load(Source("synthetic"), SHORT.train_limit, SHORT.test_limit)
    ours = [news for news in Job(run, tmp_path, "cpu", data).news() if isinstance(news, Epoch)]
    torch.use_deterministic_algorithms(False)
    weights = hashlib.blake2b()
    for tensor in fresh_network("lenet", 3).state_dict().values():
        weights.update(tensor.numpy().tobytes())

    path = export_notebook(card("lenet"), tmp_path / "lenet.ipynb", data="synthetic", run=run)
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    book.cells.insert(-3, nbformat.v4.new_code_cell(
        "print('WEIGHTS', hashlib.blake2b(b''.join("
        "t.numpy().tobytes() for t in network.state_dict().values())).hexdigest())"
    ))  # fmt: skip
    book.cells.append(nbformat.v4.new_code_cell("import json; print('HISTORY', json.dumps(history))"))
    nbclient.NotebookClient(book, timeout=300, kernel_name="python3").execute(cwd=str(tmp_path))

    printed = "".join(
        output.get("text", "") for cell in book.cells if cell.cell_type == "code" for output in cell.outputs
    )
    assert f"WEIGHTS {weights.hexdigest()}" in printed
    ((train_loss, train_accuracy, test_loss, test_accuracy),) = json.loads(printed.split("HISTORY ")[1])
    assert train_loss == pytest.approx(ours[0].train_loss, rel=1e-6)
    assert test_loss == pytest.approx(ours[0].test_loss, rel=1e-6)
    assert train_accuracy == pytest.approx(ours[0].train_accuracy, abs=2e-3)
    assert test_accuracy == pytest.approx(ours[0].test_accuracy, abs=2e-3)
    pictures = [output for output in book.cells[-2].outputs if output.output_type == "display_data"]
    assert "image/svg+xml" in pictures[0].data


@pytest.mark.parametrize("id", CARDS)
def test_the_notebook_of_every_model_is_valid_and_holds_what_it_uses(id: str) -> None:
    content = notebook(card(id), "data")
    nbformat.validate(nbformat.from_dict(content))
    code = sources(content)
    for text in code:
        compile(text, id, "exec")
        assert not re.search(r"^\s*[%!]", text, flags=re.MULTILINE), "a magic"
        assert not re.search(r"^\s*(from|import) (zoo|trainer|store|tui)\b", text, flags=re.MULTILINE)
    assert f"network = {id}(10)" in "\n".join(code)
    first = "".join(sources(content, "markdown"))
    assert card(id).story.splitlines()[0] in first


def test_the_first_cell_of_code_holds_what_a_reader_changes() -> None:
    names = [node.targets[0] for node in ast.parse(sources(notebook(card("vgg16"), "/images"))[0]).body]  # type: ignore[attr-defined]
    assert [name.id for name in names] == ["EPOCHS", "DATA", "TRAIN_LIMIT", "TEST_LIMIT", "SEED"]
    assert 'DATA = "/images"  #' in sources(notebook(card("vgg16"), "/images"))[0]


def test_the_notebook_of_a_run_holds_its_recipe_and_its_outputs() -> None:
    recipe = Recipe(epochs=3, learning_rate=0.05, train_limit=700, augmentation="none")
    epochs = epochs_of(3)
    run = summarise(a_run(recipe=recipe, seed=8, status="done"), epochs)
    content = notebook(card("lenet"), "data", run, epochs)
    nbformat.validate(nbformat.from_dict(content))
    values: dict[str, Any] = {}
    for text in sources(content)[:2]:
        exec(text.split("import hashlib")[0], values)
    assert (values["EPOCHS"], values["LEARNING_RATE"], values["TRAIN_LIMIT"]) == (3, 0.05, 700)
    assert (values["AUGMENTATION"], values["SEED"], values["TEST_LIMIT"]) == ("none", 8, None)
    training, curve = [cell for cell in content["cells"] if cell["cell_type"] == "code"][-2:]
    assert [line[:12] for line in training["outputs"][0]["text"]] == ["epoch   1/3 ", "epoch   2/3 ", "epoch   3/3 "]
    assert "image/svg+xml" in curve["outputs"][1]["data"]


def test_a_notebook_of_synthetic_data_says_that_it_is_not_cifar10() -> None:
    run = a_run(dataset="synthetic", status="done")
    assert "synthetic images, not CIFAR-10" in sources(notebook(card("lenet"), "synthetic", run), "markdown")[0]


def test_a_recipe_that_the_cells_do_not_know_is_refused() -> None:
    """Whatever a recipe will learn later must not be left out in silence."""
    assert beyond(Recipe(precision="bf16", exact=True, threads=4)) is None
    strange = replace(Recipe(), schedule="staircase")
    assert beyond(strange) == "schedule staircase"
    with pytest.raises(UsageProblem, match="schedule staircase"):
        notebook(card("lenet"), "data", a_run(recipe=strange))


def test_a_model_whose_file_takes_a_name_of_the_notebook_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = '"""Mine: own."""\ndef tested(): ...\n'
    monkeypatch.setattr(type(card("lenet")), "source", property(lambda card: source))
    with pytest.raises(UsageProblem, match="defines tested"):
        notebook(card("lenet"), "data")


def test_a_notebook_does_not_take_the_place_of_another(tmp_path: Path) -> None:
    path = export_notebook(card("lenet"), tmp_path / "one.ipynb")
    path.write_text("mine")
    with pytest.raises(UsageProblem, match="--force"):
        export_notebook(card("lenet"), path)
    assert path.read_text() == "mine"
    assert json.loads(export_notebook(card("lenet"), path, force=True).read_text())["nbformat"] == 4
