"""Random numbers that are drawn without saying from where, as initial weights and dropout are: on the CPU they come
from torch's one default generator. Here several threads take turns with it, each with numbers of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_DEFAULT = threading.Lock()
"""Held while somebody draws from torch's default generator."""


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """What is drawn from the CPU's default generator inside the block comes from this one, which moves on; the default
    one stays as it was. Other threads wait meanwhile, if they use this too."""
    with _DEFAULT:
        before = torch.default_generator.get_state()
        torch.default_generator.set_state(generator.get_state())
        try:
            yield
        finally:
            generator.set_state(torch.default_generator.get_state())
            torch.default_generator.set_state(before)
