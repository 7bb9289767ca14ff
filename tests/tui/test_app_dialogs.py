"""The dialogs: the recipe, and the images that are missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from store.errors import Problem
from store.records import Recipe
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, until
from trainer.cifar10 import Progress
from trainer.source import Source
from tui.screens.data import DataDialog
from tui.screens.recipe import FieldRow, RecipeDialog

SMALL = (80, 24)


async def open_form(bench: Workbench, pilot: Pilot[None]) -> RecipeDialog:
    await pilot.press("t")
    await until(pilot, lambda: isinstance(bench.app.screen, RecipeDialog))
    form = bench.app.screen
    assert isinstance(form, RecipeDialog)
    return form


def fill_in(form: RecipeDialog, field: str, text: str) -> None:
    row = next(row for row in form.query(FieldRow) if row.field == field)
    row.query_one(Input).value = text


def remark(form: RecipeDialog, field: str) -> str:
    row = next(row for row in form.query(FieldRow) if row.field == field)
    return str(row.query_one(".remark").render())


async def test_the_form_queues_seeds_and_changes_of_the_recipe(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        form = await open_form(bench, pilot)
        await pilot.press("end", "backspace", "2", "tab", "end", *["backspace"] * 3, "3", "enter")
        await until(pilot, lambda: len(bench.app.runs) == 2)
        assert not form.is_attached
        assert [(run.seed, run.recipe) for run in bench.app.runs.values()] == [
            (0, Recipe(epochs=3)),
            (1, Recipe(epochs=3)),
        ]


async def test_every_field_is_checked_as_one_types(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        form = await open_form(bench, pilot)
        for field, text, complaint in [
            ("epochs", "0", "a whole number from 1 to 100,000"),
            ("learning_rate", "fast", "a number above 0 to 100"),
            ("schedule", "linear", "constant or cosine"),
            ("exact", "perhaps", "true or false"),
            ("seeds", "0", "a whole number from 1 to 1,000"),
        ]:
            fill_in(form, field, text)
            await pilot.pause()
            assert remark(form, field) == complaint
        await pilot.press("enter")
        assert bench.app.screen is form, "what is wrong is not queued"
        assert "5 fields to mend" in str(form.query_one("#sum").render())


async def test_the_difference_to_the_preset_is_shown(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("space", "space")
        form = await open_form(bench, pilot)
        fill_in(form, "epochs", "20")
        fill_in(form, "train_limit", "1000")
        await pilot.pause()
        assert remark(form, "epochs") == "published: 200"
        assert remark(form, "train_limit") == "published: none"
        assert str(form.query_one("#sum").render()) == "2 runs: published, epochs 20, train limit 1000"


async def test_escape_queues_nothing_and_keeps_the_marks(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        await pilot.press("space")
        form = await open_form(bench, pilot)
        await pilot.press("escape")
        await until(pilot, lambda: bench.app.screen is not form)
        assert bench.app.runs == {}
        assert "1 marked" in str(bench.app.screen.query_one("#count").render())


async def open_data(bench: Workbench, pilot: Pilot[None]) -> DataDialog:
    await pilot.press("a")
    await until(pilot, lambda: isinstance(bench.app.screen, DataDialog))
    dialog = bench.app.screen
    assert isinstance(dialog, DataDialog)
    return dialog


def state(dialog: DataDialog) -> str:
    return str(dialog.query_one("#state").render())


async def test_missing_images_are_offered_in_three_ways_and_synthetic_ones_are_named_so(
    workbench: MakeWorkbench, tmp_path: Path
) -> None:
    bench = workbench(data=str(tmp_path / "nothing"))
    async with bench.app.run_test(size=SMALL) as pilot:
        dialog = await open_data(bench, pilot)
        assert dialog.query_one(OptionList).option_count == 3
        await pilot.press("j", "j", "enter")
        await until(pilot, lambda: bench.app.runs)
        assert [run.dataset for run in bench.app.runs.values()] == ["synthetic"]
        assert "not CIFAR-10" in str(bench.app.screen.query_one("TopBar").render())


async def test_escape_leaves_the_images_missing_and_the_queue_empty(workbench: MakeWorkbench, tmp_path: Path) -> None:
    bench = workbench(data=str(tmp_path / "nothing"))
    async with bench.app.run_test(size=SMALL) as pilot:
        dialog = await open_data(bench, pilot)
        await pilot.press("escape")
        await until(pilot, lambda: bench.app.screen is not dialog)
        assert bench.app.runs == {}


async def test_an_import_that_fails_says_why_and_offers_the_ways_again(
    workbench: MakeWorkbench, tmp_path: Path
) -> None:
    bench = workbench(data=str(tmp_path / "nothing"))
    async with bench.app.run_test(size=SMALL) as pilot:
        dialog = await open_data(bench, pilot)
        await pilot.press("j", "enter", *"/no/such", "enter")
        await until(pilot, lambda: "no file or folder /no/such" in state(dialog))
        assert not dialog.query_one(OptionList).disabled


async def test_a_download_shows_progress_and_then_queues(
    workbench: MakeWorkbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(source: Source, *, progress: Progress, **_: object) -> bool:
        progress(85_000_000, 170_000_000)
        return True

    monkeypatch.setattr("trainer.download.download", download)
    bench = workbench(data=str(tmp_path / "nothing"))
    async with bench.app.run_test(size=SMALL) as pilot:
        await open_data(bench, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: bench.app.runs)
        (run,) = bench.app.runs.values()
        assert (run.dataset, run.data_folder) == ("cifar10", str(tmp_path / "nothing"))


async def test_escape_cancels_a_download_and_keeps_the_dialog(
    workbench: MakeWorkbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(source: Source, *, progress: Progress, **_: object) -> bool:
        while True:
            progress(1_000_000, 170_000_000)

    monkeypatch.setattr("trainer.download.download", endless)
    bench = workbench(data=str(tmp_path / "nothing"))
    async with bench.app.run_test(size=SMALL) as pilot:
        dialog = await open_data(bench, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "1.0 MB of 170.0 MB" in state(dialog))
        await pilot.press("escape")
        await until(pilot, lambda: "Cancelled" in state(dialog))
        assert bench.app.screen is dialog


async def test_a_download_without_a_mirror_says_so(
    workbench: MakeWorkbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(source: Source, **_: object) -> bool:
        raise Problem("no mirror has it")

    monkeypatch.setattr("trainer.download.download", unreachable)
    bench = workbench(data=str(tmp_path / "nothing"))
    async with bench.app.run_test(size=SMALL) as pilot:
        dialog = await open_data(bench, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: state(dialog) == "no mirror has it")
