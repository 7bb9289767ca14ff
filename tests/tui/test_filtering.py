"""The language in which results are filtered."""

from __future__ import annotations

import pytest

from store.records import Recipe
from tests.tui.scripted import done
from tui.filtering import FIELDS, read_filter

RUNS = {
    "a1": done("a1", "lenet", 0.7431, tags=("baseline", "old"), note="as published"),
    "a2": done("a2", "lenet", 0.7502, seed=1),
    "b1": done("b1", "resnet18", 0.9415, params=11_173_962, seconds=5400.0),
    "c1": done("c1", "densenet121_k12", 0.51, recipe=Recipe(epochs=3), epochs_done=3),
    "d1": done("d1", "resnet18", 0.99, dataset="synthetic"),
    "e1": done("e1", "resnext29", 0.3, status="failed", best_accuracy=None, last_accuracy=None, epochs_done=0),
}


def found(query: str) -> str:
    test, fault = read_filter(query)
    assert not fault
    return " ".join(id for id, run in RUNS.items() if test(run))


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", "a1 a2 b1 c1 d1 e1"),
        ("acc>0.9", "b1 d1"),
        ("acc>90", "b1 d1"),
        ("best>90%", "b1 d1"),
        ("acc<=0.7431", "a1 c1"),
        ("last=74.21%", "a1"),
        ("diff>0", "a2"),
        ("diff>=0", "a2 b1"),
        ("diff:-0.43", "a1"),
        ("epochs<200", "c1 e1"),
        ("seed:1", "a2"),
        ("params>1M", "b1"),
        ("params=62006", "a1 a2 c1 d1 e1"),
        ("time>1h", "b1"),
        ("time:1h30m", "b1"),
        ("time>=5400", "b1"),
        ("family:resnet", "b1 d1"),
        ("family=resnet", "b1 d1"),
        ("model:rn18", "b1 d1"),
        ("status:failed", "e1"),
        ("not status:failed lenet", "a1 a2"),
        ("NOT lenet NOT family:resnet", "c1 e1"),
        ("data:synthetic", "d1"),
        ("data!=synthetic acc>0.9", "b1"),
        ("device:h100 seed:1", "a2"),
        ("recipe:epochs", "c1"),
        ("tag:baseline", "a1"),
        ("tag=old", "a1"),
        ("tag=ol", ""),
        ('note:"as pub"', "a1"),
        ("baseline", "a1"),
        ("id=a2", "a2"),
        ("k=12", "c1"),
        ("dense k=1", "c1"),
    ],
)
def test_what_is_asked_for_is_found(query: str, ids: str) -> None:
    assert found(query) == ids


@pytest.mark.parametrize("query", ["acc>0", "acc<1", "acc!=0.5", "not acc>2", "last>0"])
def test_a_run_without_a_number_is_found_by_no_comparison_of_it(query: str) -> None:
    assert ("e1" in found(query).split()) is query.startswith("not")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("acx>0.9", "there is no field acx: did you mean acc? there is acc, best"),
        ("zzzz:1", "there is no field zzzz: there is acc, best"),
        ("acc>", "acc is compared with a number, e.g. acc>0.9"),
        ("acc>much", "acc is compared with a number"),
        ("time>soon", "time is compared with a number, e.g. time>1h30m"),
        ("status>failed", "status is text: it has status:part"),
        ("lenet not", "after not there should be something"),
    ],
)
def test_what_cannot_be_understood_is_said_in_one_line(query: str, says: str) -> None:
    _, fault = read_filter(query)
    assert says in fault
    assert "\n" not in fault


def test_what_is_understood_counts_beside_what_is_not() -> None:
    test, fault = read_filter("acc>0.9 stat: not data:synthetic")
    assert "did you mean status?" in fault
    assert [id for id, run in RUNS.items() if test(run)] == ["b1"]


def test_no_prefix_of_a_query_does_harm() -> None:
    """As it is typed, letter by letter, with open quotes and all."""
    query = 'acc>=0.9 not tag:"seed study" diff!=−0.5 params<11M time>1h30m k=12'
    for end in range(len(query) + 1):
        test, _ = read_filter(query[:end])
        for run in RUNS.values():
            assert test(run) in (True, False)


def test_the_help_names_every_field() -> None:
    from tui.screens.results import ResultsFilter

    words = ResultsFilter.HELP.replace("`", " ").split()
    assert set(FIELDS) <= set(words)
