"""Every product by one call, for the command line and for the app's dialog alike. torch comes only where it must."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from store.errors import Problem, UsageProblem
from store.records import Epoch, Run, Step
from store.runs import RunStore, UnknownRun
from trainer.device import prepare_process
from trainer.export import table as tables
from trainer.export.place import check_free, make_folder, place
from trainer.own import changed_file, require_model
from tui.compare import has_begun, model_name
from tui.report_parts import best_of_each, report_of
from tui.session import Session
from tui.tables import models_table, runs_table
from zoo import CARDS, Card, UnfitModel, UnknownModel, card, select

if TYPE_CHECKING:
    from trainer.evaluate import Evaluation
    from trainer.weights import Which

Result = TypeVar("Result")
Watch = Callable[[str, Step | None], None]
"""Hears how far a long work is: what is being done, and the step it is in."""

WEB_OF_RUNS = "tensorboard"  # the folder that `tensorboard --logdir` is given


def results_table(store: RunStore, *, runs: Sequence[Run] = (), models: Sequence[str] = (), each: bool) -> tables.Table:
    """The table of models, or with `each` that of runs: of these, or of all that have begun."""
    if each or runs:
        return runs_table(runs or [run for run in store.runs() if has_begun(run)])
    return models_table(store.runs(), models)


def notebooks(
    session: Session, store: RunStore, words: Sequence[str], output: Path | None, *, force: bool = False
) -> list[Path]:
    """A notebook for each model or run that the words name: one to a file, several to a folder. Raises Problem."""
    from trainer.export.notebook import export_notebook

    targets = {stem: target for word in words for stem, target in _targets(store, word)}
    if not targets:
        raise UsageProblem("name a model or a run")
    is_folder = len(targets) > 1 or (output is not None and output.is_dir())
    folder = (output or Path("notebooks")) if is_folder else None
    paths = {stem: folder / f"{stem}.ipynb" if folder else output or Path(f"{stem}.ipynb") for stem in targets}
    if folder:
        make_folder(folder)
    for path in paths.values():
        check_free(path, force=force)
    written = []
    for stem, (model, run) in targets.items():
        epochs = store.epochs(run.id) if run else []
        data = _images_of(session, run)
        written.append(export_notebook(model, paths[stem], data=data, run=run, epochs=epochs, force=force))
    return written


def _targets(store: RunStore, word: str) -> list[tuple[str, tuple[Card, Run | None]]]:
    """The models that a word names, else the run, each with the name of its file."""
    try:
        return [(model.id, (model, None)) for model in select(word)]
    except UnknownModel as unknown:
        try:
            run = store.run(word)
        except UnknownRun as no_run:
            told = unknown if "did you mean" not in str(no_run) and "begin with" not in str(no_run) else no_run
            raise UsageProblem(f"{told} (a run is named by its id)" if told is unknown else str(told)) from None
        require_model(run)
        if file := changed_file(run):
            raise Problem(
                f"run {run.id} was trained with an earlier {file}: its notebook would be of another"
            ) from None
        return [(f"{run.model}-{run.id}", (card(run.model), run))]


def _images_of(session: Session, run: Run | None) -> str:
    """The folder that a notebook reads: where the images are, else one of its own."""
    source = session.source_of(run) if run else session.source
    if source.folder is None:
        return "synthetic"
    return "data" if source.missing() else str(source.folder)


def weights(
    store: RunStore, run: Run, output: Path | None, *, which: Which = "best", onnx: bool = False, force: bool = False
) -> list[Path]:
    """The weights of a run with their card, and as ONNX if that is wanted. Raises Problem, before anything is written
    where that can be known."""
    stem = f"{run.model}-{run.id}-{which}"
    path = output / f"{stem}.safetensors" if output and output.is_dir() else output or Path(f"{stem}.safetensors")
    if path.suffix != ".safetensors":
        raise UsageProblem(f"{path} must end with .safetensors, or be a folder")
    require_model(run)
    graph = path.with_suffix(".onnx")
    if onnx:
        from trainer.export.onnx_graph import require_onnx

        require_onnx()
        check_free(graph, force=force)
    prepare_process()
    from trainer.export.weights import export_weights  # imports torch

    written = export_weights(run, store.folder(run.id), path, which, force=force)
    if onnx:
        from trainer.export.onnx_graph import export_onnx
        from trainer.weights import network_with, of_run

        network = network_with(run.model, of_run(run, store.folder(run.id), which), f"run {run.id}")
        written.append(export_onnx(network, graph, force=force)[0])
    return written


def log(store: RunStore, run: Run) -> str:
    """The log of a run."""
    from trainer.export.log import log_text

    return log_text(run, store.epochs(run.id))


def event_files(store: RunStore, runs: Sequence[Run], output: Path | None, *, force: bool = False) -> Path:
    """A folder for TensorBoard, of these runs or of all that have an epoch. Raises Problem."""
    from trainer.export.tensorboard import export_tensorboard

    with_epochs = [(run, epochs) for run in runs or store.runs() if (epochs := store.epochs(run.id))]
    if not with_epochs:
        raise Problem("no run has finished an epoch yet: there is nothing to show")
    return export_tensorboard(with_epochs, output or Path(WEB_OF_RUNS), force=force)


def report(
    session: Session,
    store: RunStore,
    runs: Sequence[Run],
    output: Path | None,
    watch: Watch,
    *,
    evaluate: bool = True,
    force: bool = False,
) -> Path:
    """One HTML file about these runs, or about all that have begun. Raises Problem."""
    from trainer.export.report import written

    path = output or Path("cifar-tui-report.html")
    check_free(path, force=force)
    chosen = list(runs) or [run for run in store.runs() if has_begun(run)]
    epochs: dict[str, Sequence[Epoch]] = {run.id: store.epochs(run.id) for run in chosen}
    found: dict[str, Evaluation] = {}
    why = "Left out with --no-eval."
    if evaluate:
        found, why = _evaluations(session, store, chosen, watch)
    return place(path, written(report_of(chosen, epochs, found, why)), force=force)


def _evaluations(
    session: Session, store: RunStore, runs: Sequence[Run], watch: Watch
) -> tuple[dict[str, Evaluation], str]:
    """The best run of each model, class by class, and why others are missing. What cannot be evaluated is left out."""
    found: dict[str, Evaluation] = {}
    faults: list[str] = []
    candidates = [
        run
        for run in best_of_each(runs)
        if run.model in CARDS and not changed_file(run) and (store.folder(run.id) / "best.safetensors").exists()
    ]
    if candidates:
        prepare_process()
    for number, run in enumerate(candidates, start=1):
        from trainer.evaluate import evaluate_weights  # imports torch
        from trainer.weights import of_run

        what = f"{model_name(run.model)}, {number} of {len(candidates)}"
        watch(what, None)
        try:
            steps = evaluate_weights(
                run.model,
                of_run(run, store.folder(run.id)),
                f"run {run.id}",
                session.source_of(run),
                session.devices[0],
            )
            found[run.id] = followed(steps, lambda step, what=what: watch(what, step))  # type: ignore[misc]
        except (Problem, UnfitModel) as problem:
            faults.append(str(problem))
    return found, faults[0] if faults else "No run here has weights to evaluate yet."


def followed(steps: Generator[Step, None, Result], show: Callable[[Step], None]) -> Result:
    """What a generator returns in the end; its steps are shown on the way."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        show(step)
