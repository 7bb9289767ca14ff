"""The catalogue of networks. What a model is can be read without torch; building one imports its family's file.

>>> from zoo import CARDS, card, build
>>> card("lenet").params
62006
>>> network = build("lenet")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from zoo.catalogue import CARDS, Card, Paper, Published, UnfitModel, UnknownModel, card, select

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CARDS", "Card", "Paper", "Published", "UnfitModel", "UnknownModel", "build", "card", "select"]


def build(id: str, classes: int = 10) -> nn.Module:
    """A fresh network with PyTorch's default initialisation, drawn from torch's global generator.

    It maps images of shape (N, 3, 32, 32) to scores of shape (N, classes). Raises UnknownModel for an id that the
    catalogue does not have, and UnfitModel for an own model whose file cannot be imported.
    """
    chosen = card(id)
    if chosen.own:
        from zoo.fitness import imported

        module = imported(chosen.own)
    else:
        module = import_module(f"zoo.{chosen.family}")
    network: nn.Module = getattr(module, id)(classes)
    return network
