"""`e`: what marked rows can be taken away as."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, epoch, until
from tui.screens.export import ExportDialog


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


async def opened(bench: Workbench, pilot: Pilot[None]) -> ExportDialog:
    await pilot.press("e")
    await until(pilot, lambda: isinstance(bench.app.screen, ExportDialog))
    dialog = bench.app.screen
    assert isinstance(dialog, ExportDialog)
    await until(pilot, lambda: dialog.query_one(Input).value, "a path is proposed")
    return dialog


async def choose(dialog: ExportDialog, pilot: Pilot[None], place: int) -> None:
    for _ in range(place):
        await pilot.press("down")
    await pilot.press("enter")
    await until(pilot, lambda: dialog.query_one(Input).has_focus)


async def test_the_network_under_the_cursor_becomes_a_notebook(workbench: MakeWorkbench, elsewhere: Path) -> None:
    bench = workbench()
    async with bench.app.run_test() as pilot:
        dialog = await opened(bench, pilot)
        await choose(dialog, pilot, 0)
        await pilot.press("enter")
        await until(pilot, lambda: not dialog.is_attached)
        assert json.loads((elsewhere / "lenet.ipynb").read_text())["nbformat"] == 4


async def test_marked_runs_become_a_table_in_the_format_of_its_ending(
    workbench: MakeWorkbench, elsewhere: Path
) -> None:
    bench = workbench([done(id, "lenet", 0.75, seed=seed) for seed, id in enumerate(("aaaa", "bbbb", "cccc"))])
    async with bench.app.run_test() as pilot:
        await pilot.press("3", "space", "down", "space")
        dialog = await opened(bench, pilot)
        await choose(dialog, pilot, 0)
        dialog.query_one(Input).value = "mine.csv"
        await pilot.press("enter")
        await until(pilot, lambda: not dialog.is_attached)
        with (elsewhere / "mine.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 2 and {row["Model"] for row in rows} == {"LeNet"}


async def test_logs_of_several_runs_go_to_a_folder(workbench: MakeWorkbench, elsewhere: Path) -> None:
    bench = workbench([done("aaaa", "lenet", 0.75), done("bbbb", "vgg11", 0.92)])
    bench.store.lines = {"aaaa": [epoch(1)], "bbbb": [epoch(1)]}
    async with bench.app.run_test() as pilot:
        await pilot.press("3", "space", "down", "space")
        dialog = await opened(bench, pilot)
        names = [str(option.prompt) for option in dialog.query_one(OptionList).options]
        await choose(dialog, pilot, next(place for place, name in enumerate(names) if name.startswith("Log")))
        await pilot.press("enter")
        await until(pilot, lambda: not dialog.is_attached)
        assert sorted(path.name for path in (elsewhere / "logs").iterdir()) == ["lenet-aaaa.txt", "vgg11-bbbb.txt"]


async def test_what_goes_wrong_is_said_in_the_dialog_which_stays(workbench: MakeWorkbench, elsewhere: Path) -> None:
    (elsewhere / "results.md").write_text("mine")
    bench = workbench()
    async with bench.app.run_test() as pilot:
        dialog = await opened(bench, pilot)
        await choose(dialog, pilot, 1)

        def said() -> str:
            return str(dialog.query_one("#state", Static).render())

        await pilot.press("enter")
        await until(pilot, lambda: "results.md is there already: choose another name" in said())
        assert (elsewhere / "results.md").read_text() == "mine"
        dialog.query_one(Input).value = "results.xls"
        await pilot.press("enter")
        await until(pilot, lambda: "results.xls must end with .md, .csv" in said())
        await pilot.press("escape")
        await until(pilot, lambda: not dialog.is_attached)


async def test_without_a_row_there_is_nothing_to_take_away(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test() as pilot:
        await pilot.press("3", "e")
        await pilot.pause()
        assert not isinstance(bench.app.screen, ExportDialog)
