"""An app that reads its CSS no more often than it must: that is a good part of the time until its first frame."""

from __future__ import annotations

from textual.app import App


class StyledApp(App[None]):
    """Textual reads all CSS again for each first screen of a mode and for a theme that is chosen before the start."""

    def __init__(self) -> None:
        super().__init__()
        self._css_variables = self.get_css_variables()  # with which the CSS was read

    def begin_with(self, theme: str) -> None:
        """Choose the theme before the app has begun."""
        self.set_reactive(App.theme, theme)
        self.set_class(self.current_theme.dark, "-dark-mode", update=False)
        self.set_class(not self.current_theme.dark, "-light-mode", update=False)
        self._css_variables = self.get_css_variables()
        self.stylesheet.set_variables(self._css_variables)

    def refresh_css(self, animate: bool = True) -> None:
        """Read the CSS again where a theme has changed its colours; otherwise only apply it to what is shown."""
        variables = self.get_css_variables()
        if variables != self._css_variables:
            self._css_variables = variables
            super().refresh_css(animate)
        else:
            self.stylesheet.update(self, animate=animate)
