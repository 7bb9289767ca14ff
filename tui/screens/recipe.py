"""The form in which one chooses how to train: a preset, each of its fields, and the number of seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import DescendantBlur, DescendantFocus
from textual.widgets import Button, Input, Label, Select, Static

from store.errors import UsageProblem
from store.records import Recipe
from trainer.recipes import FIELDS, PRESETS, changed, expected
from tui import words
from tui.compare import model_name, recipe_in_words
from tui.screens.dialog import Dialog

MOST_SEEDS = 1000


@dataclass(frozen=True)
class Choice:
    """What the form was answered with."""

    recipe: Recipe
    seeds: int


class FieldRow(Horizontal):
    """One setting: its name, its value as text, and what is wrong with it or what the preset says."""

    def __init__(self, field: str, label: str, value: str) -> None:
        super().__init__()
        self.field, self.label, self.value = field, label, value

    def compose(self) -> ComposeResult:
        yield Label(self.label, classes="field")
        yield Input(self.value, compact=True, name=self.field)
        yield Static(classes="remark", markup=False)

    @property
    def hint(self) -> str:
        """What the field can be, while one stands in it."""
        return expected(self.field) if self.has_focus_within and self.field in FIELDS else ""

    def say(self, remark: str, wrong: bool = False) -> None:
        self.set_class(wrong, "-wrong")
        self.set_class(bool(remark) and not wrong, "-changed")
        self.query_one(".remark", Static).update(remark or self.hint)


class RecipeDialog(Dialog[Choice]):
    """Every field is checked as one types; a recipe that cannot be is not queued."""

    HELP = (
        "Each line is a setting of the recipe. **Enter** queues, **escape** goes back, **tab** goes to the next line."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "queue", "Queue", tooltip="Queue the chosen networks with this recipe"),
        Binding("down", "app.focus_next", "Next", show=False, tooltip="To the next line"),
        Binding("up", "app.focus_previous", "Previous", show=False, tooltip="To the line before"),
    ]

    def __init__(self, models: list[str]) -> None:
        super().__init__()
        self.models = models
        self.recipe: Recipe | None = Recipe()
        self.seeds: int | None = 1

    def compose(self) -> ComposeResult:
        first = model_name(self.models[0])
        title = f"Train {first}" if len(self.models) == 1 else f"Train {first} and {len(self.models) - 1} more"
        with Vertical(id="box") as box:
            box.border_title = title.replace("[", "\\[")
            box.border_subtitle = "enter queue · tab next · esc cancel"
            with VerticalScroll(id="fields", can_focus=False):
                with Horizontal():
                    yield Label("preset", classes="field")
                    yield Select(
                        [(name, name) for name in PRESETS], value=Recipe().name, allow_blank=False, compact=True
                    )
                yield FieldRow("seeds", "seeds", "1")
                for field in FIELDS:
                    yield FieldRow(field, field.replace("_", " "), in_text(getattr(Recipe(), field)))
            yield Static(id="sum", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Queue", variant="primary", compact=True, id="queue")
                yield Button("Cancel", compact=True, id="cancel")

    def on_mount(self) -> None:
        self.query_one("FieldRow Input", Input).focus()
        self.check()

    @property
    def preset(self) -> Recipe:
        return PRESETS[str(self.query_one(Select).value)]

    @on(Select.Changed)
    def fill_in(self) -> None:
        """A preset was chosen: its values go into the fields."""
        for row in self.query(FieldRow):
            if row.field in FIELDS:
                row.query_one(Input).value = in_text(getattr(self.preset, row.field))

    @on(DescendantFocus)
    @on(DescendantBlur)
    @on(Input.Changed)
    def check(self) -> None:
        """Check every field, say what is wrong, and add up what would be queued."""
        recipe: Recipe = self.preset
        faults = 0
        for row in self.query(FieldRow):
            text = row.query_one(Input).value
            if row.field == "seeds":
                self.seeds = int(text) if text.isdecimal() and 1 <= int(text) <= MOST_SEEDS else None
                numbers = "seed 0" if self.seeds == 1 else f"seeds 0 to {(self.seeds or 1) - 1}"
                row.say(numbers if self.seeds else f"a whole number from 1 to {MOST_SEEDS:,}", wrong=not self.seeds)
                faults += not self.seeds
                continue
            try:
                recipe = changed(recipe, {row.field: text})
            except UsageProblem:
                row.say(expected(row.field), wrong=True)
                faults += 1
            else:
                before = getattr(self.preset, row.field)
                same = getattr(recipe, row.field) == before
                row.say("" if same else f"{self.preset.name}: {in_text(before)}")
        self.recipe = None if faults else recipe
        self.sum_up(faults)

    def sum_up(self, faults: int) -> None:
        ready = self.recipe is not None and self.seeds is not None
        self.query_one("#queue", Button).disabled = not ready
        if self.recipe is None or self.seeds is None:
            self.query_one("#sum", Static).update(f"{words.several(faults, 'field')} to mend")
        else:
            number = words.several(len(self.models) * self.seeds, "run")
            self.query_one("#sum", Static).update(f"{number}: {recipe_in_words(self.recipe)}")

    @on(Input.Submitted)
    @on(Button.Pressed, "#queue")
    def action_queue(self) -> None:
        if self.recipe is not None and self.seeds is not None:
            self.dismiss(Choice(self.recipe, self.seeds))

    @on(Button.Pressed, "#cancel")
    def cancel_pressed(self) -> None:
        self.dismiss(None)


def in_text(value: object) -> str:
    """A value as it is typed: `none`, `true`, `0.0005`."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
