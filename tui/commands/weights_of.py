"""What `eval` and `predict` are given: a run, or a file of weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from store.errors import UsageProblem
from store.records import DatasetName, Run
from store.runs import RunStore, UnknownRun
from trainer.own import changed_file, require_model
from trainer.source import Source
from tui.session import Session

if TYPE_CHECKING:
    from trainer.state import Weights
    from trainer.weights import Which


@dataclass(frozen=True, slots=True)
class Chosen:
    """Weights, and what is known of them."""

    origin: str  # what they are called in a message
    model: str
    weights: Weights
    source: Source  # of the images that they are for
    run: Run | None = None

    @property
    def dataset(self) -> DatasetName:
        return self.source.name


def chosen(session: Session, word: str, model: str | None, which: Which) -> Chosen:
    """The weights that a word names: an existing file, or a run by the beginning of its id. Raises Problem."""
    from trainer.weights import of_run

    path = Path(word)
    if path.suffix == ".safetensors" or path.is_file():
        return of_file(session, path, model)
    with RunStore.open(session.home, write=False) as store:
        try:
            run = store.run(word)
        except UnknownRun as error:
            raise UsageProblem(f"{error}; nor is there a file {word}") from None
        if model not in {None, run.model}:
            raise UsageProblem(f"run {run.id} is a {run.model}; --model is for a file")
        require_model(run)
        if file := changed_file(run):
            click.echo(
                f"cifar-tui: {file} has changed since run {run.id} was queued: this may be another network", err=True
            )
        weights = of_run(run, store.folder(run.id), which)
    return Chosen(f"run {run.id}", run.model, weights, session.source_of(run), run)


def of_file(session: Session, path: Path, model: str | None) -> Chosen:
    """The weights in a safetensors file. One that we exported names its model, and the images it was trained on."""
    from trainer.importing import model_named
    from trainer.weights import read

    weights, header = read(path)
    trained_on_synthetic = header.get("dataset") == "synthetic" and session.data is None
    source = Source("synthetic") if trained_on_synthetic else session.source
    return Chosen(str(path), model or model_named(header, path), weights, source)
