"""Offered with `e`: what marked networks and runs can be taken away as, and where to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from store.errors import Problem, UsageProblem
from store.records import Run, Step
from store.runs import RunStore
from trainer.export.place import Taken, make_folder, place
from trainer.export.table import Format, Table, written
from tui import products, words
from tui.background import in_background
from tui.products import Watch
from tui.screens.dialog import Dialog
from tui.session import Session
from tui.widgets.line import Line
from zoo import UnfitModel

FORMATS: dict[str, Format] = {".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex", ".html": "html"}


@dataclass(frozen=True)
class Offer:
    """A product: what it is called, where it goes unless told otherwise, and how it is made."""

    name: str
    path: str
    make: Callable[[Path, Watch], object]


def offers_of_models(session: Session, store: RunStore, models: Sequence[str]) -> list[Offer]:
    """What networks can be taken away as."""

    def table(path: Path, watch: Watch) -> None:
        put_table(path, lambda: products.results_table(store, models=models, each=False))

    one = len(models) == 1
    return [
        Offer(
            "Notebook that trains it without us" if one else f"{len(models)} notebooks, to a folder",
            f"{models[0]}.ipynb" if one else "notebooks",
            lambda path, watch: products.notebooks(session, store, models, path),
        ),
        Offer("Table, published and own results (.md .csv .json .tex .html)", "results.md", table),
    ]


def offers_of_runs(session: Session, store: RunStore, ids: Sequence[str]) -> list[Offer]:
    """What runs can be taken away as."""
    runs = [store.run(id) for id in ids]
    one = len(runs) == 1
    stem, folder = f"{runs[0].model}-{runs[0].id}", "" if one else ", to a folder"

    def table(path: Path, watch: Watch) -> None:
        put_table(path, lambda: products.results_table(store, runs=runs, each=True))

    def weights(run: Run, path: Path) -> None:
        products.weights(store, run, path)

    def log(run: Run, path: Path) -> None:
        place(path / f"{run.model}-{run.id}.txt" if path.is_dir() else path, products.log(store, run))

    return [
        Offer("Table (.md .csv .json .tex .html)", "runs.md", table),
        Offer(
            "Report: one HTML file with curves and classes",
            "cifar-tui-report.html",
            lambda path, watch: products.report(session, store, runs, path, watch),
        ),
        Offer(
            f"{words.several(len(runs), 'notebook')} with recipe and outputs{folder}",
            f"{stem}.ipynb" if one else "notebooks",
            lambda path, watch: products.notebooks(session, store, ids, path),
        ),
        Offer(
            f"Best weights, safetensors with a model card{folder}",
            f"{stem}-best.safetensors" if one else "weights",
            partial(for_each, runs, weights),
        ),
        Offer(f"Log, an epoch a line{folder}", f"{stem}.txt" if one else "logs", partial(for_each, runs, log)),
        Offer(
            "Event files for TensorBoard, a folder",
            "tensorboard",
            lambda path, watch: products.event_files(store, runs, path),
        ),
    ]


def for_each(runs: Sequence[Run], make: Callable[[Run, Path], None], path: Path, watch: Watch) -> None:
    """One run to a file, several to a folder."""
    if len(runs) > 1:
        make_folder(path)
    for run in runs:
        make(run, path)


def put_table(path: Path, table: Callable[[], Table]) -> None:
    """In the format that the ending of the path names. Raises Problem."""
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise UsageProblem(f"{path.name} must end with {', '.join(FORMATS)}: the ending says which format")
    place(path, written(table(), form))


class ExportDialog(Dialog[None]):
    """Makes a product in a thread, and says where it is. Nothing that is there already is replaced."""

    HELP = "Choose a product, then where it goes. A name that is taken is refused; **escape** goes back."

    def __init__(self, offers: Sequence[Offer], beneath: Screen[None], what: str) -> None:
        super().__init__()
        self.offers, self.beneath, self.what = offers, beneath, what

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = f"Take away: {self.what}"
            box.border_subtitle = "enter choose · esc cancel · f1 help"
            yield OptionList(*(Option(offer.name) for offer in self.offers), compact=True)
            yield Line(compact=True)
            yield Static(f"Under {Path.cwd()}, or a whole path.", id="state", markup=False)

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    @property
    def offer(self) -> Offer:
        return self.offers[self.query_one(OptionList).highlighted or 0]

    @on(OptionList.OptionHighlighted)
    def propose(self) -> None:
        self.query_one(Input).value = self.offer.path

    @on(OptionList.OptionSelected)
    def ask_where(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def begin(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if not text:
            return
        try:
            path = Path(text).expanduser()
        except RuntimeError:
            self.say(f"there is no home folder for {text}")
            return
        offer = self.offer
        self.query_one(OptionList).disabled = self.query_one(Input).disabled = True
        self.say("working …")

        def work() -> str:
            try:
                offer.make(path, self.watch_work)
            except Taken as taken:
                return f"{taken.path} is there already: choose another name"
            except (Problem, LookupError, UnfitModel) as problem:
                return str(problem)
            return ""

        in_background(self.beneath, "export", work, partial(self.worked, path))

    def watch_work(self, what: str, step: Step | None) -> None:
        """Called in the thread."""
        if self.is_attached:
            self.call_later(self.say, f"evaluating {what} …")

    def worked(self, path: Path, fault: str) -> None:
        """On the app's thread, whether or not the dialog is still there."""
        if not fault:
            self.beneath.notify(str(path.absolute()), title="Written", timeout=10, markup=False)
            if self.is_attached:
                self.dismiss(None)
        elif self.is_attached:
            self.query_one(OptionList).disabled = self.query_one(Input).disabled = False
            self.query_one(Input).focus()
            self.say(fault)
        else:
            self.beneath.notify(fault, severity="error", markup=False)

    def say(self, line: str) -> None:
        self.query_one("#state", Static).update(line)
