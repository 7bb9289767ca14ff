from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo import CARDS, Card, UnknownModel, card, select
from zoo.catalogue import PAPERS

FAMILIES = sorted({card.family for card in CARDS.values()})
GPU_HOURS = 133.4  # of the whole published table, as published


def ids(cards: list[Card]) -> list[str]:
    return [card.id for card in cards]


def test_the_published_table_has_36_rows_which_come_first_and_take_the_published_time() -> None:
    published = [card for card in CARDS.values() if card.published]
    assert len(published) == 36
    assert published == list(CARDS.values())[:36]
    assert ids(published)[0] == "lenet"
    assert ids(published)[-1] == "vit_h4_l2"
    seconds = sum(card.published.seconds for card in published if card.published)
    assert round(seconds / 3600, 1) == GPU_HOURS


def test_published_accuracies_are_fractions() -> None:
    for each in select("published"):
        assert each.published is not None
        assert 0.5 < each.published.accuracy < 1


def test_an_id_stands_once_and_names_the_factory_in_its_familys_file() -> None:
    rows = Path(zoo.__file__).with_name("catalogue.py").read_text(encoding="utf-8")
    for each in CARDS.values():
        assert rows.count(f'("{each.id}",') == 1
        functions = [node.name for node in ast.parse(each.source).body if isinstance(node, ast.FunctionDef)]
        assert each.id in functions


def test_every_paper_belongs_to_a_family() -> None:
    assert set(FAMILIES) == set(PAPERS)


def test_a_published_count_is_the_published_one_and_ours_is_not() -> None:
    for each in select("published"):
        assert each.published is not None
        assert each.published.params == (each.params if each.count == "published" else None)


def test_a_word_selects_by_id_by_family_by_pattern_or_the_published_rows() -> None:
    assert ids(select("vgg11")) == ["vgg11"]
    assert ids(select("mobilenetv3")) == ["mobilenetv3_large", "mobilenetv3_small"]
    assert ids(select("vgg1[13]")) == ["vgg11", "vgg13"]
    assert ids(select("shufflenet_g*")) == [f"shufflenet_g{groups}" for groups in (1, 2, 3, 4, 8)]
    assert len(select("published")) == 36
    assert select("*") == list(CARDS.values())


def test_an_id_that_is_also_a_family_selects_the_one_model() -> None:
    assert ids(select("mobilenet")) == ["mobilenet"]


@pytest.mark.parametrize(
    ("word", "near"), [("resnet81", "resnet18"), ("vggg", "vgg"), ("publishd", "published"), ("denseNet", "densenet")]
)
def test_an_unknown_word_is_answered_with_a_near_miss(word: str, near: str) -> None:
    with pytest.raises(UnknownModel, match=f"there is no model '{word}': did you mean {near}"):
        select(word)


def test_a_word_like_nothing_is_answered_with_where_to_look() -> None:
    with pytest.raises(UnknownModel, match="cifar-tui models lists all"):
        card("zzzzzz")


def test_listing_models_and_reading_their_pages_needs_no_torch() -> None:
    program = "import sys, zoo; [(c.story, c.year) for c in zoo.CARDS.values()]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_file_is_short_and_stands_alone(family: str) -> None:
    source = Path(zoo.__file__).with_name(f"{family}.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 200
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "a neighbour")
    assert {name.split(".")[0] for name in imported} <= {"torch"} | sys.stdlib_module_names


@pytest.mark.parametrize("family", FAMILIES)
def test_each_line_of_forward_ends_with_the_shape_it_gives(family: str) -> None:
    source = Path(zoo.__file__).with_name(f"{family}.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    forwards = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef) and n.name == "forward"]
    assert forwards
    for node in (node for forward in forwards for node in ast.walk(forward)):
        gives_a_tensor = isinstance(node, ast.Return) or (
            isinstance(node, ast.Assign) and isinstance(node.value, ast.Call | ast.BinOp)
        )
        if gives_a_tensor:
            assert isinstance(node, ast.stmt)
            assert "(N" in lines[(node.end_lineno or node.lineno) - 1].partition("#")[2], ast.unparse(node)
