"""What must hold for every model of the catalogue. Each network is built twice: on the meta device, where shapes are
worked out and nothing is computed, and really, for what only real numbers can show."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from zoo import CARDS, Card, build
from zoo.measure import measure

SEED = 7


@pytest.fixture(scope="module", params=CARDS.values(), ids=lambda card: card.id)
def card(request: pytest.FixtureRequest) -> Card:
    found: Card = request.param
    return found


@pytest.fixture(scope="module")
def sketch(card: Card) -> nn.Module:
    """The network on the meta device."""
    return on_meta(card)


@pytest.fixture(scope="module")
def network(card: Card) -> Iterator[nn.Module]:
    """The network with real weights, in eval mode. Tests leave it as it is."""
    yield seeded(card).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(SEED))


@pytest.fixture(scope="module")
def scores(network: nn.Module, images: Tensor) -> Tensor:
    """What the network says of the images in eval mode."""
    return said(network, images)


def on_meta(card: Card) -> nn.Module:
    with torch.device("meta"):
        return build(card.id)


def seeded(card: Card) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return build(card.id)


def said(network: nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        scores: Tensor = network(images)
    return scores


def test_the_scores_have_one_column_a_class(card: Card, sketch: nn.Module) -> None:
    with torch.device("meta"):
        images = torch.empty(4, 3, 32, 32)
        assert said(sketch.eval(), images).shape == (4, 10)
        assert said(build(card.id, classes=7).eval(), images).shape == (4, 7)


def test_parameters_macs_and_activations_are_those_on_the_card(card: Card, sketch: nn.Module) -> None:
    cost = measure(sketch)
    assert (cost.params, cost.macs, cost.activations) == (card.params, card.macs, card.activations)


def test_every_parameter_gets_a_gradient_except_those_the_card_names(card: Card, sketch: nn.Module) -> None:
    sketch.train()
    sketch(torch.empty(4, 3, 32, 32, device="meta")).sum().backward()
    assert tuple(name for name, p in sketch.named_parameters() if p.grad is None) == card.without_gradient


def test_the_same_seed_gives_the_same_weights(card: Card, network: nn.Module) -> None:
    again = seeded(card).state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again[name]), name


def test_one_image_alone_gets_the_scores_it_gets_among_others(
    network: nn.Module, images: Tensor, scores: Tensor
) -> None:
    alone = torch.cat([said(network, images[:1]), said(network, images[1:])])
    torch.testing.assert_close(alone, scores, rtol=1e-3, atol=1e-4)


def test_the_state_survives_being_saved_and_loaded(card: Card, network: nn.Module) -> None:
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    loaded = on_meta(card)
    loaded.load_state_dict(torch.load(file, weights_only=True), assign=True)
    for (name, saved), back in zip(network.state_dict().items(), loaded.state_dict().values(), strict=True):
        assert torch.equal(saved, back), name


def test_channels_last_changes_nothing_but_the_layout(card: Card, images: Tensor, scores: Tensor) -> None:
    network = seeded(card).eval().to(memory_format=torch.channels_last)
    last = said(network, images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, scores, rtol=1e-3, atol=1e-4)


def test_bf16_autocast_gives_about_the_same_scores(network: nn.Module, images: Tensor, scores: Tensor) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = said(network, images).float()
    assert (rough - scores).norm() < 0.1 * scores.norm()


def test_the_page_has_its_parts(card: Card) -> None:
    story = " ".join(card.story.split())
    assert re.match(r"[A-Z][\w 0-9-]*: \S.*?\. ", story), "begins with its name and its idea in one sentence"
    assert re.search(r"image 3×32×32 → .* → 10 scores", story), "shows the shapes in one line"
    paper = card.paper
    assert paper is not None
    assert f'Paper: "{paper.title}", {paper.authors}, {paper.year}, {paper.link}' in story
    parts = [story.index(part) for part in ("image 3×32×32", "Paper: ", "For CIFAR-10: ", "Look at: ")]
    assert parts == sorted(parts)
