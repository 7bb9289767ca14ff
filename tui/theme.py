"""Two calm themes. The second keeps to colours that all kinds of colour vision tell apart."""

from __future__ import annotations

from textual.theme import Theme

NIGHT = Theme(
    name="cifar-night",
    primary="#7fb4ca",
    secondary="#8992a7",
    accent="#e6c384",
    success="#98bb6c",
    warning="#e6a45c",
    error="#e46876",
    foreground="#dcd7cf",
    background="#15171c",
    surface="#1b1e25",
    panel="#252a33",
    dark=True,
)

# Okabe and Ito, "Color Universal Design", 2008: sky blue, orange, bluish green, yellow and vermilion.
CLEAR = Theme(
    name="cifar-clear",
    primary="#56b4e9",
    secondary="#9a9a9a",
    accent="#f0e442",
    success="#56b4e9",
    warning="#e69f00",
    error="#d55e00",
    foreground="#e8e8e8",
    background="#101114",
    surface="#181a1f",
    panel="#24272e",
    dark=True,
)

THEMES = (NIGHT, CLEAR)
