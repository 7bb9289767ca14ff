"""The page of a run: what it is, how its recipe differs, every epoch as numbers and as curves."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll

from store.records import Epoch, Run, Status
from tui import words
from tui.compare import model_name, published_accuracy, recipe_in_words, what_differs
from tui.details import details_of
from tui.screens.marked import MarkedScreen
from tui.widgets.curve import Curve
from tui.widgets.facts import Facts
from tui.widgets.table import Column, RecordTable

WIDE = 110  # cells from which the curves stand beside the epochs

COLUMNS: list[Column[Epoch]] = [
    Column("epoch", "Epoch", 5, lambda epoch, _: str(epoch.epoch), rank=0, justify="right"),
    Column("test", "Test acc.", 9, lambda epoch, _: words.percent(epoch.test_accuracy), rank=1, justify="right"),
    Column("test_loss", "Test loss", 9, lambda epoch, _: words.loss(epoch.test_loss), rank=3, justify="right"),
    Column("train", "Train acc.", 10, lambda epoch, _: words.percent(epoch.train_accuracy), rank=2, justify="right"),
    Column("train_loss", "Train loss", 10, lambda epoch, _: words.loss(epoch.train_loss), rank=4, justify="right"),
    Column("rate", "Rate", 8, lambda epoch, _: words.rate(epoch.learning_rate), rank=5, justify="right"),
    Column("time", "Time", 11, lambda epoch, _: words.seconds(epoch.seconds), rank=6, justify="right"),
]


class RunPage(MarkedScreen):
    """Follows its run while it trains."""

    AUTO_FOCUS = "RecordTable"
    HELP = """
        ### A run
        Facts, then its epochs, the newest first. `c` shows the curves where they do not stand beside the epochs, `i`
        everything else that is known: with what it ran, its whole recipe, its files. `m` looks inside its network:
        class by class, and its worst mistakes.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "curves", "Curves", id="curves", tooltip="Curves instead of the numbers, or both, or back"),
        Binding("m", "inside", "Mistakes", id="inside", tooltip="Class by class, what it takes for what, its mistakes"),
        Binding("i", "details", "Details", id="details", tooltip="Versions, files and all settings, or back"),
        Binding("l", "log", "Log", id="log", tooltip="What happened to this run, its log file included"),
        Binding("R", "again", "Again", show=False, id="again", tooltip="Train again from the start, as a new run"),
        Binding("e", "export", "Export", show=False, id="export", tooltip="Take away: table, report, weights, log …"),
        Binding("d,delete", "delete", "Delete", show=False, id="delete", tooltip="Delete this run"),
        Binding("escape", "back", "Back", id="back", tooltip="Back to where you came from"),
    ]

    def __init__(self, id: str) -> None:
        super().__init__()
        self.run_id = id
        self.curves_wanted = False  # where there is no room for both; as it was last time, once it is composed
        self.details_wanted = False
        self.status: Status | None = None

    def compose_body(self) -> ComposeResult:
        self.curves_wanted = self.cifar.remembered.get("run-curves", bool, False)
        yield Facts(id="facts")
        with Horizontal(id="epochs"):
            yield RecordTable[Epoch](COLUMNS, passive=True)
            with Vertical(id="curves"):
                yield Curve("accuracy in percent, by epoch", rises=True, id="accuracy")
                yield Curve("loss, by epoch", rises=False, id="loss")
        with VerticalScroll(id="details"):
            yield Facts(id="all-facts")

    def on_resize(self) -> None:
        # Else it is laid out when it is mounted, or has been left and is being taken apart.
        if self.is_mounted and self in self.app.screen_stack:
            self.lay_out()

    def lay_out(self) -> None:
        """Numbers, curves, or both; or everything else."""
        wide = self.size.width >= WIDE
        self.query_one("#details").display = self.details_wanted
        self.query_one("#epochs").display = not self.details_wanted
        curves = self.query_one("#curves")
        curves.display = wide or self.curves_wanted
        self.query_one(RecordTable).display = wide or not self.curves_wanted
        if curves.display:
            self.draw_curves()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only the keys that mean something for what this run is now."""
        run = self.cifar.runs.get(self.run_id)
        if run is None:
            return True
        match action:
            case "pause" | "stop":
                return run.status in {"running", "queued", "interrupted"} or (action, run.status) == ("stop", "paused")
            case "go_on":
                return run.status in {"paused", "stopped", "interrupted", "failed"}
        return action not in {"compare", "undo"}

    def update_body(self) -> None:
        run = self.cifar.runs.get(self.run_id)
        if run is None:  # it was deleted
            self.action_back()
            return
        if run.status != self.status:
            self.status = run.status
            self.refresh_bindings()
        epochs = self.cifar.epochs(self.run_id)
        self.query_one("#facts", Facts).facts = facts_of(run)
        self.query_one(RecordTable).show({str(epoch.epoch): epoch for epoch in reversed(epochs)})
        if self.details_wanted:
            self.query_one("#all-facts", Facts).facts = details_of(run, self.cifar.store.folder(run.id))
        self.lay_out()

    def draw_curves(self) -> None:
        epochs = self.cifar.epochs(self.run_id)
        self.query_one("#accuracy", Curve).show(
            {"test": [100 * e.test_accuracy for e in epochs], "train": [100 * e.train_accuracy for e in epochs]}
        )
        self.query_one("#loss", Curve).show(
            {"test": [e.test_loss for e in epochs], "train": [e.train_loss for e in epochs]}
        )

    def chosen(self) -> list[str]:
        return [self.run_id]

    def action_curves(self) -> None:
        self.curves_wanted = self.details_wanted or not self.curves_wanted
        self.details_wanted = False
        self.cifar.remember("run-curves", self.curves_wanted)
        self.lay_out()

    def action_details(self) -> None:
        self.details_wanted = not self.details_wanted
        self.update_body()
        self.query_one("#details" if self.details_wanted else RecordTable).focus()

    def action_inside(self) -> None:
        from tui.screens.inside import InsidePage

        if (run := self.cifar.runs.get(self.run_id)) is not None:
            self.app.push_screen(InsidePage(run))

    def action_log(self) -> None:
        from tui.screens.log import LogPage

        self.app.push_screen(LogPage(self.run_id))


def facts_of(run: Run) -> list[tuple[str, str]]:
    """What there is to know of a run besides its epochs."""
    published = published_accuracy(run)
    beside, reasons = "", ""
    if published is not None and run.best_accuracy is not None:
        beside = f" ({words.percent(published)} published, {words.difference(run.best_accuracy, published)})"
        reasons = ", ".join(what_differs(run))
    best = f"{words.percent(run.best_accuracy)} in epoch {run.best_epoch}" if run.best_epoch else words.NOTHING
    data = "CIFAR-10" if run.dataset == "cifar10" else "synthetic data, not CIFAR-10"
    facts = [
        ("model", f"{model_name(run.model)}, run {run.id}"),
        ("status", f"{words.status(run)}, {run.epochs_done} of {run.recipe.epochs} epochs"),
        ("recipe", f"{recipe_in_words(run.recipe)}, seed {run.seed}, {data}"),
        ("best", best + beside),
        ("differs in", reasons),
        ("last", words.percent(run.last_accuracy)),
        ("device", " · ".join(filter(None, [words.device(run), run.plan])) or words.NOTHING),
        ("time", f"{words.duration(run.seconds)}, {words.speed(run.images_per_second)}"),
        ("parameters", f"{words.count(run.params)} ({words.weights_size(run.params)})"),
    ]
    return [(name, text) for name, text in [*facts, ("error", run.error or ""), ("notice", run.notice or "")] if text]
