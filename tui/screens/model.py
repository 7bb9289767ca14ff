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

    try:
        with torch.device("meta"):
            table = layer_table(build(card.id))
    except Exception:
        if card.own is None:
            raise
        from trainer.job import fresh_network

        table = layer_table(fresh_network(card.id, seed=0))  # its code needs real numbers, or says what is wrong
    return {f"{place} {layer.path}": layer for place, layer in enumerate(table)}


def story_of(card: Card) -> str:
    """A story as Markdown: its first line is its heading."""
    first, _, rest = card.story.partition("\n")
    if not first and card.own:
        return f"The docstring at the top of {card.own.path.name} will stand here, as Markdown. There is none yet."
    return f"## {first}\n{rest}"


def activations_of(size: int) -> str:
    """What an image leaves behind for the backward pass, of so many bytes in fp32: `14,308 kept for each …`."""
    return f"{words.count(size // 4)} kept for each image in training ({words.size(size)})"


def facts_of(card: Card, params: int | None, macs: int | None) -> list[tuple[str, str]]:
    """What there is to know of a model besides its story. The counts of an own model may come later."""
    published = card.published
    facts = [
        ("model", f"{card.name} {card.config}".rstrip()),
        ("command line", card.id),
        ("parameters", f"{words.count(params)} ({words.weights_size(params)})" if params else words.NOTHING),
        ("MACs", words.count(macs)),
        *([("activations", activations_of(card.activations))] if card.activations else []),
        ("published", words.percent(published.accuracy) if published else words.NOTHING),
        ("on", f"{published.gpu} in {words.duration(published.seconds)}" if published else words.NOTHING),
    ]
    if card.paper:
        facts += [("paper", f"{card.paper.title}, {card.paper.year}"), ("link", card.paper.link)]
    if card.own:
        facts += [("your own", card.own.path.name), ("file", str(card.own.path))]
    return facts


class ModelPage(AppScreen):
    """Story and facts at once; the layers when they have been worked out."""

    AUTO_FOCUS = "#story"
    HELP = """
        ### A model
        What it is, why it was made, and what its layers cost. `s` shows the source of its family, `l` its layers;
        the same key again comes back to the story.
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "s", "see('source')", "Source", id="source", tooltip="The source of its family's file, or back to the story"
        ),
        Binding(
            "l", "see('layers')", "Layers", id="layers", tooltip="Its layers with shapes, parameters and MACs, or back"
        ),
        Binding("escape", "back", "Back", id="back", tooltip="Back to where you came from"),
        Binding("j", "scroll(1)", "Down", show=False, id="down", tooltip="One line down"),
        Binding("k", "scroll(-1)", "Up", show=False, id="up", tooltip="One line up"),
    ]

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card

    def compose_body(self) -> ComposeResult:
        yield Facts(facts_of(self.card, self.card.params, self.card.macs), id="facts")
        with VerticalScroll(id="story"):
            yield Markdown(story_of(self.card))
        with VerticalScroll(id="source"):
            yield Static("One moment …")
        layers: RecordTable[Layer] = RecordTable(COLUMNS, id="layers", passive=True)
        yield layers
        yield Static("Working out the layers …", id="working", classes="hint")

    def on_mount(self) -> None:
        self.show_part("story")
        in_background(self, "highlighting", self.highlighted, self.query_one("#source Static", Static).update)
        in_background(self, "layers", lambda: layers_of(self.card), self.show_layers)

    def show_layers(self, layers: dict[str, Layer]) -> None:
        self.query_one(RecordTable).show(layers)
        self.query_one("#working").remove()
        if self.card.params is None:
            params = sum(layer.params for layer in layers.values())
            macs = sum(layer.macs for layer in layers.values())
            self.query_one(Facts).facts = facts_of(self.card, params, macs)

    def highlighted(self) -> Content:
        """The family's source in the colours of the theme."""
        from textual.highlight import highlight

        return highlight(self.card.source, language="python")

    def show_part(self, part: str) -> None:
        for name in ("story", "source", "layers"):
            self.query_one(f"#{name}").display = name == part
        for working in self.query("#working"):
            working.display = part == "layers"
        self.part = part
        self.query_one(f"#{part}").focus()

    def action_see(self, part: str) -> None:
        self.show_part("story" if self.part == part else part)

    def action_scroll(self, by: int) -> None:
        self.query_one(f"#{self.part}").scroll_relative(y=by, animate=False)
