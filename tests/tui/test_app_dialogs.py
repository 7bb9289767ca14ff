"""The dialogs: the recipe, and the images that are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, OptionList, Select

from store.errors import Problem
from store.records import Recipe
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, until
from trainer.cifar10 import Progress
from trainer.recipes import PRESETS, expected
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


def time(form: Screen[Any]) -> str:
    return str(form.query_one("#time").render())


async def test_the_arrows_go_from_line_to_line_through_the_whole_form(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        form = await open_form(bench, pilot)
        fields = [row.field for row in form.query(FieldRow)]

        def here() -> str | None:
            return bench.app.focused.name if isinstance(bench.app.focused, Input) else None

        await until(pilot, lambda: here() == fields[0])
        for field in fields[1:]:
            await pilot.press("down")
            assert here() == field
        await pilot.press("up")
        assert here() == fields[-2]


async def test_the_form_queues_seeds_and_changes_of_the_recipe(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        form = await open_form(bench, pilot)
        await pilot.press(
            "end", "backspace", "2", "tab", "end", "backspace", "5", "tab", "end", *["backspace"] * 3, "3", "enter"
        )
        await until(pilot, lambda: len(bench.app.runs) == 2)
        assert not form.is_attached
        assert [(run.seed, run.recipe) for run in bench.app.runs.values()] == [
            (5, Recipe(epochs=3)),
            (6, Recipe(epochs=3)),
        ]


async def test_the_form_says_how_long_all_of_it_takes(workbench: MakeWorkbench) -> None:
    runs = [done("a1", "lenet", 0.7, device="CPU", seconds=2000.0)]
    bench = workbench(runs)
    async with bench.app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: bench.app.device == "CPU")
        form = await open_form(bench, pilot)
        assert time(form) == "about 33m 20s in all"
        fill_in(form, "epochs", "20")
        fill_in(form, "seeds", "3")
        await until(pilot, lambda: time(form) == "about 10m 00s in all")
        await pilot.press("escape", "space", "space", "t")
        await until(pilot, lambda: isinstance(bench.app.screen, RecipeDialog) and bench.app.screen is not form)
        assert time(bench.app.screen).endswith("in all, guessed from other networks")


async def test_without_a_run_on_this_device_the_form_does_not_guess(workbench: MakeWorkbench) -> None:
    bench = workbench([done("a1", "lenet", 0.7, device="NVIDIA H100")])
    async with bench.app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: bench.app.device == "CPU")
        form = await open_form(bench, pilot)
        assert time(form) == "how long that takes is known after a first run on this device"


async def test_a_preset_fills_the_fields_and_says_in_a_line_what_it_is(
    workbench: MakeWorkbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "short", Recipe(name="short", epochs=7, augmentation="none"))
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        form = await open_form(bench, pilot)
        assert "200 epochs" in str(form.query_one("#preset").render())
        form.query_one(Select).value = "short"
        await until(pilot, lambda: str(form.query_one("#preset").render()) == "epochs 7, no augmentation")
        fill_in(form, "epochs", "8")
        await until(pilot, lambda: remark(form, "epochs") == "short: 7")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: str(form.query_one("#sum").render()) == "1 run: short")


async def test_every_field_is_checked_as_one_types(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=SMALL) as pilot:
        form = await open_form(bench, pilot)
        for field, text, complaint in [
            ("epochs", "0", "a whole number from 1 to 100,000"),
            ("learning_rate", "fast", "a number above 0 to 100"),
            ("schedule", "triangle", expected("schedule")),
            ("exact", "perhaps", "true or false"),
            ("seeds", "0", "a whole number from 1 to 1,000"),
            ("first_seed", "-1", "a whole number from 0 to 2,147,483,648"),
        ]:
            fill_in(form, field, text)
            await pilot.pause()
            assert remark(form, field) == complaint
        await pilot.press("enter")
        assert bench.app.screen is form, "what is wrong is not queued"
        assert "6 fields to mend" in str(form.query_one("#sum").render())


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
