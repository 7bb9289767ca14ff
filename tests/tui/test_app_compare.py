"""What may stand beside the published numbers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from store.records import Recipe
from tests.tui.scripted import done
from tui.compare import model_name, own_bests, recipe_in_words, what_differs
from tui.widgets.filter import matches


def test_the_published_recipe_at_full_length_differs_in_nothing() -> None:
    assert what_differs(done("a1", "lenet", 0.75)) == []
    assert what_differs(done("a1", "lenet", 0.75, recipe=Recipe(exact=True, threads=4))) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"recipe": Recipe(epochs=3), "epochs_done": 3}, "epochs 3"),
        ({"recipe": Recipe(train_limit=1000)}, "train limit 1000"),
        ({"recipe": Recipe(augmentation="none")}, "no augmentation"),
        ({"dataset": "synthetic"}, "synthetic data"),
        ({"status": "stopped", "epochs_done": 12}, "12 of 200 epochs"),
    ],
)
def test_what_differs_is_said(change: dict[str, object], reason: str) -> None:
    assert what_differs(replace(done("a1", "lenet", 0.75), **change)) == [reason]


def test_own_best_is_the_mean_over_seeds_of_comparable_runs() -> None:
    runs = [
        done("a1", "lenet", 0.74, seed=0),
        done("a2", "lenet", 0.76, seed=1),
        done("a3", "lenet", 0.99, seed=2, recipe=Recipe(epochs=3)),
        done("a4", "lenet", 0.99, seed=3, dataset="synthetic"),
        done("a5", "lenet", 0.99, seed=4, status="stopped"),
    ]
    best = own_bests(runs)["lenet"]
    assert best.runs == 2
    assert best.mean == pytest.approx(0.75)
    assert best.spread == pytest.approx(0.02 / 2**0.5)


def test_the_newest_run_of_a_seed_counts_once() -> None:
    best = own_bests([done("a1", "lenet", 0.70), done("a2", "lenet", 0.76)])["lenet"]
    assert (best.mean, best.runs, best.spread) == (0.76, 1, None)


def test_a_model_name_gives_way_when_it_is_narrow() -> None:
    assert model_name("densenet121_k12") == "DenseNet-121 [6,12,24,16] k=12"
    assert model_name("densenet121_k12", 20) == "DenseNet-121 k=12"
    assert model_name("densenet121_k12", 16) == "densenet121_k12"
    assert model_name("vit_h4_l2", 30) == "Vision Transformer h4 l2"
    assert model_name("no_longer_there") == "no_longer_there"


def test_a_recipe_is_written_as_its_preset_and_what_was_changed() -> None:
    assert recipe_in_words(Recipe()) == "published"
    assert recipe_in_words(Recipe(epochs=3, exact=True)) == "published, epochs 3, exact"


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("", "LeNet", True),
        ("vgg 16", "VGG-16 vgg16 vgg", True),
        ("rn50", "ResNet-50 resnet50", True),
        ("net18", "ResNet-18 resnet18", True),
        ("rn50", "DenseNet-121 densenet", False),
        ("vgg 19", "VGG-16 vgg16 vgg", False),
    ],
)
def test_the_filter_is_forgiving_but_not_blind(query: str, text: str, found: bool) -> None:
    assert matches(query, text) is found
