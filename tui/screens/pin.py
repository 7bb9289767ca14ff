"""Which device may train a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static

from tui.screens.dialog import Dialog

ANY = "any"  # the choice that leaves a run to every device


@dataclass(frozen=True, slots=True)
class Pin:
    """What was chosen: a device by its name, or any (None)."""

    device: str | None


def device_choices(devices: Mapping[str, str]) -> list[tuple[str, str]]:
    """What can be chosen, in words, and the name of each: any device first."""
    room = max(map(len, devices), default=0)
    return [("any device", ANY), *((f"{name.ljust(room)}  {words}".rstrip(), name) for name, words in devices.items())]


class PinDialog(Dialog[Pin]):
    """Returns the device that alone may train some runs, or any."""

    HELP = """
        A run that is **pinned** waits until its device is free; the other devices pass it by, and it holds up no
        other run. **Enter** chooses, **escape** leaves it as it was.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Choose", priority=True, id="confirm", tooltip="Pin to this device"),
        Binding("j", "move(1)", "Down", show=False, id="down", tooltip="The next device"),
        Binding("k", "move(-1)", "Up", show=False, id="up", tooltip="The device before"),
    ]

    def __init__(self, title: str, devices: Mapping[str, str], chosen: str | None) -> None:
        super().__init__()
        self.box_title, self.choices, self.chosen = title, device_choices(devices), chosen or ANY

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="-small") as box:
            box.border_title = self.box_title.replace("[", "\\[")
            box.border_subtitle = "enter choose · esc cancel"
            yield OptionList(*(label for label, _ in self.choices), compact=True, markup=False)
            yield Static("A pinned run waits for its device.", classes="remark", markup=False)

    def on_mount(self) -> None:
        names = [name for _, name in self.choices]
        self.query_one(OptionList).highlighted = names.index(self.chosen) if self.chosen in names else 0

    def action_choose(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None:
            name = self.choices[place][1]
            self.dismiss(Pin(None if name == ANY else name))

    @on(OptionList.OptionSelected)
    def clicked(self) -> None:
        self.action_choose()

    def action_move(self, by: int) -> None:
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if by > 0 else choices.action_cursor_up()
