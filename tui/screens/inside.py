"""Inside a trained network: what it takes for what, class by class, and the mistakes of which it is most sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, ItemGrid, Vertical, VerticalScroll
from textual.widgets import ProgressBar, Static

from store.records import Run, Step
from tui import insight, words
from tui.compare import model_name
from tui.insight import Examination
from tui.screens.base import AppScreen
from tui.widgets.matrix import ConfusionMatrix
from tui.widgets.picture import Picture

if TYPE_CHECKING:
    from trainer.evaluate import Evaluation, Mistake

OFTEN = 6  # kinds of mistakes that are named
WIDE = 150  # cells from which matrix and images stand side by side


class InsidePage(AppScreen):
    """Evaluates the best weights of its run when it is opened; leaving it ends that."""

    AUTO_FOCUS = "#mistakes"
    HELP = """
        ### Inside a network
        Its best weights on the test images. The table has a **row for each true class** and a column for what it was
        taken for, in images; the warmer, the more. At the right stands how many of the class were right. Below or
        beside it are the mistakes of which the network was most sure: `w` shows them where there is no room for both.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "wrong", "Images", id="wrong", tooltip="The images of the worst mistakes, or back to the table"),
        Binding("j,down", "scroll(1)", "Down", show=False, id="down", tooltip="Further down"),
        Binding("k,up", "scroll(-1)", "Up", show=False, id="up", tooltip="Further up"),
        Binding("pagedown,space", "scroll(19)", "Page down", show=False, id="page-down", tooltip="The next images"),
        Binding("pageup", "scroll(-19)", "Page up", show=False, id="page-up", tooltip="The images before"),
        Binding("escape,m", "back", "Back", key_display="esc", id="back", tooltip="Back to the run"),
    ]

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.subject = run
        self.examination: Examination | None = None
        self.images_wanted = False

    def compose_body(self) -> ComposeResult:
        yield Static(id="headline", markup=False)
        with Vertical(id="underway"):
            yield Static("Loading the weights and the test images …", id="doing", markup=False)
            yield ProgressBar(show_eta=False)
        with Horizontal(id="found"):
            with VerticalScroll(id="classes", can_focus=False):
                yield ConfusionMatrix()
                yield Static(id="often", markup=False)
            with VerticalScroll(id="mistakes"):
                yield ItemGrid(min_column_width=34, regular=True)

    def on_mount(self) -> None:
        name = f"{model_name(self.subject.model)}, run {self.subject.id}"
        self.query_one("#headline", Static).update(f"{name}: the weights of epoch {self.subject.best_epoch}")
        self.query_one("#found").display = False
        known = self.cifar.examined.get(self.key)
        if known is not None:
            self.call_after_refresh(self.show, known)
            return
        session, store, run = self.cifar.session, self.cifar.store, self.subject
        self.examination = Examination(self, lambda: insight.steps_of(session, store, run))
        self.examination.begin(self.tell, self.found, self.failed)

    def on_unmount(self) -> None:
        if self.examination is not None:
            self.examination.cancel()

    @property
    def key(self) -> tuple[str, int | None]:
        """What an evaluation stays true for."""
        return self.subject.id, self.subject.best_epoch

    def tell(self, step: Step) -> None:
        """How far it is."""
        self.query_one("#doing", Static).update(f"Looking at the test images: batch {step.step} of {step.steps}")
        self.query_one(ProgressBar).update(total=step.steps, progress=step.step)

    def failed(self, why: str) -> None:
        self.query_one("#doing", Static).update(why)
        self.query_one(ProgressBar).display = False

    def found(self, evaluation: Evaluation) -> None:
        self.cifar.examined[self.key] = evaluation
        self.show(evaluation)

    def show(self, evaluation: Evaluation) -> None:
        """Everything that was found."""
        wrong = evaluation.images - round(evaluation.accuracy * evaluation.images)
        name = f"{model_name(self.subject.model)}, run {self.subject.id}"
        data = "CIFAR-10" if evaluation.dataset == "cifar10" else "synthetic data"
        self.query_one("#headline", Static).update(
            f"{name}: {words.percent(evaluation.accuracy)} of {words.count(evaluation.images)} test images of {data}, "
            f"{words.several(wrong, 'mistake')}"
        )
        matrix = self.query_one(ConfusionMatrix)
        matrix.labels, matrix.confusion = evaluation.classes, evaluation.confusion
        often = [f"{count:5,}  {true} taken for {taken}" for true, taken, count in evaluation.mistakes(OFTEN)]
        self.query_one("#often", Static).update("\n".join(["Most often", *often]) if often else "")
        pictures = [Picture(mistake.pixels, in_words(mistake, evaluation.classes)) for mistake in evaluation.worst]
        self.query_one(ItemGrid).mount_all(pictures or [Static("There is no mistake.")])
        self.query_one("#underway").display = False
        self.query_one("#found").display = True
        self.lay_out()

    def on_resize(self) -> None:
        self.lay_out()

    def lay_out(self) -> None:
        """Table, images, or both."""
        wide = self.size.width >= WIDE
        self.query_one("#classes").display = wide or not self.images_wanted
        self.query_one("#mistakes").display = wide or self.images_wanted
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "wrong" or self.size.width < WIDE

    def action_wrong(self) -> None:
        self.images_wanted = not self.images_wanted
        self.lay_out()

    def action_scroll(self, by: int) -> None:
        self.query_one("#mistakes").scroll_relative(y=by, animate=False)


def in_words(mistake: Mistake, classes: tuple[str, ...]) -> list[str]:
    """The lines below an image."""
    return [
        f"{classes[mistake.true]}, image {mistake.place:,}",
        f"taken for {classes[mistake.predicted]}, {words.percent(mistake.confidence, 1)}",
    ]
