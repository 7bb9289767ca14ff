"""Weights leave and come back: files, cards, graphs, and what is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import zoo
from store.errors import Problem, UsageProblem
from store.records import Run, Step, summarise
from store.runs import RunStore
from tests.trainer.exported import a_run, epochs_of
from trainer import checkpoint
from trainer.export import onnx_graph
from trainer.export.onnx_graph import export_onnx
from trainer.export.weights import export_weights
from trainer.importing import import_weights
from trainer.job import fresh_network
from trainer.plan import Plan
from trainer.source import Source
from trainer.state import State, Tally
from trainer.weights import network_with, of_run, read


@pytest.fixture(scope="module")
def lenet() -> torch.nn.Module:
    return fresh_network("lenet", 4)


@pytest.fixture
def run(tmp_path: Path, lenet: torch.nn.Module) -> Run:
    """A run that is done, with its weights in tmp_path."""
    checkpoint.write_weights(tmp_path / "best.safetensors", lenet.state_dict())
    checkpoint.write_weights(tmp_path / "last.safetensors", fresh_network("lenet", 5).state_dict())
    return summarise(a_run(status="done", finished=datetime(2026, 1, 2, tzinfo=UTC)), epochs_of(3))


def done(steps: Generator[Step, None, Run]) -> Run:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Run = end.value
            return found


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_three_lines_of_the_card_load_the_weights(
    run: Run, lenet: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, beside = export_weights(run, tmp_path, tmp_path / "out.safetensors")
    card = json.loads(beside.read_text())
    monkeypatch.chdir(tmp_path)
    assert len(card["load"]) == 3
    names: dict[str, Any] = {}
    exec("\n".join(card["load"]), names)
    assert equal(names["network"].state_dict(), lenet.state_dict())
    network = zoo.build("lenet")
    network.load_state_dict(safetensors.torch.load_file(path))
    assert equal(network.state_dict(), lenet.state_dict())


def test_the_card_names_every_figure_as_what_it_is(run: Run, tmp_path: Path) -> None:
    path, beside = export_weights(run, tmp_path, tmp_path / "out.safetensors", "last")
    card = json.loads(beside.read_text())
    assert card["weights"]["which"] == "last" and card["weights"]["epoch"] == 3
    assert card["weights"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["accuracy"]["best"] == pytest.approx(0.48) and card["accuracy"]["best_epoch"] == 2
    assert card["accuracy"]["last"] == pytest.approx(0.47)
    assert card["training"]["recipe"]["epochs"] == 3 and card["training"]["seed"] == 0
    assert card["data"]["classes"][3] == "cat" and card["data"]["is_cifar10"] is True
    assert card["exported_with"]["torch"] == torch.__version__.split("+")[0] or card["exported_with"]["torch"]
    assert card["licence"].startswith("MIT")


def test_weights_do_not_take_the_place_of_others(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("mine")
    with pytest.raises(UsageProblem, match=r"out\.json is there already"):
        export_weights(run, tmp_path, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists(), "neither of the two is written"


def test_a_run_that_is_not_over_gives_the_best_weights_of_its_checkpoint(
    tmp_path: Path, lenet: torch.nn.Module
) -> None:
    state = State(
        network=fresh_network("lenet", 6),
        optimizer=torch.optim.SGD(lenet.parameters(), lr=0.1),
        tally=Tally.empty(3, like=torch.zeros(1)),
        step=2,
        epochs=epochs_of(1),
        best={name: tensor.clone() for name, tensor in lenet.state_dict().items()},
    )
    checkpoint.save(tmp_path, state, Plan())
    run = a_run(status="paused")
    assert equal(of_run(run, tmp_path), dict(lenet.state_dict()))
    with pytest.raises(Problem, match="in the middle of an epoch"):
        of_run(run, tmp_path, "last")
    state.step = 0
    checkpoint.save(tmp_path, state, Plan())
    assert equal(of_run(run, tmp_path, "last"), dict(state.network.state_dict()))


def test_a_run_without_an_epoch_has_no_weights(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"run k3fd \(lenet, queued\) has no weights"):
        of_run(a_run(), tmp_path)


def test_the_graph_gives_torchs_scores_for_any_number_of_images(tmp_path: Path, lenet: torch.nn.Module) -> None:
    import onnxruntime

    path, off = export_onnx(lenet, tmp_path / "lenet.onnx")
    assert off < 1e-4
    session = onnxruntime.InferenceSession(path)
    for count in (1, 3):
        images = torch.randn(count, 3, 32, 32)
        (scores,) = session.run(["scores"], {"images": images.numpy()})
        with torch.no_grad():
            assert torch.allclose(torch.from_numpy(scores), lenet(images), atol=1e-4)


def test_the_batch_of_a_network_that_asks_for_its_size_stays_free(tmp_path: Path) -> None:
    """A Vision Transformer has one class token for each image."""
    assert export_onnx(fresh_network("vit_h1_l1", 0), tmp_path / "vit.onnx")[1] < 1e-4


def test_a_graph_that_only_takes_one_number_of_images_is_not_written(tmp_path: Path) -> None:
    class Two(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)[:, :10] + torch.zeros(len(images), 10)

    with pytest.raises(Problem, match="onnxruntime cannot run the graph with 1 images"):
        export_onnx(Two(), tmp_path / "two.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_computes_something_else_is_not_written(
    tmp_path: Path, lenet: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        onnx_graph, "graph_of", lambda network, make=onnx_graph.graph_of: make(fresh_network("lenet", 9))
    )
    with pytest.raises(Problem, match="away from torch's: nothing was written"):
        export_onnx(lenet, tmp_path / "lenet.onnx")
    assert list(tmp_path.iterdir()) == []


def test_imported_weights_are_a_run_that_claims_nothing(tmp_path: Path, lenet: torch.nn.Module) -> None:
    path = tmp_path / "theirs.safetensors"
    safetensors.torch.save_file(dict(lenet.state_dict()), path)
    with RunStore.open(tmp_path / "home") as store:
        run = done(import_weights(store, path, "lenet", Source("synthetic"), "cpu"))
    with RunStore.open(tmp_path / "home", write=False) as store:
        kept = store.run(run.id)
        assert kept == run and kept.status == "done" and kept.imported == "theirs.safetensors"
        assert kept.best_accuracy == kept.last_accuracy is not None
        assert (kept.epochs_done, kept.best_epoch, kept.seconds, kept.params) == (0, None, 0.0, 62_006)
        assert kept.notice and "trained elsewhere" in kept.notice
        for which in ("best", "last"):
            assert equal(of_run(kept, store.folder(run.id), which), dict(lenet.state_dict()))


def test_a_file_that_we_exported_says_which_network_it_is(run: Run, tmp_path: Path) -> None:
    path, _ = export_weights(run, tmp_path, tmp_path / "out.safetensors")
    assert read(path)[1]["model"] == "lenet"
    with RunStore.open(tmp_path / "home") as store:
        assert done(import_weights(store, path, None, Source("synthetic"), "cpu")).model == "lenet"
        with pytest.raises(UsageProblem, match="name one with --model ID"):
            done(import_weights(store, tmp_path / "best.safetensors", None, Source("synthetic"), "cpu"))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda weights: weights.pop("head.1.bias"), "it lacks head.1.bias"),
        (lambda weights: weights.update(extra=torch.zeros(1)), "it has extra, which the network has not"),
        (
            lambda weights: weights.update({"stages.0.0.weight": torch.zeros(6, 1, 5, 5)}),
            "stages.0.0.weight has the shape 6×1×5×5 instead of 6×3×5×5",
        ),
        (
            lambda weights: weights.update({"head.1.bias": torch.zeros(120, dtype=torch.int32)}),
            "head.1.bias holds int32 instead of float32",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_one_line(lenet: torch.nn.Module, change: Any, line: str) -> None:
    weights = dict(lenet.state_dict())
    change(weights)
    with pytest.raises(Problem) as refused:
        network_with("lenet", weights, "theirs")
    assert str(refused.value) == f"theirs is not a lenet: {line}"


def test_a_pickle_is_refused_and_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "exploded").write_text, ("x",))

    for name, content in {"a.safetensors": pickle.dumps(Bomb()), "b.pt": b"PK\x03\x04rest"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Problem, match="which can carry code: only safetensors is read"):
            read(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_a_file_that_is_cut_off_or_missing_is_refused(tmp_path: Path, lenet: torch.nn.Module) -> None:
    whole = safetensors.torch.save(dict(lenet.state_dict()))
    for name, content in {"cut": whole[:1000], "empty": b"", "text": b"hello, world"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Problem, match=f"{name} is not a whole safetensors file"):
            read(tmp_path / name)
    with pytest.raises(Problem, match="there is no file"):
        read(tmp_path / "missing")
    with pytest.raises(Problem, match="cannot read"):
        read(tmp_path)
