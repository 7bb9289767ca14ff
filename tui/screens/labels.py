"""The user's own words for runs: tags to find them by, and a line to remember."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Label, Static

from store.records import Run
from tui import words
from tui.screens.dialog import Dialog
from tui.widgets.line import Line

MOST_LETTERS = 200  # of a note, which is one line


@dataclass(frozen=True, slots=True)
class Labels:
    """What is to become of the labels of some runs."""

    add: tuple[str, ...]
    remove: tuple[str, ...]
    note: str | None  # None: each keeps its own

    def tags_of(self, run: Run) -> tuple[str, ...]:
        """The run's tags afterwards, in the order in which they came."""
        kept = [tag for tag in run.tags if tag not in self.remove]
        return tuple(dict.fromkeys([*kept, *self.add]))

    def note_of(self, run: Run) -> str:
        return run.note if self.note is None else self.note


def tags_in(text: str) -> list[str]:
    """`wd, seed-study` → its two tags: words, with spaces or commas between them."""
    return list(dict.fromkeys(word.lstrip("#") for word in re.split(r"[\s,]+", text) if word.lstrip("#")))


class LabelDialog(Dialog[Labels]):
    """Shows what all of the runs have in common; what is taken away or added is so for each of them."""

    HELP = """
        **Tags** are words by which the filter finds runs: `tag:baseline`. Of several runs, those that all have are
        shown. A **note** is one line for yourself. **Enter** keeps both, **escape** changes nothing.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", show=False, id="next", tooltip="To the next line"),
        Binding("up", "app.focus_previous", "Previous", show=False, id="previous", tooltip="To the line before"),
    ]

    def __init__(self, runs: Sequence[Run]) -> None:
        super().__init__()
        self.runs = runs
        self.common = [tag for tag in runs[0].tags if all(tag in run.tags for run in runs)]
        notes = {run.note for run in runs}
        self.note = notes.pop() if len(notes) == 1 else None

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = f"Tags and note of {words.several(len(self.runs), 'run')}"
            box.border_subtitle = "enter keep · esc cancel · f1 help"
            with Horizontal(classes="line"):
                yield Label("tags", classes="field")
                yield Line(
                    " ".join(self.common), placeholder="words, with spaces between them", compact=True, id="tags"
                )
            with Horizontal(classes="line"):
                yield Label("note", classes="field")
                yield Line(
                    self.note or "",
                    placeholder="one line"
                    if self.note is not None
                    else "each has its own; written here, it is for all",
                    max_length=MOST_LETTERS,
                    compact=True,
                    id="note",
                )
            yield Static("Find them again with the filter: tag:word", classes="remark", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Keep", variant="primary", compact=True, id="keep")
                yield Button("Cancel", compact=True, id="cancel")

    @on(Input.Submitted)
    @on(Button.Pressed, "#keep")
    def keep(self) -> None:
        tags = tags_in(self.query_one("#tags", Input).value)
        note = self.query_one("#note", Input).value.strip()
        self.dismiss(
            Labels(
                add=tuple(tag for tag in tags if tag not in self.common),
                remove=tuple(tag for tag in self.common if tag not in tags),
                note=None if self.note is None and not note else note,
            )
        )

    @on(Button.Pressed, "#cancel")
    def cancel_pressed(self) -> None:
        self.dismiss(None)
