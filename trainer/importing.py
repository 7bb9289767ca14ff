"""Weights from elsewhere become a run: evaluated here, and marked as what they are."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

from store import files
from store.errors import UsageProblem
from store.records import Run, Step
from store.runs import RunStore
from trainer.checkpoint import write_weights
from trainer.evaluate import evaluate_weights
from trainer.source import Source
from trainer.weights import network_with, read


def import_weights(
    store: RunStore, path: Path, model: str | None, source: Source, device: str
) -> Generator[Step, None, Run]:
    """Read a safetensors file, evaluate it on all test images of `source`, and add it to the store as a run, done.

    Without a model, the one that the file names. Its accuracy is what was found here, best and last alike; nothing is
    said of epochs and recipe. Raises UnknownModel, and Problem when the file is no such network.
    """
    weights, header = read(path)
    model = model or model_named(header, path)
    network = network_with(model, weights, str(path))
    result = yield from evaluate_weights(model, weights, str(path), source, device)
    now = datetime.now(UTC)
    run = Run(
        id=store.new_id(),
        model=model,
        status="done",
        dataset=source.name,
        data_folder=str(source.folder) if source.folder else None,
        device=result.device,
        params=sum(parameter.numel() for parameter in network.parameters()),
        best_accuracy=result.accuracy,
        last_accuracy=result.accuracy,
        created=now,
        finished=now,
        imported=path.name,
        notice=f"weights imported from {path.name} (sha256 {digest(path)[:12]}…), evaluated here, trained elsewhere",
    )
    folder = store.folder(run.id)
    with files.explained(folder):
        files.make_folder(folder)  # first the weights, then the row: no run is ever without them
        for name in ("best", "last"):
            write_weights(folder / f"{name}.safetensors", network.state_dict())
    store.add(run)
    return run


def model_named(header: dict[str, str], path: Path) -> str:
    """The model that a file of our own export names. Raises UsageProblem when it names none."""
    if "model" not in header:
        raise UsageProblem(f"{path} does not say which network it is: name one with --model ID")
    return header["model"]


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
