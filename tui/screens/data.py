"""Offered when the images are missing: download them, import them, or train on made-up ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, OptionList, ProgressBar, Static
from textual.widgets.option_list import Option

from store.errors import Problem
from trainer.source import Source, import_from
from tui import words
from tui.background import in_background
from tui.screens.dialog import Dialog
from tui.widgets.line import Line

BETWEEN_DRAWS = 0.1  # seconds


class Cancelled(Problem):
    """The user does not want to wait."""


class DataDialog(Dialog[Source]):
    """Returns where the images are once they are there."""

    HELP = "The real CIFAR-10 is not on this computer yet. Choose one of the three ways; **escape** goes back."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "move(1)", "Down", show=False, id="down", tooltip="The next way"),
        Binding("k", "move(-1)", "Up", show=False, id="up", tooltip="The way before"),
    ]

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.cancelled = Event()
        self.last_draw = 0.0

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = "The images are missing"
            box.border_subtitle = "enter choose · esc cancel · f1 help"
            yield Static(f"CIFAR-10 is not in {self.source.folder}, or not whole.", id="why", markup=False)
            yield OptionList(
                Option("Download it (170 MB, checked, goes on where it was cut off)", id="download"),
                Option("Import a tar.gz or a folder of this computer", id="import"),
                Option("Train on synthetic data: made in seconds, but not CIFAR-10", id="synthetic"),
                compact=True,
            )
            yield Line(placeholder="path of cifar-10-python.tar.gz or cifar-10-batches-py", compact=True)
            yield ProgressBar(show_eta=False)
            yield Static(id="state", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).display = False
        self.query_one(ProgressBar).display = False
        self.query_one(OptionList).focus()

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        match event.option.id:
            case "download":
                self.work("download", self.download)
            case "import":
                self.query_one(Input).display = True
                self.query_one(Input).focus()
            case _:
                self.dismiss(Source("synthetic"))

    @on(Input.Submitted)
    def begin_import(self, event: Input.Submitted) -> None:
        path = Path(event.value.strip()).expanduser()
        if event.value.strip():
            self.work("import", lambda: import_from(path, self.source, partial(self.progress, "imported")))

    def download(self) -> object:
        from trainer.download import download

        unpacking = partial(self.progress, "unpacked")
        return download(self.source, progress=partial(self.progress, "downloaded"), unpacking=unpacking, say=self.say)

    def say(self, line: str) -> None:
        """Called in the thread: a mirror failed, the next is tried."""
        self.call_later(self.query_one("#state", Static).update, line)

    def work(self, name: str, act: Callable[[], object]) -> None:
        """Fetch the images in a thread, and show how far it is."""
        self.cancelled = Event()
        self.query_one(OptionList).disabled = self.query_one(Input).disabled = True
        self.query_one(ProgressBar).display = True
        self.query_one("#state", Static).update(f"{name} begins …")

        def guarded() -> str | None:
            try:
                act()
            except Cancelled:
                return None
            except (Problem, OSError) as problem:
                return str(problem)
            return ""

        in_background(self, name, guarded, self.worked)

    def progress(self, what: str, done: int, total: int) -> None:
        """Called in the thread."""
        if self.cancelled.is_set():
            raise Cancelled("cancelled")
        if monotonic() - self.last_draw > BETWEEN_DRAWS or done == total:
            self.last_draw = monotonic()
            self.call_later(self.draw_progress, what, done, total)

    def draw_progress(self, what: str, done: int, total: int) -> None:
        self.query_one(ProgressBar).update(total=total, progress=done)
        self.query_one("#state", Static).update(f"{words.size(done)} of {words.size(total)} {what}")

    def worked(self, fault: str | None) -> None:
        """The thread has ended: with nothing wrong, with a fault, or (None) because it was to."""
        if fault == "":
            self.dismiss(self.source)
            return
        self.query_one(ProgressBar).display = False
        self.query_one("#state", Static).update(fault or "Cancelled. A later download goes on from here.")
        path, ways = self.query_one(Input), self.query_one(OptionList)
        path.disabled = ways.disabled = False
        (path if path.display else ways).focus()

    def action_move(self, by: int) -> None:
        ways = self.query_one(OptionList)
        ways.action_cursor_down() if by > 0 else ways.action_cursor_up()

    def action_cancel(self) -> None:
        """First what is under way, then the dialog."""
        if self.query_one(OptionList).disabled:
            self.cancelled.set()
        else:
            self.dismiss(None)
