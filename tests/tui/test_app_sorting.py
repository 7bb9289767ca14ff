"""Sorting the catalogue."""

from __future__ import annotations

from textual.pilot import Pilot
from textual.widgets import OptionList

from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, until
from tui.screens.catalogue import CatalogueScreen
from tui.screens.sorting import SortDialog
from tui.widgets.table import AnyTable, Column, Sorting, in_order
from zoo import CARDS

SMALL = (80, 24)


def models(bench: Workbench) -> list[str | None]:
    return [row.key.value for row in bench.app.screen.query_one(AnyTable).ordered_rows]


def headings(bench: Workbench) -> list[str]:
    return [str(column.label).strip() for column in bench.app.screen.query_one(AnyTable).ordered_columns]


async def sort_by(bench: Workbench, pilot: Pilot[None], label: str) -> None:
    """Choose a column in the dialog, with the keyboard."""
    await pilot.press("s")
    await until(pilot, lambda: isinstance(bench.app.screen, SortDialog))
    choices = bench.app.screen.query_one(OptionList)
    labels = [str(option.prompt).rstrip(" ▲▼") for option in choices.options]
    await pilot.press("home", *["j"] * labels.index(label), "enter")
    await until(pilot, lambda: isinstance(bench.app.screen, CatalogueScreen))


async def test_s_sorts_by_a_column_and_the_heading_shows_it(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await sort_by(bench, pilot, "MACs")
        counts = [CARDS[str(id)].macs or 0 for id in models(bench)]
        assert counts == sorted(counts)
        assert len(counts) == len(CARDS)
        assert "MACs ▲" in headings(bench)
        assert bench.app.screen.query_one(AnyTable).current == "lenet"


async def test_accuracies_begin_with_the_best_and_what_has_none_comes_last(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await sort_by(bench, pilot, "Published")
        assert models(bench)[:2] == ["densenet121_k32", "densenet169_k32"]
        assert all(CARDS[str(id)].published is None for id in models(bench)[36:])
        assert any(heading.endswith("▼") for heading in headings(bench))


async def test_capital_s_turns_the_order_round_and_keeps_what_has_no_value_last(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await sort_by(bench, pilot, "Published")
        await pilot.press("S")
        await until(pilot, lambda: models(bench)[0] == "lenet")
        assert models(bench)[36:] == [id for id, card in CARDS.items() if card.published is None]


async def test_the_same_column_again_turns_round_and_the_first_choice_is_the_published_order(
    workbench: MakeWorkbench,
) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await sort_by(bench, pilot, "Params")
        await sort_by(bench, pilot, "Params")
        assert models(bench)[0] == "resnet152"
        await sort_by(bench, pilot, "Published order")
        assert models(bench) == list(CARDS)
        assert not any("▼" in heading or "▲" in heading for heading in headings(bench))


async def test_a_sorted_table_names_the_family_in_every_row(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(160, 50)) as pilot:
        table = bench.app.screen.query_one(AnyTable)
        assert str(table.get_cell("vgg13", "family")) == ""
        await sort_by(bench, pilot, "Family")
        assert all(str(table.get_cell(id, "family")) == CARDS[id].family for id in CARDS)


async def test_marked_networks_are_queued_in_the_order_of_the_table(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("slash", *"vgg", "enter", "A")
        await sort_by(bench, pilot, "Params")
        await pilot.press("S", "a")
        await until(pilot, lambda: len(bench.app.runs) == 4)
        assert [run.model for run in bench.app.runs.values()] == ["vgg19", "vgg16", "vgg13", "vgg11"]


async def test_a_heading_that_is_clicked_sorts(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.click(AnyTable, offset=(33, 0))
        await until(pilot, lambda: models(bench)[:2] == ["lenet", "pnasnet_a"], "sorted by parameters")
        await pilot.click(AnyTable, offset=(33, 0))
        await until(pilot, lambda: models(bench)[0] == "resnet152")


async def test_time_here_is_measured_or_guessed_and_says_which(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.7, device="CPU", seconds=2363.0)])
    async with bench.app.run_test(size=SMALL) as pilot:
        table = bench.app.screen.query_one(AnyTable)
        await until(pilot, lambda: str(table.get_cell("lenet", "time")) == "39m 23s")
        assert str(table.get_cell("alexnet", "time")).startswith("~")


async def test_without_runs_on_this_device_no_time_is_shown(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.7, device="NVIDIA H100")])
    async with bench.app.run_test(size=SMALL) as pilot:
        table = bench.app.screen.query_one(AnyTable)
        await until(pilot, lambda: bench.app.device == "CPU")
        assert {str(table.get_cell(id, "time")) for id in CARDS} == {"–"}


def test_equal_rows_keep_the_order_they_had() -> None:
    rows = {"a": 2, "b": 1, "c": 2, "d": 1}
    columns = [Column[int]("n", "N", 3, lambda n, _: str(n), rank=0, order=lambda n: n)]
    assert list(in_order(rows, columns, Sorting("n", falling=False))) == ["b", "d", "a", "c"]
    assert list(in_order(rows, columns, Sorting("n", falling=True))) == ["a", "c", "b", "d"]
    assert list(in_order(rows, columns, Sorting("gone", falling=True))) == list(rows)


async def test_the_order_of_the_catalogue_is_remembered(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await sort_by(bench, pilot, "MACs")
        await pilot.press("S")
    again = workbench()
    async with again.app.run_test(size=SMALL) as pilot:
        counts = [CARDS[str(id)].macs or 0 for id in models(again)]
        assert counts == sorted(counts, reverse=True)
        assert "MACs ▼" in headings(again)
        await sort_by(again, pilot, "Published order")
    third = workbench()
    async with third.app.run_test(size=SMALL):
        assert models(third) == list(CARDS)
