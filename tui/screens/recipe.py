"""The form in which one chooses how to train: a preset, each of its fields, and the number of seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import DescendantBlur, DescendantFocus
from textual.widgets import Button, Input, Label, Select, Static

from store.errors import UsageProblem
from store.records import Recipe
from trainer.estimate import Paces
from trainer.recipes import FIELDS, PRESETS, changed, expected
from tui import words
from tui.compare import changes, model_name, recipe_in_words, written
from tui.estimate import together
from tui.screens.dialog import Dialog
from tui.screens.pin import ANY, device_choices
from tui.widgets.line import Line, Lines

MOST_SEEDS = 1000
LAST_SEED = 2**31  # far more than anyone needs, and short enough to read


@dataclass(frozen=True)
class Choice:
    """What the form was answered with."""

    recipe: Recipe
    seeds: range
    pinned_to: str | None = None  # the only device that may train them


class FieldRow(Horizontal):
    """One setting: its name, its value as text, and what is wrong with it or what the preset says."""

    def __init__(self, field: str, label: str, value: str) -> None:
        super().__init__()
        self.field, self.label, self.value = field, label, value

    def compose(self) -> ComposeResult:
        yield Label(self.label, classes="field")
        yield Line(self.value, compact=True, name=self.field)
        yield Static(classes="remark", markup=False)

    @property
    def hint(self) -> str:
        """What the field can be, while one stands in it."""
        if not self.has_focus_within:
            return ""
        return {"seeds": "how many runs of each network", **{field: expected(field) for field in FIELDS}}.get(
            self.field, "they count on from it"
        )

    @property
    def text(self) -> str:
        """What stands in the field."""
        return self.query_one(Input).value.strip()

    def say(self, remark: str, wrong: bool = False, quiet: bool = False) -> None:
        """What there is to say: what is `wrong`, what was changed, or a `quiet` word."""
        self.set_class(wrong, "-wrong")
        self.set_class(bool(remark) and not wrong and not quiet, "-changed")
        self.query_one(".remark", Static).update(remark or self.hint)


class RecipeDialog(Dialog[Choice]):
    """Every field is checked as one types; a recipe that cannot be is not queued."""

    HELP = (
        "Each line is a setting of the recipe. **Enter** queues, **escape** goes back, **tab** goes to the next line."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "queue", "Queue", id="confirm", tooltip="Queue the chosen networks with this recipe"),
        Binding("down", "app.focus_next", "Next", show=False, id="next", tooltip="To the next line"),
        Binding("ctrl+r", "preset", "Preset again", show=False, id="preset", tooltip="Undo every change of the preset"),
        Binding("up", "app.focus_previous", "Previous", show=False, id="previous", tooltip="To the line before"),
    ]

    def __init__(self, models: list[str], paces: Paces, devices: Mapping[str, str]) -> None:
        """`devices` of the session train side by side: what runs call them, by name."""
        super().__init__()
        self.models, self.paces, self.devices = models, paces, devices
        self.recipe: Recipe | None = Recipe()
        self.seeds: range | None = range(1)

    def compose(self) -> ComposeResult:
        first = model_name(self.models[0])
        title = f"Train {first}" if len(self.models) == 1 else f"Train {first} and {len(self.models) - 1} more"
        with Vertical(id="box") as box:
            box.border_title = title.replace("[", "\\[")
            box.border_subtitle = "enter queue · tab next · ctrl+r preset again · esc cancel · f1 help"
            with Lines(id="fields"):
                with Horizontal():
                    yield Label("preset", classes="field")
                    yield Select(
                        [(name, name) for name in PRESETS],
                        value=Recipe().name,
                        allow_blank=False,
                        compact=True,
                        id="presets",
                    )
                yield Static(id="preset", markup=False)
                yield FieldRow("seeds", "seeds", "1")
                yield FieldRow("first_seed", "first seed", "0")
                if len(self.devices) > 1:
                    with Horizontal():
                        yield Label("device", classes="field")
                        yield Select(
                            device_choices(self.devices), value=ANY, allow_blank=False, compact=True, id="device"
                        )
                for field in FIELDS:
                    yield FieldRow(field, field.replace("_", " "), in_text(getattr(Recipe(), field)))
            yield Static(id="sum", markup=False)
            yield Static(id="time", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Queue", variant="primary", compact=True, id="queue")
                yield Button("Cancel", compact=True, id="cancel")

    def on_mount(self) -> None:
        self.query_one("FieldRow Input", Input).focus()
        self.check()

    @property
    def preset(self) -> Recipe:
        return PRESETS[str(self.query_one("#presets", Select).value)]

    @property
    def pin(self) -> str | None:
        """The device that alone may train, if one was chosen."""
        chosen = str(self.query_one("#device", Select).value) if self.query("#device") else ANY
        return None if chosen == ANY else chosen

    @on(Select.Changed, "#presets")
    def fill_in(self) -> None:
        """A preset was chosen: its values go into the fields."""
        for row in self.query(FieldRow):
            if row.field in FIELDS:
                row.query_one(Input).value = in_text(getattr(self.preset, row.field))

    @on(DescendantFocus)
    @on(DescendantBlur)
    @on(Input.Changed)
    @on(Select.Changed, "#device")
    def check(self) -> None:
        """Check every field, say what is wrong, and add up what would be queued."""
        rows = {row.field: row for row in self.query(FieldRow)}
        faults = self.check_seeds(rows["seeds"], rows["first_seed"])
        recipe: Recipe = self.preset
        for field in FIELDS:
            row, before = rows[field], getattr(self.preset, field)
            try:
                recipe = changed(recipe, {field: row.text})
            except UsageProblem:
                row.say(expected(field), wrong=True)
                faults += 1
            else:
                row.say("" if getattr(recipe, field) == before else f"{self.preset.name}: {in_text(before)}")
        self.recipe = None if faults else recipe
        self.query_one("#preset", Static).update(describe(self.preset))
        self.sum_up(faults)

    def check_seeds(self, number: FieldRow, first: FieldRow) -> int:
        """How many of the two are wrong."""
        several = int(number.text) if number.text.isdecimal() and 1 <= int(number.text) <= MOST_SEEDS else None
        begin = int(first.text) if first.text.isdecimal() and int(first.text) <= LAST_SEED else None
        self.seeds = range(begin, begin + several) if several is not None and begin is not None else None
        number.say("" if several else f"a whole number from 1 to {MOST_SEEDS:,}", wrong=not several)
        first.say("" if begin is not None else f"a whole number from 0 to {LAST_SEED:,}", wrong=begin is None)
        if self.seeds and not number.hint:
            one = len(self.seeds) == 1
            number.say(f"seed {self.seeds[0]}" if one else f"seeds {self.seeds[0]} to {self.seeds[-1]}", quiet=True)
        return (several is None) + (begin is None)

    def sum_up(self, faults: int) -> None:
        """What would be queued, and how long it would take."""
        ready = self.recipe is not None and self.seeds is not None
        self.query_one("#queue", Button).disabled = not ready
        if self.recipe is None or self.seeds is None:
            self.query_one("#sum", Static).update(f"{words.several(faults, 'field')} to mend")
            self.query_one("#time", Static).update("")
            return
        number = words.several(len(self.models) * len(self.seeds), "run")
        self.query_one("#sum", Static).update(f"{number}: {recipe_in_words(self.recipe)}")
        self.query_one("#time", Static).update(self.time_in_words(self.recipe, len(self.seeds)))

    def time_in_words(self, recipe: Recipe, seeds: int) -> str:
        """How long all runs will take, as far as that is known."""
        each = [self.paces.run(model, recipe) for model in self.models]
        known = [estimate for estimate in each if estimate is not None]
        if not known:
            return "how long that takes is known after a first run on this device"
        devices = list(self.devices) if self.pin is None else [self.pin]
        side_by_side = min(len(devices), len(known) * seeds)
        each_run = [estimate for estimate in known for _ in range(seeds)]
        whole = together(sorted(each_run, key=lambda one: -one.seconds), devices)
        parts = [f"about {words.time_left(whole.seconds)} in all"]
        if side_by_side > 1:
            parts.append(f"on {side_by_side} devices")
        if not whole.measured:
            parts.append("guessed from other networks")
        if len(known) < len(each):
            parts.append(f"{words.several(len(each) - len(known), 'network')} of unknown size not counted")
        return ", ".join(parts)

    def action_preset(self) -> None:
        """Undo every change."""
        self.fill_in()

    @on(Input.Submitted)
    @on(Button.Pressed, "#queue")
    def action_queue(self) -> None:
        if self.recipe is not None and self.seeds is not None:
            self.dismiss(Choice(self.recipe, self.seeds, self.pin))

    @on(Button.Pressed, "#cancel")
    def cancel_pressed(self) -> None:
        self.dismiss(None)


def describe(preset: Recipe) -> str:
    """A preset in one line: its own words, else what it changes in the published recipe."""
    if preset == PRESETS["published"]:
        return "as the published table: 200 epochs"
    return ", ".join(written(name, value) for name, (_, value) in changes(preset, PRESETS["published"]).items())


def in_text(value: object) -> str:
    """A value as it is typed: `none`, `true`, `0.0005`."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
