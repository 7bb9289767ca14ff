"""The line at the bottom: the keys of what has the focus. One widget, drawn at once; each key can be clicked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import ActiveBinding
from textual.content import Content
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget

SIDEWAYS = frozenset({"scroll_left", "scroll_right", "page_left", "page_right"})
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
            line += Content.styled("".join(shown for _, shown in hint.keys), self.get_visual_style(f"keys--{key}"))
            line += Content.styled(f" {hint.label} ", self.get_visual_style(f"keys--{label}"))
        return line

    def under(self, x: int) -> tuple[Hint, str] | None:
        """The hint in this column, and the key of it that a click there means."""
        for hint in self.shown:
            if x < hint.width:
                names = [name for name, shown in hint.keys for _ in shown]
                return hint, names[min(x, len(names) - 1)]
            x -= hint.width + 1
            if x < 0:
                break
        return None

    def on_click(self, event: events.Click) -> None:
        if found := self.under(event.x):
            self.app.simulate_key(found[1])

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The tooltip is that of the key under the mouse."""
        found = self.under(event.x)
        tooltip = found[0].tooltip if found else None
        if tooltip != self.tooltip:
            self.tooltip = tooltip


def useful(bindings: dict[str, ActiveBinding]) -> dict[str, ActiveBinding]:
    """The keys that can do something: Textual offers scrolling sideways even where nothing is that wide."""

    def can_act(active: ActiveBinding) -> bool:
        is_wide = isinstance(active.node, Widget) and active.node.allow_horizontal_scroll
        return is_wide or active.binding.action not in SIDEWAYS

    return {key: active for key, active in bindings.items() if can_act(active)}


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
