"""An app as its user wants it: theme, bell and keys from `config.toml`, and what was chosen last time."""

from __future__ import annotations

from pathlib import Path

from textual.dom import DOMNode

from store.runs import RunStore
from tui.background import in_background
from tui.following import FollowingApp
from tui.settings import CONFIG_NAME, Layout, read_config
from tui.theme import THEMES


class ConfiguredApp(FollowingApp):
    """Keeps to the configuration, and says once what is wrong with it."""

    def __init__(self, store: RunStore, home: Path) -> None:
        super().__init__(store)
        self.config, self.remembered = read_config(home), Layout(home)
        self.faults = list(self.config.faults)
        for theme in THEMES:
            self.register_theme(theme)
        self.begin_with(self._first_theme())
        self.set_keymap(dict(self.config.keys))

    def _first_theme(self) -> str:
        """The theme of the configuration, else the one that was chosen last."""
        known = self.available_themes
        if (named := self.config.theme) is not None:
            if named in known:
                return named
            self.faults.append(f"{CONFIG_NAME}: there is no theme {named!r}: there is {', '.join(sorted(known))}")
        last = self.remembered.get("theme", str, THEMES[0].name)
        return last if last in known else THEMES[0].name

    def remember_theme(self) -> None:
        """From now on, remember which theme is chosen."""
        self.theme_changed_signal.subscribe(self, lambda theme: self.remember("theme", theme.name))

    def remember(self, name: str, value: object) -> None:
        """Know something at the next start, too."""
        if self.remembered.put(name, value):
            self.unfinished.append(in_background(self, "remembering", self.remembered.save))

    def bell(self) -> None:
        if self.config.bell:
            super().bell()

    def check_keys(self, node: DOMNode) -> None:
        """Say once which actions of a page, or of the app, have lost a key to another one by the configuration."""
        keymap, bindings = self._keymap, list(node._bindings)
        taken = {key for _, binding in bindings for key in keymap.get(binding.id or "", "").split(",")}
        for key, binding in bindings:
            if key in taken and binding.id not in keymap and not binding.system:
                meaning = binding.description or binding.action
                fault = f"{CONFIG_NAME}: {self.get_key_display(binding)} has another meaning now, and not {meaning}"
                if fault not in self.faults:
                    self.faults.append(fault)
                    self.notify(fault, severity="warning", timeout=20, markup=False)
