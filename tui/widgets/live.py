"""A run that trains, as a card: how far it is, how well it does, how long it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from store.records import Epoch, Run, Step
from tui import progress, words
from tui.compare import model_name, recipe_in_words
from tui.widgets.chart import line_chart

LOWEST_CHART = 5  # lines that a curve and its name need at least; below, little bars in one line tell it
BLOCKS = "▁▂▃▄▅▆▇█"
PHASES = {"prepare": "preparing", "train": "training", "test": "testing"}


LOWEST_CARD = 5  # lines of a card with a border: three of them tell something
LOW_CARD, HIGH_CARD = 7, 18  # lines of a card on a low screen, and on a tall one, where its curves are drawn
CURVED_CARD = 12  # lines that curves need at least
CARD_WIDTH = 76  # cells; as many cards stand side by side as there is room for
TALL = 40  # lines of a screen
SHARE = 0.65  # of the screen's lines that cards may take


def card_height(number: int, width: int, height: int) -> int:
    """The lines of each of so many cards on a screen of this size, so that all of them are seen if that can be."""
    rows = math.ceil(max(number, 1) / max(width // (CARD_WIDTH + 1), 1))
    room = int(SHARE * (height - 2)) // rows  # without the first line and the last
    if LOW_CARD < room < CURVED_CARD:
        return LOW_CARD
    return max(2, min(room, HIGH_CARD if height >= TALL else LOW_CARD))


def sparkline(values: Sequence[float], width: int) -> str:
    """The newest values as little bars between the lowest and the highest; long histories are thinned out."""
    if len(values) > width:
        values = [values[round(place * (len(values) - 1) / max(width - 1, 1))] for place in range(width)]
    if not values:
        return ""
    low, high = min(values), max(values)
    reach = (high - low) or 1.0
    return "".join(BLOCKS[min(7, int(8 * (value - low) / reach))] for value in values)


class LiveCard(Widget, can_focus=True):
    """Draws one run and the step it is in."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "live--name",
        "live--label",
        "live--value",
        "live--done",
        "live--rest",
        "live--loss",
        "live--accuracy",
    }
    HELP = """
        ### A run that trains
        The upper bar is the whole run, the lower one the current epoch. **best** is the best test accuracy so far,
        **last** that of the last finished epoch.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="open", tooltip="Open the page of this run"),
        Binding("up,k", "leave(-1)", "Up", show=False, id="up", tooltip="To the card above"),
        Binding(
            "down,j", "leave(1)", "Down", show=False, id="down", tooltip="To the card below, or to the runs that wait"
        ),
    ]

    run_id = ""
    trained: Step | None = None  # the last step of training; it still counts while the epoch is tested
    run: reactive[Run | None] = reactive[Run | None](None)
    step: reactive[Step | None] = reactive[Step | None](None)

    class Opened(Message):
        """The page of a run is asked for."""

        def __init__(self, id: str) -> None:
            super().__init__()
            self.run_id = id

    class Left(Message):
        """The focus is to move up (-1) or down (+1) from this card."""

        def __init__(self, card: LiveCard, by: int) -> None:
            super().__init__()
            self.card, self.by = card, by

    def __init__(self, run: Run, step: Step | None, epochs: Callable[[], list[Epoch]], elsewhere: bool) -> None:
        """`elsewhere`: it trains in another process, which tells of epochs alone."""
        super().__init__()
        self.elsewhere = elsewhere
        self.epochs: list[Epoch] = []
        self.show(run, step, epochs)

    def show(self, run: Run, step: Step | None, epochs: Callable[[], list[Epoch]]) -> None:
        """Draw another snapshot, or another run. `epochs` reads its finished epochs, when there are new ones."""
        if run.id != self.run_id or len(self.epochs) != run.epochs_done:
            self.epochs = epochs()
        if run.id != self.run_id:
            self.trained = None
        if step is not None and step.phase == "train":
            self.trained = step
        self.run_id = run.id
        self.run, self.step = run, step
        self.border_title = " · ".join(self._names(run)).replace("[", "\\[")
        self.border_subtitle = words.device(run).replace("[", "\\[")

    def action_open(self) -> None:
        self.post_message(self.Opened(self.run_id))

    def action_leave(self, by: int) -> None:
        self.post_message(self.Left(self, by))

    def on_click(self) -> None:
        self.focus()

    def render(self) -> Content:
        run, step = self.run, self.step
        if run is None:
            return Content("")
        width, height = self.size.width, self.size.height
        whole, epoch = self._bars(run, step, width)
        lines = [whole, self._numbers(run), self._times(run, step)]
        if not self.styles.border_top[0]:
            lines.insert(0, self._headline(run, step, width))
        elif height > len(lines):
            lines.insert(1, epoch)
            rest = height - len(lines)
            lines += self._charts(width, rest - 1) if rest > LOWEST_CHART else [self._curves(width)]
        return Content("\n").join(line.truncate(width, ellipsis=True) for line in lines[:height])

    def _names(self, run: Run) -> list[str]:
        return [f"▶ {model_name(run.model)}", recipe_in_words(run.recipe), f"seed {run.seed}", run.id]

    def _headline(self, run: Run, step: Step | None, width: int) -> Content:
        """What the border would tell, where there is no room for one: and how well it does, and how long it takes."""
        speed = self.trained.images_per_second if self.trained else run.images_per_second
        best, left = words.percent(run.best_accuracy), words.time_left(progress.left(run, step, speed))
        told = f"best {best}   left {left}   {run.device_id}"
        name, *rest = self._names(run)
        names = self._part(name, "name") + self._part(" · " + " · ".join(rest), "label")
        room = max(width - len(told) - 2, 0)
        return names.truncate(room, ellipsis=True, pad=True) + "  " + self._part(told, "value")

    def _bars(self, run: Run, step: Step | None, width: int) -> list[Content]:
        number = min(run.epochs_done + 1, run.recipe.epochs)
        upper = f"epoch {number} of {run.recipe.epochs}"
        if step is None or step.phase == "prepare":
            lower, share = "preparing …" if step else "in another process" if self.elsewhere else "beginning …", 0.0
        else:
            lower, share = f"{PHASES[step.phase]} {step.step} of {step.steps}", step.step / max(step.steps, 1)
        room = max(len(upper), len(lower), 20)
        bars = ((upper, progress.share(run, step)), (lower, share))
        return [self._bar(label.ljust(room + 1), filled, width - room - 1) for label, filled in bars]

    def _bar(self, label: str, share: float, width: int) -> Content:
        percent = f" {words.percent(share, digits=0):>4}"
        halves = int(2 * max(width - len(percent), 4) * share)
        full, half = divmod(halves, 2)
        rest = max(width - len(percent), 4) - full - half
        return Content.assemble(
            self._part(label, "label"),
            self._part("━" * full + "╸" * half, "done"),
            self._part("─" * rest, "rest"),
            self._part(percent, "value"),
        )

    def _numbers(self, run: Run) -> Content:
        best = words.percent(run.best_accuracy)
        return self._pairs(
            ("loss", words.loss(self.trained.loss if self.trained else None)),
            ("accuracy", words.percent(self.trained.accuracy if self.trained else None)),
            ("best", f"{best} in epoch {run.best_epoch}" if run.best_epoch else best),
            ("last", words.percent(run.last_accuracy)),
        )

    def _times(self, run: Run, step: Step | None) -> Content:
        speed = self.trained.images_per_second if self.trained else run.images_per_second
        rate = self.epochs[-1].learning_rate if self.epochs else run.recipe.learning_rate
        left = progress.left(run, step, speed)
        return self._part(words.speed(speed) + "   ", "value") + self._pairs(
            ("lr", words.rate(rate)),
            ("elapsed", words.time_left(progress.elapsed(run, step, speed))),
            ("left", words.time_left(left)),
            ("ends", progress.end(left)),
        )

    def _curves(self, width: int) -> Content:
        """Test accuracy and training loss of the finished epochs."""
        if len(self.epochs) < 2:
            return self._part("curves begin after two epochs", "label")
        label, other = "test accuracy ", "   train loss "
        room = max((width - len(label) - len(other)) // 2, 4)
        return Content.assemble(
            self._part(label, "label"),
            self._part(sparkline([epoch.test_accuracy for epoch in self.epochs], room), "accuracy"),
            self._part(other, "label"),
            self._part(sparkline([epoch.train_loss for epoch in self.epochs], room), "loss"),
        )

    def _charts(self, width: int, height: int) -> list[Content]:
        """The same as larger curves side by side, under their names. The last point of the loss is that of now."""
        losses = [epoch.train_loss for epoch in self.epochs]
        if self.trained and self.trained.loss is not None and self.trained.epoch > len(self.epochs):
            losses.append(self.trained.loss)
        if len(losses) < 2:
            return [self._part("curves begin after the first epoch", "label")]
        half = (width - 2) // 2
        accuracies = [epoch.test_accuracy for epoch in self.epochs]
        left = self._chart("test accuracy", accuracies, words.percent, "accuracy", half, height)
        right = self._chart("train loss", losses, words.loss, "loss", half, height)
        return [one.pad_right(half + 2 - one.cell_length) + other for one, other in zip(left, right, strict=True)]

    def _chart(
        self, name: str, values: list[float], written: Callable[[float], str], part: str, width: int, height: int
    ) -> list[Content]:
        """A curve, with its highest and lowest value at its left."""
        high, low = written(max(values)), written(min(values))
        room = max(len(high), len(low))
        labels = [high.rjust(room), *[" " * room] * (height - 2), low.rjust(room)]
        lines = line_chart(values, width - room - 1, height)
        chart = [
            self._part(f"{label} ", "label") + self._part(line, part) for label, line in zip(labels, lines, strict=True)
        ]
        return [self._part(f"{' ' * room} {name}, epochs 1 to {len(values)}", "label"), *chart]

    def _pairs(self, *pairs: tuple[str, str]) -> Content:
        parts = [self._part(f"{label} ", "label") + self._part(value, "value") for label, value in pairs]
        return Content("   ").join(parts)

    def _part(self, text: str, part: str) -> Content:
        return Content.styled(text, self.get_visual_style(f"live--{part}"))
