"""The weights of a run as safetensors, and a model card beside them that says what they are and how they are loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import safetensors.torch

from store.records import Run
from trainer.augment import MEAN, STD
from trainer.evaluate import classes_of
from trainer.export.environment import versions
from trainer.export.place import check_free, place
from trainer.state import Weights
from trainer.weights import Which, network_with, of_run
from zoo import Card, card

FORMAT = 1
LICENCE = "MIT, as cifar-tui, for the code of the network; the weights belong to whoever trained them"
HONEST = "`best` is the best test accuracy of any epoch, as the published table reports it; `last`, after the last epoch, was not chosen by looking at the test set"  # noqa: E501 # one sentence


def export_weights(run: Run, folder: Path, path: Path, which: Which = "best", *, force: bool = False) -> list[Path]:
    """Write the weights to `path` and the card beside it, with the ending .json. Returns both. Raises Problem."""
    beside = path.with_suffix(".json")
    for one in (path, beside):
        check_free(one, force=force)
    weights = of_run(run, folder, which)
    network = network_with(run.model, weights, f"run {run.id}")
    data = to_safetensors(run, network.state_dict(), which)
    text = json.dumps(model_card(run, path, data, which), indent=2, ensure_ascii=False) + "\n"
    return [place(path, data, force=force), place(beside, text, force=force)]


def to_safetensors(run: Run, weights: Weights, which: Which) -> bytes:
    """The file; its header names the model, so that `cifar-tui eval FILE` knows it."""
    header = {"format": "pt", "model": run.model, "run": run.id, "weights": which, "dataset": run.dataset}
    return safetensors.torch.save({name: tensor.contiguous() for name, tensor in weights.items()}, header)


def model_card(run: Run, path: Path, data: bytes, which: Which) -> dict[str, Any]:
    """What must be known of weights to use and to judge them."""
    model = card(run.model)
    epoch = run.best_epoch if which == "best" else run.epochs_done
    return {
        "format": FORMAT,
        "model": {
            "id": model.id,
            "name": f"{model.name} {model.config}".rstrip(),
            "family": model.family,
            "parameters": run.params,
            "multiply_accumulates": model.macs,
            "paper": model.paper and msgspec.to_builtins(model.paper),
            "input": "float32 (N, 3, 32, 32): pixels as fractions of 255, less the mean, divided by the deviation",
            "output": "scores (N, 10), one for each class; softmax makes probabilities of them",
        },
        "weights": {
            "file": path.name,
            "which": which,
            "epoch": epoch or None,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        },
        "accuracy": {
            "best": run.best_accuracy,
            "best_epoch": run.best_epoch,
            "last": run.last_accuracy,
            "last_epoch": run.epochs_done or None,
            "of": "the test set" + (f", its first {run.recipe.test_limit} images" if run.recipe.test_limit else ""),
            "note": HONEST,
        },
        "data": {
            "name": run.dataset,
            "is_cifar10": run.dataset == "cifar10",
            "classes": list(classes_of(run.dataset)),
            "mean": list(MEAN),
            "deviation": list(STD),
        },
        "training": _training(run),
        "exported_with": versions(),
        "licence": LICENCE,
        "load": _load(model, path.name),
    }


def _load(model: Card, name: str) -> list[str]:
    """Three lines of Python that give the network."""
    brings, build = "import safetensors.torch, zoo", f"zoo.build({model.id!r})"
    if model.own:  # its own file is all that is needed
        file = model.own.module or model.own.path.stem
        brings, build = f"import safetensors.torch, {file}", f"{file}.{model.id}(10)"
    return [
        brings,
        f"network = {build}.eval()",
        f"network.load_state_dict(safetensors.torch.load_file({name!r}))",
    ]


def _training(run: Run) -> dict[str, Any]:
    """How it came about; nothing is claimed of weights that were imported."""
    if run.imported:
        return {"run": run.id, "imported": run.imported, "recipe": None}
    return {
        "run": run.id,
        "status": run.status,
        "recipe": msgspec.to_builtins(run.recipe),
        "seed": run.seed,
        "epochs": run.epochs_done,
        "device": run.device,
        "plan": run.plan,
        "seconds": run.seconds,
        "finished": run.finished and run.finished.isoformat(),
        "notice": run.notice,
    }
