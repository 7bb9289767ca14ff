"""What can be done with marked runs besides training them: compare, label, delete, take away."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from store.records import Run
from tui import words
from tui.background import in_background
from tui.compare import model_name
from tui.screens.base import RunsScreen

if TYPE_CHECKING:
    from tui.screens.labels import Labels

NAMED = 5  # runs that a question names one by one


class MarkedScreen(RunsScreen):
    """A screen on which runs are marked; `chosen` are those that are meant."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "compare", "Compare", id="compare", tooltip="Curves and settings of the marked runs side by side"),
        Binding("t", "label", "Tags", id="label", tooltip="Tags and a note for the marked runs, or this one"),
        Binding(
            "e", "export", "Export", id="export", tooltip="Take away the marked runs, or this one: table, report …"
        ),
        Binding("d,delete", "delete", "Delete", id="delete", tooltip="Delete the marked runs, or this one"),
        Binding("u", "undo", "Undo", show=False, id="undo", tooltip="Bring back what was deleted last"),
    ]

    def chosen_runs(self) -> list[Run]:
        return [self.cifar.runs[id] for id in self.chosen() if id in self.cifar.runs]

    def action_compare(self) -> None:
        from tui.screens.comparison import ComparisonPage

        if len(ids := self.chosen()) > 1:
            self.app.push_screen(ComparisonPage(ids))
        else:
            self.notify("Mark two or more runs with space, then compare them.", severity="warning")

    def action_label(self) -> None:
        from tui.screens.labels import LabelDialog

        if self.queue_or_say_why() and (runs := self.chosen_runs()):
            self.app.push_screen(LabelDialog(runs), lambda labels: self.label(runs, labels))

    def label(self, runs: list[Run], labels: Labels | None) -> None:
        """Give runs their labels, which takes a write to the disk for each."""
        queue = self.cifar.queue
        if labels is None or queue is None:
            return

        def label_all() -> None:
            for run in runs:
                queue.label(run.id, labels.tags_of(run), labels.note_of(run))

        self.cifar.unfinished.append(in_background(self, "labelling", label_all))

    def action_export(self) -> None:
        from tui.screens.export import ExportDialog, offers_of_runs

        if ids := self.chosen():
            offers = offers_of_runs(self.cifar.session, self.cifar.store, ids)
            self.app.push_screen(ExportDialog(offers, self, words.several(len(ids), "run")))

    def action_delete(self) -> None:
        from tui.screens.confirm import ConfirmDialog

        if self.queue_or_say_why() is None or not (runs := self.chosen_runs()):
            return
        if busy := [run for run in runs if run.status in {"running", "queued"}]:
            names = words.listing([in_words(run) for run in busy[:NAMED]])
            self.notify(f"Stop what trains or waits before you delete it: {names}", severity="warning", markup=False)
            return
        lines = [f"{in_words(run)}: best {words.percent(run.best_accuracy)}" for run in runs[:NAMED]]
        if len(runs) > NAMED:
            lines.append(f"and {len(runs) - NAMED:,} more")
        lines += ["", "Until you leave the app, u brings them back, weights and curves and all."]
        question = ConfirmDialog(f"Delete {words.several(len(runs), 'run')}?", "\n".join(lines), "Delete")
        self.app.push_screen(question, lambda yes: self.cifar.delete([run.id for run in runs]) if yes else None)

    def action_undo(self) -> None:
        if self.queue_or_say_why():
            self.cifar.undo_delete()


def in_words(run: Run) -> str:
    return f"{model_name(run.model)} (run {run.id})"
