"""The catalogue: one row a model. It needs no torch, so listing models costs nothing.

The first 36 rows are the published table, in its order: accuracy, GPU and time are the published ones (best test
accuracy over 200 epochs of the published recipe). The rows after them are additions, which no table has published.
A user's own models come last, through zoo.own.
`params`, `macs` and `activations` are what zoo.measure.measure finds, and a test holds them to it.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections.abc import Iterator
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
class OwnFile:
    """The file of a user's own model, as it was when it was read."""

    path: Path  # absolute
    source: str
    module: str | None = None  # what it is imported as where a package brings it; None for a file that --models names

    @property
    def digest(self) -> str:
        """SHA-256 of the source, in hexadecimal: tells whether a later run trained the same text."""
        return hashlib.sha256(self.source.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a model without building it."""

    id: str  # also the name of its factory in its file
    name: str
    family: str
    config: str  # what tells this model from its family, as published; empty where the name says it all
    params: int | None  # sum(p.numel() for p in network.parameters()); None for an own model that was not built yet
    macs: int | None  # multiply-accumulates of Conv2d and Linear modules in one forward pass of one image
    activations: int | None  # bytes that one training image keeps until the backward pass, in fp32
    count: str  # who gave the number of parameters: "published", "ours", "own", or a source
    paper: Paper | None  # None for an own model
    published: Published | None = None  # None for an addition to the published table
    without_gradient: tuple[str, ...] = ()  # parameters that are counted but never used
    own: OwnFile | None = None  # where an own model comes from; None for what zoo/<family>.py holds

    @property
    def year(self) -> int | None:
        return self.paper.year if self.paper else None

    @property
    def story(self) -> str:
        """The model's page: the docstring of its file, read as text."""
        return ast.get_docstring(ast.parse(self.source)) or ""

    @property
    def source(self) -> str:
        """The source of its file."""
        if self.own:
            return self.own.source
        return Path(__file__).with_name(f"{self.family}.py").read_text(encoding="utf-8")


class UnknownModel(LookupError):
    """No model is called so. The message names near misses."""


class UnfitModel(Exception):
    """An own model cannot be taken into the catalogue. The message is one line: which file, and what is wrong."""


# fmt: off
PAPERS = {
    # family              title                                                                                 authors                                           year  link
    "lenet":        Paper("Gradient-Based Learning Applied to Document Recognition",                            "LeCun, Bottou, Bengio and Haffner",              1998, "https://doi.org/10.1109/5.726791"),
    "alexnet":      Paper("ImageNet Classification with Deep Convolutional Neural Networks",                    "Krizhevsky, Sutskever and Hinton",               2012, "https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks"),
    "vgg":          Paper("Very Deep Convolutional Networks for Large-Scale Image Recognition",                 "Simonyan and Zisserman",                         2014, "https://arxiv.org/abs/1409.1556"),
    "googlenet":    Paper("Going Deeper with Convolutions",                                                     "Szegedy, Liu, Jia and others",                   2014, "https://arxiv.org/abs/1409.4842"),
    "mobilenet":    Paper("MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", "Howard, Zhu, Chen and others",                   2017, "https://arxiv.org/abs/1704.04861"),
    "mobilenetv2":  Paper("MobileNetV2: Inverted Residuals and Linear Bottlenecks",                             "Sandler, Howard, Zhu, Zhmoginov and Chen",       2018, "https://arxiv.org/abs/1801.04381"),
    "mobilenetv3":  Paper("Searching for MobileNetV3",                                                          "Howard, Sandler, Chu and others",                2019, "https://arxiv.org/abs/1905.02244"),
    "shufflenet":   Paper("ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices", "Zhang, Zhou, Lin and Sun",                       2017, "https://arxiv.org/abs/1707.01083"),
    "efficientnet": Paper("EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",           "Tan and Le",                                     2019, "https://arxiv.org/abs/1905.11946"),
    "resnet":       Paper("Deep Residual Learning for Image Recognition",                                       "He, Zhang, Ren and Sun",                         2015, "https://arxiv.org/abs/1512.03385"),
    "resnext":      Paper("Aggregated Residual Transformations for Deep Neural Networks",                       "Xie, Girshick, Dollár, Tu and He",               2016, "https://arxiv.org/abs/1611.05431"),
    "regnet":       Paper("Designing Network Design Spaces",                                                    "Radosavovic, Kosaraju, Girshick, He and Dollár", 2020, "https://arxiv.org/abs/2003.13678"),
    "densenet":     Paper("Densely Connected Convolutional Networks",                                           "Huang, Liu, van der Maaten and Weinberger",      2016, "https://arxiv.org/abs/1608.06993"),
    "senet":        Paper("Squeeze-and-Excitation Networks",                                                    "Hu, Shen, Albanie, Sun and Wu",                  2017, "https://arxiv.org/abs/1709.01507"),
    "pnasnet":      Paper("Progressive Neural Architecture Search",                                             "Liu, Zoph, Neumann and others",                  2017, "https://arxiv.org/abs/1712.00559"),
    "dla":          Paper("Deep Layer Aggregation",                                                             "Yu, Wang, Shelhamer and Darrell",                2017, "https://arxiv.org/abs/1707.06484"),
    "dpn":          Paper("Dual Path Networks",                                                                 "Chen, Li, Xiao, Jin, Yan and Feng",              2017, "https://arxiv.org/abs/1707.01629"),
    "vit":          Paper("An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",         "Dosovitskiy, Beyer, Kolesnikov and others",      2020, "https://arxiv.org/abs/2010.11929"),

    # of the additions     title                                                                                 authors                                           year  link
    "resnet_cifar":  Paper("Deep Residual Learning for Image Recognition",                                       "He, Zhang, Ren and Sun",                         2015, "https://arxiv.org/abs/1512.03385"),
    "preact_resnet": Paper("Identity Mappings in Deep Residual Networks",                                        "He, Zhang, Ren and Sun",                         2016, "https://arxiv.org/abs/1603.05027"),
    "wide_resnet":   Paper("Wide Residual Networks",                                                             "Zagoruyko and Komodakis",                        2016, "https://arxiv.org/abs/1605.07146"),
    "resnet9":       Paper("How to Train Your ResNet",                                                           "Page",                                           2018, "https://github.com/davidcpage/cifar10-fast"),
    "squeezenet":    Paper("SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", "Iandola, Han, Moskewicz and others",             2016, "https://arxiv.org/abs/1602.07360"),
    "shufflenetv2":  Paper("ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",          "Ma, Zhang, Zheng and Sun",                       2018, "https://arxiv.org/abs/1807.11164"),
    "mlp_mixer":     Paper("MLP-Mixer: An all-MLP Architecture for Vision",                                      "Tolstikhin, Houlsby, Kolesnikov and others",     2021, "https://arxiv.org/abs/2105.01601"),
    "convmixer":     Paper("Patches Are All You Need?",                                                          "Trockman and Kolter",                            2022, "https://arxiv.org/abs/2201.09792"),
    "convnext":      Paper("A ConvNet for the 2020s",                                                            "Liu, Mao, Wu and others",                        2022, "https://arxiv.org/abs/2201.03545"),
    "cct":           Paper("Escaping the Big Data Paradigm with Compact Transformers",                           "Hassani, Walton, Shah and others",               2021, "https://arxiv.org/abs/2104.05704"),
    "swin":          Paper("Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",            "Liu, Lin, Cao and others",                       2021, "https://arxiv.org/abs/2103.14030"),
}
# fmt: on

PUBLISHED, OURS, OWN = "published", "ours", "own"
PYTORCH_CIFAR = "kuangliu/pytorch-cifar"  # a repository on GitHub, as are the other sources of counts

# fmt: off
_PUBLISHED_ROWS = (
    # id                   name                  config                family              params           macs  activations  count      accuracy  gpu         seconds
    ("lenet",             "LeNet",              "",                   "lenet",            62_006,       651_720,      57_232, PUBLISHED, 0.7474,   "RTX 3060",    2363),
    ("alexnet",           "AlexNet",            "",                   "alexnet",      35_855_178,   200_515_584,   1_175_552, OURS,      0.9039,   "RTX 3060",    4664),
    ("vgg11",             "VGG-11",             "",                   "vgg",           9_231_114,   152_769_536,   1_599_488, OURS,      0.9223,   "RTX 3060",    4223),
    ("vgg13",             "VGG-13",             "",                   "vgg",           9_416_010,   228_267_008,   2_385_920, OURS,      0.9368,   "RTX 3060",    5955),
    ("vgg16",             "VGG-16",             "",                   "vgg",          14_728_266,   313_201_664,   2_598_912, OURS,      0.9335,   "RTX 3060",    6924),
    ("vgg19",             "VGG-19",             "",                   "vgg",          20_040_522,   398_136_320,   2_811_904, OURS,      0.9334,   "RTX 3060",    7820),
    ("googlenet",         "GoogLeNet",          "",                   "googlenet",     6_166_250, 1_521_756_160,  43_622_400, PUBLISHED, 0.9494,   "RTX 3060",   31316),
    ("mobilenet",         "MobileNet",          "",                   "mobilenet",     3_217_226,    46_354_432,   3_309_568, OURS,      0.9151,   "RTX 3060",    5698),
    ("mobilenetv2",       "MobileNet V2",       "",                   "mobilenetv2",   2_296_922,    91_154_944,  13_607_936, OURS,      0.9399,   "RTX 3060",   10286),
    ("mobilenetv3_large", "MobileNet V3-Large", "",                   "mobilenetv3",   3_884_328,    22_511_712,   4_745_816, PUBLISHED, 0.9028,   "RTX 3060",    6697),
    ("mobilenetv3_small", "MobileNet V3-Small", "",                   "mobilenetv3",   1_843_272,     6_075_168,   1_648_344, PUBLISHED, 0.8715,   "RTX 3060",    4481),
    ("shufflenet_g1",     "ShuffleNet_G1",      "",                   "shufflenet",      960_130,    43_956_864,   4_499_712, PUBLISHED, 0.9133,   "RTX 3060",    6266),
    ("shufflenet_g2",     "ShuffleNet_G2",      "",                   "shufflenet",      940_282,    43_153_728,   6_702_720, PUBLISHED, 0.9120,   "RTX 3060",   14231),
    ("shufflenet_g3",     "ShuffleNet_G3",      "",                   "shufflenet",      913_762,    42_000_768,   8_006_400, PUBLISHED, 0.9101,   "RTX 3060",   17241),
    ("shufflenet_g4",     "ShuffleNet_G4",      "",                   "shufflenet",      889_658,    40_941_184,   9_049_344, PUBLISHED, 0.9066,   "RTX 3090",    8381),
    ("shufflenet_g8",     "ShuffleNet_G8",      "",                   "shufflenet",      912_562,    42_114_048,  12_699_648, PUBLISHED, 0.9051,   "RTX 3090",   11141),
    ("efficientnet",      "EfficientNet",       "",                   "efficientnet",  3_599_686,    30_331_392,   7_186_912, PUBLISHED, 0.9197,   "RTX 3090",    8375),
    ("resnet18",          "ResNet-18",          "",                   "resnet",       11_173_962,   555_422_720,   4_700_160, OURS,      0.9415,   "RTX 3060",   12654),
    ("resnet50",          "ResNet-50",          "",                   "resnet",       23_520_842, 1_297_829_888,  25_513_984, OURS,      0.9448,   "RTX 3060",   16738),
    ("resnet101",         "ResNet-101",         "",                   "resnet",       42_512_970, 2_509_983_744,  38_883_328, OURS,      0.9448,   "RTX 3060",   24803),
    ("resnext29",         "ResNeXt-29",         "[3,3,3] c=2 bw=64",  "resnext",       9_128_778, 1_409_492_992,  26_755_072, PUBLISHED, 0.9467,   "RTX 3090",   24032),
    ("regnetx_200mf",     "RegNetX_200MF",      "",                   "regnet",        2_321_946,   223_317_600,  12_273_088, PUBLISHED, 0.9389,   "RTX 3060",   18354),
    ("densenet121_k12",   "DenseNet-121",       "[6,12,24,16] k=12",  "densenet",      1_000_618,   125_341_440,  14_919_168, OURS,      0.9351,   "RTX 3060",   12753),
    ("densenet121_k16",   "DenseNet-121",       "[6,12,24,16] k=16",  "densenet",      1_762_954,   222_532_608,  19_888_128, OURS,      0.9411,   "RTX 3060",   16851),
    ("densenet121_k24",   "DenseNet-121",       "[6,12,24,16] k=24",  "densenet",      3_930_826,   500_030_976,  29_826_048, OURS,      0.9434,   "RTX 3090",   11291),
    ("densenet121_k32",   "DenseNet-121",       "[6,12,24,16] k=32",  "densenet",      6_956_298,   888_350_720,  39_763_968, OURS,      0.9537,   "RTX 3090",   13814),
    ("densenet169_k32",   "DenseNet-169",       "[6,12,32,32] k=32",  "densenet",     12_493_322, 1_059_799_296,  48_564_736, OURS,      0.9501,   "RTX 3090",   16572),
    ("senet18",           "SENet-18",           "",                   "senet",        11_260_354,   555_509_760,   5_699_040, PUBLISHED, 0.9425,   "RTX 3090",   13600),
    ("pnasnet_a",         "PNASNetA",           "",                   "pnasnet",         130_646,    28_037_856,   8_551_104, PUBLISHED, 0.8434,   "RTX 3060",   10554),
    ("pnasnet_b",         "PNASNetB",           "",                   "pnasnet",         451_626,    74_474_752,  16_544_256, PUBLISHED, 0.9141,   "RTX 3060",   16370),
    ("dla",               "DLA",                "",                   "dla",          16_291_386, 1_030_935_552,  10_663_936, PUBLISHED, 0.9447,   "RTX 3060",   20208),
    ("dpn26",             "DPN-26",             "",                   "dpn",          11_574_842,   665_050_880,  19_240_448, PUBLISHED, 0.9405,   "RTX 3060",   24673),
    ("dpn92",             "DPN-92",             "",                   "dpn",          34_236_634, 2_042_422_272,  45_776_896, PUBLISHED, 0.9473,   "RTX 3090",   30025),
    ("vit_h1_l1",         "Vision Transformer", "[heads=1,layers=1]", "vit",           7_185_418,   462_429_696,   3_427_868, OURS,      0.7485,   "RTX 3060",    5981),
    ("vit_h1_l8",         "Vision Transformer", "[heads=1,layers=8]", "vit",          56_800_522, 3_682_868_736,  25_917_608, OURS,      0.8417,   "RTX 3060",   29304),
    ("vit_h4_l2",         "Vision Transformer", "[heads=4,layers=2]", "vit",          14_273_290,   922_492_416,   6_742_088, OURS,      0.8153,   "RTX 3090",    5571),
)

# Additions, in the order in which they are listed. `count` names the public source that has the same number of parameters.
_ADDITIONS: tuple[tuple[str, str, str, str, int, int, int, str], ...] = (
    # id                   name                  config                family                params           macs  activations  count
    ("resnet34",          "ResNet-34",          "",                   "resnet",         21_282_122, 1_159_402_496,   7_976_960, PYTORCH_CIFAR),
    ("resnet152",         "ResNet-152",         "",                   "resnet",         58_156_618, 3_722_137_600,  55_398_400, PYTORCH_CIFAR),
    ("resnet20",          "ResNet-20",          "",                   "resnet_cifar",      269_722,    40_551_040,   1_519_872, "akamaster/pytorch_resnet_cifar10: 0.27M"),
    ("resnet56",          "ResNet-56",          "",                   "resnet_cifar",      853_018,   125_485_696,   4_272_384, "akamaster/pytorch_resnet_cifar10: 0.85M"),
    ("resnet110",         "ResNet-110",         "",                   "resnet_cifar",    1_727_962,   252_887_680,   8_401_152, "akamaster/pytorch_resnet_cifar10: 1.7M"),
    ("preact_resnet18",   "PreAct ResNet-18",   "",                   "preact_resnet",  11_171_146,   555_422_720,   4_438_016, PYTORCH_CIFAR),
    ("wide_resnet28_10",  "Wide ResNet-28-10",  "",                   "wide_resnet",    36_479_194, 5_243_328_768,  18_496_000, "pytorchcv: wrn28_10_cifar10"),
    ("resnet9",           "ResNet-9",           "",                   "resnet9",         6_573_120,   379_261_952,   3_885_056, "davidcpage/cifar10-fast"),
    ("resnext29_32x4d",   "ResNeXt-29",         "[3,3,3] c=32 bw=4",  "resnext",         4_774_218,   772_483_072,  26_755_072, PYTORCH_CIFAR),
    ("regnety_400mf",     "RegNetY_400MF",      "",                   "regnet",          5_714_362,   467_089_152,  23_692_224, PYTORCH_CIFAR),
    ("squeezenet",        "SqueezeNet",         "with bypass",        "squeezenet",        734_986,    52_543_488,   4_476_928, "weiaicunzai/pytorch-cifar100: 0.78M for 100 classes"),
    ("shufflenetv2",      "ShuffleNet V2",      "1×",                 "shufflenetv2",    1_263_854,    45_002_112,   5_590_016, PYTORCH_CIFAR),
    ("mlp_mixer",         "MLP-Mixer",          "nano",               "mlp_mixer",         673_418,    75_891_968,   5_559_296, "omihub777/MLP-Mixer-CIFAR: 0.67M"),
    ("convmixer256_8",    "ConvMixer-256/8",    "patch=2 kernel=5",   "convmixer",         594_186,   148_113_920,  13_120_512, "locuslab/convmixer-cifar10"),
    ("convnext",          "ConvNeXt",           "[2,2,2,2] patch=1",  "convnext",        6_378_378,   305_845_248,  13_033_224, "filipbasara0/simple-convnext: 6.4M"),
    ("cct7_3x1",          "CCT-7/3×1",          "",                   "cct",             3_760_139,   946_670_080,  46_182_448, "SHI-Labs/Compact-Transformers: 3.760M"),
    ("swin",              "Swin",               "[2,6,4] window=4",   "swin",            7_073_188,   236_228_352,   7_822_680, "aanna0701/SPT_LSA_ViT"),
)
# fmt: on

_WITHOUT_GRADIENT = {
    # The first block does not expand, but the published count includes the expansion that it skips.
    "efficientnet": ("stages.0.0.expand.0.weight", "stages.0.0.expand.1.weight", "stages.0.0.expand.1.bias"),
}


def _cards() -> Iterator[Card]:
    for id, name, config, family, params, macs, activations, count, accuracy, gpu, seconds in _PUBLISHED_ROWS:
        published = Published(accuracy, gpu, seconds, params if count == PUBLISHED else None)
        unused = _WITHOUT_GRADIENT.get(id, ())
        yield Card(id, name, family, config, params, macs, activations, count, PAPERS[family], published, unused)
    for id, name, config, family, params, macs, activations, count in _ADDITIONS:
        yield Card(id, name, family, config, params, macs, activations, count, PAPERS[family])


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
    if word.endswith(".py"):
        return f"a model is named by its id, not by its file: cifar-tui --models {word} models lists the ids in it"
    words = dict.fromkeys([*CARDS, *(card.family for card in CARDS.values()), "published"])
    near = difflib.get_close_matches(word, words, n=5)
    closest = [other for other in near if _likeness(other, word) > _likeness(near[0], word) - 0.1]
    near = sorted(closest, key=lambda other: abs(len(other) - len(word)))  # a wrong digit before a forgotten one
    hint = f"did you mean {near[0]}?" if near else "cifar-tui models lists all."
    return f"there is no model {word!r}: {hint}"


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
