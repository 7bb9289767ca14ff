"""The line at the bottom: the keys of what has the focus. One widget, drawn at once; each key can be clicked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.screen import Screen
from textual.style import Style
from textual.widget import Widget

ALWAYS = ("help", "quit")  # actions whose keys stand at the end and are shown however narrow it is


@dataclass(frozen=True, slots=True)
class Hint:
    """A key and what it does."""

    action: str
    keys: tuple[tuple[str, str], ...]  # the key's name and how it is shown; several for a group
    label: str
    tooltip: str
    enabled: bool

    @property
    def width(self) -> int:
        """Cells."""
        return sum(len(shown) for _, shown in self.keys) + 1 + len(self.label)


class KeyLine(Widget, can_focus=False):
    """As many keys as fit."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--label", "keys--off"}
    ALLOW_SELECT = False

    hints: reactive[tuple[Hint, ...]] = reactive[tuple[Hint, ...]](())

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self.bindings_changed)

    def bindings_changed(self, screen: Screen[object]) -> None:
        if self.is_attached and screen is self.screen:
            self.hints = hints_of(screen)

    @property
    def shown(self) -> list[Hint]:
        """The hints that fit, in their order."""
        last = [hint for hint in self.hints if hint.action in ALWAYS]
        first = [hint for hint in self.hints if hint.action not in ALWAYS]
        while first and sum(hint.width + 1 for hint in first + last) > self.size.width + 1:
            first.pop()
        return first + last

    def render(self) -> Content:
        line = Content("")
        for hint in self.shown:
            key, label = ("key", "label") if hint.enabled else ("off", "off")
            for name, shown in hint.keys:
                style = self.get_visual_style(f"keys--{key}") + Style.from_meta(
                    {"@click": f"app.simulate_key({name!r})"}
                )
                line += Content.styled(shown, style)
            click = Style.from_meta({"@click": f"app.simulate_key({hint.keys[0][0]!r})"})
            line += Content.styled(f" {hint.label}", self.get_visual_style(f"keys--{label}") + click) + Content(" ")
        return line

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The tooltip is that of the key under the mouse."""
        place, tooltip = 0, None
        for hint in self.shown:
            if place <= event.x < place + hint.width:
                tooltip = hint.tooltip
            place += hint.width + 1
        if tooltip != self.tooltip:
            self.tooltip = tooltip


def hints_of(screen: Screen[object]) -> tuple[Hint, ...]:
    """The keys that count now and are worth a place; those of a group share one."""
    found: dict[str, Hint] = {}
    for _, binding, enabled, tooltip in screen.active_bindings.values():
        if not binding.show:
            continue
        key = (binding.key, screen.app.get_key_display(binding))
        name = binding.group.description if binding.group else binding.action
        if name not in found:
            label = binding.group.description if binding.group else binding.description
            found[name] = Hint(binding.action, (key,), label, tooltip or binding.description, enabled)
        elif binding.group and key not in found[name].keys:
            before = found[name]
            found[name] = Hint(
                before.action, (*before.keys, key), before.label, before.tooltip, before.enabled or enabled
            )
    return tuple(found.values())
