"""What the row under the cursor is about, beside the catalogue, where there is room for it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui import words
from zoo import CARDS, Card


@lru_cache(maxsize=128)
def paragraphs(id: str) -> list[str]:
    """The story of a model, one line a paragraph, so that it can be wrapped anew; `*emphasis*` is plain here."""
    story = re.sub(r"\*(\w[^*]*)\*", r"\1", CARDS[id].story)
    return [" ".join(paragraph.split()) for paragraph in story.split("\n\n")]


class Preview(Widget):
    """The beginning of a model's page. It is plain text, which is drawn between two keys."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"preview--title", "preview--fact"}

    card: reactive[Card | None] = reactive[Card | None](None)

    def render(self) -> Content:
        if self.card is None:
            return Content("")
        first, *rest = paragraphs(self.card.id)
        size = f"{words.count(self.card.params)} parameters, {words.weights_size(self.card.params)}"
        facts = f"{size}, {self.card.year or 'your own'}"
        return Content("\n\n").join(
            [
                Content.styled(first, self.get_visual_style("preview--title")),
                Content.styled(facts, self.get_visual_style("preview--fact")),
                *map(Content, rest),
            ]
        )
