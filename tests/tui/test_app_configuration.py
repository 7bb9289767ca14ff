"""The app as its user wants it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.widgets import Input

import tui.app
import tui.screens
import tui.widgets
from store.records import Recipe
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, epoch, until
from tui.settings import ACTIONS
from tui.widgets.curve import STYLES, Curve
from tui.widgets.table import RecordTable

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def toasts(bench: Workbench) -> list[str]:
    return [toast.message for toast in bench.app._notifications]


def own_bindings() -> Iterator[Binding]:
    """Of every class of ours."""
    for package in (tui.screens, tui.widgets):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    waiting: list[type] = [DOMNode]
    while waiting:
        owner = waiting.pop()
        waiting += owner.__subclasses__()
        if owner.__module__.startswith("tui."):
            yield from (binding for binding in vars(owner).get("BINDINGS", []) if not binding.system)


def test_every_key_of_ours_can_be_changed_under_a_name_that_is_known() -> None:
    assert {binding.id for binding in own_bindings()} == ACTIONS


def test_the_documentation_lists_every_action_and_no_other() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)) == ACTIONS


async def test_a_changed_key_does_what_it_is_for_and_the_old_one_does_not(
    workbench: MakeWorkbench, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text("[keys]\nmark = 'm'\nfilter = 'f5,ctrl+f'\n")
    bench = workbench([done("a1", "lenet", 0.7)])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        table = bench.app.screen.query_one(RecordTable)
        await pilot.press("space")
        assert not table.marked
        await pilot.press("m")
        assert table.marked == {"lenet"}
        await pilot.press("f5")
        assert bench.app.focused is bench.app.screen.query_one("#filter")
        await pilot.press("m")
        assert bench.app.screen.query_one("#filter", Input).value == "m", "a letter is still a letter where one types"


async def test_a_mistake_in_the_file_is_a_toast_and_the_app_goes_on(workbench: MakeWorkbench, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[app]\ntheme = 'neon'\n[keys]\nmarkk = 'm'\n")
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: any("[keys] has no 'markk': did you mean mark?" in line for line in toasts(bench)))
        assert any("there is no theme 'neon': there is" in line and "cifar-clear" in line for line in toasts(bench))
        assert bench.app.theme == "cifar-night"


async def test_a_key_that_meant_something_else_is_said_once(workbench: MakeWorkbench, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[keys]\ndelete = 't'\n")
    bench = workbench([done("a1", "lenet", 0.7)])
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "j", "k")
        lines = [line for line in toasts(bench) if "t has another meaning now, and not Tags" in line]
        assert len(lines) == 1


async def test_the_theme_of_the_file_goes_before_the_one_that_was_chosen(
    workbench: MakeWorkbench, tmp_path: Path
) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        bench.app.theme = "cifar-clear"
        await until(pilot, lambda: (tmp_path / "layout.json").exists())
    assert workbench().app.theme == "cifar-clear", "it is remembered"
    (tmp_path / "config.toml").write_text("[app]\ntheme = 'nord'\n")
    assert workbench().app.theme == "nord"


@pytest.mark.parametrize("bell", [True, False])
async def test_the_bell_rings_when_a_run_ends_unless_it_is_not_wanted(
    workbench: MakeWorkbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bell: bool
) -> None:
    (tmp_path / "config.toml").write_text(f"[app]\nbell = {str(bell).lower()}\n")
    rung: list[int] = []
    monkeypatch.setattr("textual.app.App.bell", lambda app: rung.append(1))
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        assert bench.app.queue is not None
        run = bench.app.queue.add("lenet", Recipe(epochs=1), dataset="synthetic")
        await until(pilot, lambda: run.id in bench.trainings)
        bench.trainings[run.id].handed.put(epoch(1))
        bench.trainings[run.id].handed.put(None)
        await until(pilot, lambda: any("Best 50.00%" in line for line in toasts(bench)))
        assert len(rung) == bell


async def test_without_colour_the_curves_of_a_run_differ_in_brightness(
    workbench: MakeWorkbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    bench = workbench([done("a1", "lenet", 0.7)])
    async with bench.app.run_test(size=(160, 50)) as pilot:
        await pilot.press("3", "enter")
        await until(pilot, lambda: bench.app.screen.query(Curve))
        curve = bench.app.screen.query(Curve).first()
        first, second = (curve.get_component_styles(style).color.brightness for style in STYLES)
        assert abs(first - second) > 0.2
