from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from store.errors import UsageProblem
from store.records import Recipe
from trainer.recipes import FIELDS, PRESETS, changed, difference, expected, preset


def test_the_published_recipe_is_the_published_one() -> None:
    """Written out once more: a default that moves would change every result that is compared with the table."""
    published = msgspec.structs.asdict(preset("published"))
    assert published == {
        "name": "published",
        "epochs": 200,
        "batch_size": 128,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "schedule": "cosine",
        "warmup": 0.0,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "decay_on": "all",
        "clip_norm": 0.0,
        "augmentation": "crop-flip",
        "policy": "none",
        "cutout": 0,
        "mixup": 0.0,
        "label_smoothing": 0.0,
        "average": 0.0,
        "test_flip": False,
        "precision": "auto",
        "train_limit": None,
        "test_limit": None,
        "exact": False,
        "threads": 2,
    }


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_valid_recipe_of_its_name(name: str) -> None:
    recipe = preset(name)
    assert recipe.name == name
    assert msgspec.convert(msgspec.to_builtins(recipe), Recipe) == recipe


def test_a_recipe_that_was_stored_before_there_were_more_settings_reads_as_it_was() -> None:
    stored = {"name": "published", "epochs": 3, "learning_rate": 0.5}
    assert msgspec.convert(stored, Recipe) == Recipe(epochs=3, learning_rate=0.5)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("optimizer", "muon", "muon"),
        ("schedule", "one-cycle", "one-cycle"),
        ("warmup", "2.5", 2.5),
        ("mixup", "0.2", 0.2),
        ("cutout", "16", 16),
        ("test_flip", "true", True),
        ("train_limit", "none", None),
        ("policy", "none", "none"),
    ],
)
def test_a_setting_is_read_from_text(field: str, text: str, value: Any) -> None:
    assert getattr(changed(Recipe(policy="randaugment"), {field: text}), field) == value


@pytest.mark.parametrize(
    ("field", "text", "right"),
    [
        ("optimizer", "adam", "adamw or muon or nesterov or sgd"),
        ("schedule", "step", "constant or cosine or linear or one-cycle"),
        ("cutout", "33", "a whole number from 0 to 32"),
        ("average", "1", "a number from 0 below 1"),
        ("warmup", "-1", "a number from 0 to 1,000"),
        ("test_flip", "perhaps", "true or false"),
        ("clip_norm", "nan", "a number from 0 to 1,000,000"),
        ("mixup", "", "a number from 0 to 10"),
    ],
)
def test_a_value_that_cannot_be_is_answered_with_what_can(field: str, text: str, right: str) -> None:
    assert expected(field) == right
    with pytest.raises(UsageProblem, match=f"{field} cannot be '{text}': it must be {right}"):
        changed(Recipe(), {field: text})


def test_a_setting_that_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageProblem, match="did you mean 'learning_rate'"):
        changed(Recipe(), {"learningrate": "0.1"})
    with pytest.raises(UsageProblem, match="did you mean 'quick'"):
        preset("quik")


def test_what_was_changed_is_told_against_the_preset() -> None:
    assert difference(changed(preset("quick"), {"epochs": "5", "average": "0.998"})) == {"epochs": (20, 5)}
    assert set(difference(Recipe(name="lost", cutout=8))) == {"cutout"}
    assert "name" not in FIELDS


def test_the_document_has_every_value_of_every_preset() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    names = [name.strip("`") for name in cells[0][2:]]
    assert names == list(PRESETS)
    assert {row[0].strip("`"): row[2:] for row in cells[1:]} == {
        field: [str(getattr(PRESETS[name], field)) for name in names] for field in FIELDS
    }
