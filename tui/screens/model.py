"""The page of a model: its story, its facts, its layers, and its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Markdown, Static

from tui import words
from tui.background import in_background
from tui.screens.base import AppScreen
from tui.widgets.facts import Facts
from tui.widgets.table import Column, RecordTable
from zoo import Card

if TYPE_CHECKING:
    from zoo.measure import Layer

COLUMNS: list[Column[Layer]] = [
    Column("path", "Layer", 16, lambda layer, _: layer.path, rank=0, roomy=30),
    Column("kind", "Kind", 12, lambda layer, _: (layer.kind, "quiet"), rank=2, roomy=18),
    Column("shape", "Output", 10, lambda layer, _: "×".join(map(str, layer.shape)), rank=1, roomy=12),
    Column("params", "Params", 11, lambda layer, _: some(layer.params), rank=3, justify="right"),
    Column("macs", "MACs", 8, lambda layer, _: words.short_count(layer.macs) if layer.macs else "", 4, 0, "right"),
]


def some(number: int) -> str:
    """A count; nothing for none, which most layers have."""
    return words.count(number) if number else ""


def layers_of(card: Card) -> dict[str, Layer]:
    """The layer table of a model, in the order in which its layers run. Imports torch."""
    import torch

    from zoo import build
    from zoo.measure import layer_table

    with torch.device("meta"):
        network = build(card.id)
    return {f"{place} {layer.path}": layer for place, layer in enumerate(layer_table(network))}


def with_heading(story: str) -> str:
    """A story as Markdown: its first line is its heading."""
    first, _, rest = story.partition("\n")
    return f"## {first}\n{rest}"


class ModelPage(AppScreen):
    """Story and facts at once; the layers when they have been worked out."""

    AUTO_FOCUS = "#story"
    HELP = """
        ### A model
        What it is, why it was made, and what its layers cost. `s` shows the source of its family, `l` its layers;
        the same key again comes back to the story.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "see('source')", "Source", tooltip="The source of its family's file, or back to the story"),
        Binding("l", "see('layers')", "Layers", tooltip="Its layers with shapes, parameters and MACs, or back"),
        Binding("escape", "back", "Back", tooltip="Back to where you came from"),
        Binding("j", "scroll(1)", "Down", show=False, tooltip="One line down"),
        Binding("k", "scroll(-1)", "Up", show=False, tooltip="One line up"),
    ]

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card

    def compose_body(self) -> ComposeResult:
        yield Facts(self.facts(), id="facts")
        with VerticalScroll(id="story"):
            yield Markdown(with_heading(self.card.story))
        with VerticalScroll(id="source"):
            yield Static("One moment …")
        layers: RecordTable[Layer] = RecordTable(COLUMNS, id="layers", passive=True)
        yield layers

    def facts(self) -> list[tuple[str, str]]:
        card, published = self.card, self.card.published
        return [
            ("model", f"{card.name} {card.config}".rstrip()),
            ("command line", card.id),
            ("parameters", f"{words.count(card.params)} ({words.weights_size(card.params)})"),
            ("MACs", words.count(card.macs)),
            ("published", words.percent(published.accuracy) if published else words.NOTHING),
            ("on", f"{published.gpu} in {words.duration(published.seconds)}" if published else words.NOTHING),
            ("paper", f"{card.paper.title}, {card.paper.year}"),
            ("link", card.paper.link),
        ]

    def on_mount(self) -> None:
        self.show_part("story")
        in_background(self, "highlighting", self.highlighted, self.query_one("#source Static", Static).update)
        in_background(self, "layers", lambda: layers_of(self.card), self.query_one(RecordTable).show)

    def highlighted(self) -> Content:
        """The family's source in the colours of the theme."""
        from textual.highlight import highlight

        return highlight(self.card.source, language="python")

    def show_part(self, part: str) -> None:
        for name in ("story", "source", "layers"):
            self.query_one(f"#{name}").display = name == part
        self.part = part
        self.query_one(f"#{part}").focus()

    def action_see(self, part: str) -> None:
        self.show_part("story" if self.part == part else part)

    def action_back(self) -> None:
        self.app.pop_screen()

    def action_scroll(self, by: int) -> None:
        self.query_one(f"#{self.part}").scroll_relative(y=by, animate=False)
