"""Recipes: the presets by name, and a preset with some of its values changed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, cast

import msgspec
from msgspec import inspect

from store.errors import UsageProblem
from store.records import Recipe

PRESETS: dict[str, Recipe] = {
    # What the published table was made with.
    "published": Recipe(),
    # A tenth of the time. A rate that climbs high and falls to nothing learns as much in far fewer epochs:
    # Super-Convergence, Smith and Topin, 2017, https://arxiv.org/abs/1708.07120. SGD with Nesterov's momentum, this
    # shape and this decay brought a ResNet to 94% in 24 epochs: Page, 2018,
    # https://github.com/davidcpage/cifar10-fast. The mean of the weights makes the end less a matter of luck.
    "quick": Recipe(
        name="quick",
        epochs=20,
        optimizer="nesterov",
        learning_rate=0.05,
        schedule="one-cycle",
        average=0.998,
    ),
    # For the best accuracy, whatever it takes: for networks with norms. The rate, batch, decay and schedule with which
    # Wide ResNets are trained for CIFAR-10 (Zagoruyko and Komodakis, 2016, https://arxiv.org/abs/1605.07146), cosine
    # instead of steps; TrivialAugment and then a 16-pixel cutout, as its authors did (https://arxiv.org/abs/2103.10158);
    # no decay of biases and norms, smoothed labels (He and others, 2018, https://arxiv.org/abs/1812.01187); the mean of
    # the weights; mirrored images in the test.
    "best": Recipe(
        name="best",
        epochs=300,
        optimizer="nesterov",
        learning_rate=0.1,
        warmup=5.0,
        decay_on="weights",
        policy="trivialaugment",
        cutout=16,
        label_smoothing=0.1,
        average=0.999,
        test_flip=True,
    ),
}
"""Every preset by its name."""

FIELDS: tuple[str, ...] = tuple(field for field in Recipe.__struct_fields__ if field != "name")
"""What can be set in a recipe."""


def preset(name: str) -> Recipe:
    """The preset of that name. Raises UsageProblem, which names near misses."""
    try:
        return PRESETS[name]
    except KeyError:
        raise UsageProblem(f"there is no recipe {name!r}: {_nearest(name, PRESETS)}") from None


def changed(recipe: Recipe, values: Mapping[str, str]) -> Recipe:
    """The recipe with some fields set from text, as `--set` and the form give them.

    An empty value, or `none`, unsets an optional field. Raises UsageProblem, in one line, for a key that is not a
    field or a value that its field cannot have.
    """
    for key, text in values.items():
        recipe = _with(recipe, key, text.strip())
    return recipe


def difference(recipe: Recipe) -> dict[str, tuple[Any, Any]]:
    """What was changed from the recipe's preset: field → (the preset's value, the recipe's value).

    A recipe whose preset is not known (any more) is compared with `published`.
    """
    base = PRESETS.get(recipe.name, PRESETS["published"])
    pairs = {field: (getattr(base, field), getattr(recipe, field)) for field in FIELDS}
    return {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}


def _with(recipe: Recipe, key: str, text: str) -> Recipe:
    if key not in FIELDS:
        raise UsageProblem(f"a recipe has no {key!r}: {_nearest(key, FIELDS)}")
    unset = text.lower() in {"", "none"} and isinstance(_TYPES[key], inspect.UnionType)
    value = None if unset else text
    try:
        return msgspec.convert(msgspec.structs.asdict(recipe) | {key: value}, Recipe, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError):
        raise UsageProblem(f"{key} cannot be {text!r}: it must be {expected(key)}") from None


def expected(field: str) -> str:
    """What a field of a recipe can be, in words: "a whole number from 1 to 100,000", "cosine or constant"."""
    return _in_words(_TYPES[field])


_TYPES = {field.name: field.type for field in cast("inspect.StructType", inspect.type_info(Recipe)).fields}


def _in_words(kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType():
            return " or ".join(_in_words(one) for one in kind.types)
        case inspect.LiteralType():
            return " or ".join(map(str, kind.values))
        case inspect.BoolType():
            return "true or false"
        case inspect.NoneType():
            return "none"
        case inspect.IntType():
            return f"a whole number{_range(kind)}"
        case inspect.FloatType():
            return f"a number{_range(kind)}"
    return "text"


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    bounds = {"from": kind.ge, "above": kind.gt, "to": kind.le, "below": kind.lt}
    return "".join(f" {word} {bound:,.12g}" for word, bound in bounds.items() if bound is not None)


def _nearest(word: str, words: Mapping[str, Any] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(words)}"
