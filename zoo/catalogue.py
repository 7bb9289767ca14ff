"""The catalogue: one row a model. It needs no torch, so listing models costs nothing.

The first 36 rows are the published table, in its order: accuracy, GPU and time are the published ones (best test
accuracy over 200 epochs of the published recipe). `params` is `sum(p.numel() for p in network.parameters())`; `count`
says who gave that number. `macs` are the multiply-accumulates of Conv2d and Linear modules for one image.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a family was first described."""

    title: str
    authors: str
    year: int
    link: str


@dataclass(frozen=True, slots=True)
class Published:
    """The row of the published table: best test accuracy over 200 epochs, the GPU and the time it took."""

    accuracy: float  # a fraction
    gpu: str  # as published; a few look doubtful
    seconds: int
    params: int | None  # None where the published table gives no count


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a model without building it."""

    id: str  # also the name of its factory in zoo/<family>.py
    name: str
    family: str
    config: str  # what tells this model from its family, as published; empty where the name says it all
    params: int
    macs: int  # multiply-accumulates of one forward pass of one image
    count: str  # who gave the number of parameters: "published", "ours", or a source
    paper: Paper
    published: Published | None = None  # None for an addition to the published table

    @property
    def year(self) -> int:
        return self.paper.year

    @property
    def story(self) -> str:
        """The model's page: the docstring of its family's file, read as text."""
        return ast.get_docstring(ast.parse(self.source)) or ""

    @property
    def source(self) -> str:
        """The source of its family's file."""
        return Path(__file__).with_name(f"{self.family}.py").read_text(encoding="utf-8")


class UnknownModel(LookupError):
    """No model is called so. The message names near misses."""


PAPERS = {
    "lenet": Paper(
        "Gradient-Based Learning Applied to Document Recognition",
        "LeCun, Bottou, Bengio and Haffner",
        1998,
        "https://doi.org/10.1109/5.726791",
    ),
    "resnet": Paper(
        "Deep Residual Learning for Image Recognition",
        "He, Zhang, Ren and Sun",
        2015,
        "https://arxiv.org/abs/1512.03385",
    ),
}

PUBLISHED, OURS = "published", "ours"

# fmt: off
_ROWS = (
    # id                   name                  config                family              params           macs  count      accuracy  gpu         seconds
    ("lenet",             "LeNet",              "",                   "lenet",            62_006,       651_720, PUBLISHED, 0.7474,   "RTX 3060",    2363),
    ("alexnet",           "AlexNet",            "",                   "alexnet",      35_855_178,   200_515_584, OURS,      0.9039,   "RTX 3060",    4664),
    ("vgg11",             "VGG-11",             "",                   "vgg",           9_231_114,   152_769_536, OURS,      0.9223,   "RTX 3060",    4223),
    ("vgg13",             "VGG-13",             "",                   "vgg",           9_416_010,   228_267_008, OURS,      0.9368,   "RTX 3060",    5955),
    ("vgg16",             "VGG-16",             "",                   "vgg",          14_728_266,   313_201_664, OURS,      0.9335,   "RTX 3060",    6924),
    ("vgg19",             "VGG-19",             "",                   "vgg",          20_040_522,   398_136_320, OURS,      0.9334,   "RTX 3060",    7820),
    ("googlenet",         "GoogLeNet",          "",                   "googlenet",     6_166_250, 1_521_756_160, PUBLISHED, 0.9494,   "RTX 3060",   31316),
    ("mobilenet",         "MobileNet",          "",                   "mobilenet",     3_217_226,    46_354_432, OURS,      0.9151,   "RTX 3060",    5698),
    ("mobilenetv2",       "MobileNet V2",       "",                   "mobilenetv2",   2_296_922,    91_154_944, OURS,      0.9399,   "RTX 3060",   10286),
    ("mobilenetv3_large", "MobileNet V3-Large", "",                   "mobilenetv3",   3_884_328,    22_511_712, PUBLISHED, 0.9028,   "RTX 3060",    6697),
    ("mobilenetv3_small", "MobileNet V3-Small", "",                   "mobilenetv3",   1_843_272,     6_075_168, PUBLISHED, 0.8715,   "RTX 3060",    4481),
    ("shufflenet_g1",     "ShuffleNet_G1",      "",                   "shufflenet",      960_130,    43_956_864, PUBLISHED, 0.9133,   "RTX 3060",    6266),
    ("shufflenet_g2",     "ShuffleNet_G2",      "",                   "shufflenet",      940_282,    43_153_728, PUBLISHED, 0.9120,   "RTX 3060",   14231),
    ("shufflenet_g3",     "ShuffleNet_G3",      "",                   "shufflenet",      913_762,    42_000_768, PUBLISHED, 0.9101,   "RTX 3060",   17241),
    ("shufflenet_g4",     "ShuffleNet_G4",      "",                   "shufflenet",      889_658,    40_941_184, PUBLISHED, 0.9066,   "RTX 3090",    8381),
    ("shufflenet_g8",     "ShuffleNet_G8",      "",                   "shufflenet",      912_562,    42_114_048, PUBLISHED, 0.9051,   "RTX 3090",   11141),
    ("efficientnet",      "EfficientNet",       "",                   "efficientnet",  3_599_686,    30_331_392, PUBLISHED, 0.9197,   "RTX 3090",    8375),
    ("resnet18",          "ResNet-18",          "",                   "resnet",       11_173_962,   555_422_720, OURS,      0.9415,   "RTX 3060",   12654),
    ("resnet50",          "ResNet-50",          "",                   "resnet",       23_520_842, 1_297_829_888, OURS,      0.9448,   "RTX 3060",   16738),
    ("resnet101",         "ResNet-101",         "",                   "resnet",       42_512_970, 2_509_983_744, OURS,      0.9448,   "RTX 3060",   24803),
    ("resnext29",         "ResNeXt-29",         "[3,3,3] c=2 bw=64",  "resnext",       9_128_778, 1_409_492_992, PUBLISHED, 0.9467,   "RTX 3090",   24032),
    ("regnetx_200mf",     "RegNetX_200MF",      "",                   "regnet",        2_321_946,   223_317_600, PUBLISHED, 0.9389,   "RTX 3060",   18354),
    ("densenet121_k12",   "DenseNet-121",       "[6,12,24,16] k=12",  "densenet",      1_000_618,   125_341_440, OURS,      0.9351,   "RTX 3060",   12753),
    ("densenet121_k16",   "DenseNet-121",       "[6,12,24,16] k=16",  "densenet",      1_762_954,   222_532_608, OURS,      0.9411,   "RTX 3060",   16851),
    ("densenet121_k24",   "DenseNet-121",       "[6,12,24,16] k=24",  "densenet",      3_930_826,   500_030_976, OURS,      0.9434,   "RTX 3090",   11291),
    ("densenet121_k32",   "DenseNet-121",       "[6,12,24,16] k=32",  "densenet",      6_956_298,   888_350_720, OURS,      0.9537,   "RTX 3090",   13814),
    ("densenet169_k32",   "DenseNet-169",       "[6,12,32,32] k=32",  "densenet",     12_493_322, 1_059_799_296, OURS,      0.9501,   "RTX 3090",   16572),
    ("senet18",           "SENet-18",           "",                   "senet",        11_260_354,   555_509_760, PUBLISHED, 0.9425,   "RTX 3090",   13600),
    ("pnasnet_a",         "PNASNetA",           "",                   "pnasnet",         130_646,    28_037_856, PUBLISHED, 0.8434,   "RTX 3060",   10554),
    ("pnasnet_b",         "PNASNetB",           "",                   "pnasnet",         451_626,    74_474_752, PUBLISHED, 0.9141,   "RTX 3060",   16370),
    ("dla",               "DLA",                "",                   "dla",          16_291_386, 1_030_935_552, PUBLISHED, 0.9447,   "RTX 3060",   20208),
    ("dpn26",             "DPN-26",             "",                   "dpn",          11_574_842,   665_050_880, PUBLISHED, 0.9405,   "RTX 3060",   24673),
    ("dpn92",             "DPN-92",             "",                   "dpn",          34_236_634, 2_042_422_272, PUBLISHED, 0.9473,   "RTX 3090",   30025),
    ("vit_h1_l1",         "Vision Transformer", "[heads=1,layers=1]", "vit",           7_185_418,   462_429_696, OURS,      0.7485,   "RTX 3060",    5981),
    ("vit_h1_l8",         "Vision Transformer", "[heads=1,layers=8]", "vit",          56_800_522, 3_682_868_736, OURS,      0.8417,   "RTX 3060",   29304),
    ("vit_h4_l2",         "Vision Transformer", "[heads=4,layers=2]", "vit",          14_273_290,   922_492_416, OURS,      0.8153,   "RTX 3090",    5571),
)
# fmt: on


def _cards() -> Iterable[Card]:
    for id, name, config, family, params, macs, count, accuracy, gpu, seconds in _ROWS:
        published = Published(accuracy, gpu, seconds, params if count == PUBLISHED else None)
        yield Card(id, name, family, config, params, macs, count, PAPERS[family], published)


CARDS: dict[str, Card] = {card.id: card for card in _cards()}
"""Every model by its id, the published rows first and in the published order."""


def card(id: str) -> Card:
    """The card of one model. Raises UnknownModel, which names near misses."""
    try:
        return CARDS[id]
    except KeyError:
        raise UnknownModel(_unknown(id)) from None


def select(word: str) -> list[Card]:
    """The cards that a word names: an id, a family, a pattern such as `vgg*`, or `published` (the 36 rows).

    Raises UnknownModel when it names none.
    """
    if word in CARDS:
        return [CARDS[word]]
    if word == "published":
        return [card for card in CARDS.values() if card.published]
    found = [card for card in CARDS.values() if card.family == word or fnmatchcase(card.id, word)]
    if not found:
        raise UnknownModel(_unknown(word))
    return found


def _unknown(word: str) -> str:
    families = {card.family for card in CARDS.values()}
    near = difflib.get_close_matches(word, [*CARDS, *sorted(families - CARDS.keys()), "published"], n=1)
    hint = f"did you mean {near[0]}?" if near else "cifar-tui models lists all."
    return f"there is no model {word!r}: {hint}"
