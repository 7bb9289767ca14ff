"""A second app on the same home: it shows what happens there, and changes nothing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, epoch, until
from tui.screens.catalogue import CatalogueScreen
from tui.widgets.bar import TopBar
from tui.widgets.live import LiveCard

RUNNING = replace(done("a1", "lenet", 0.5), status="running", epochs_done=0, best_accuracy=None)


def toasts(bench: Workbench) -> list[str]:
    return [toast.message for toast in bench.app._notifications]


@pytest.mark.parametrize("keys", [["a"], ["t"], ["2", "x"], ["2", "p"], ["2", "r"], ["2", "R"], ["3", "R"]])
async def test_every_key_that_changes_something_says_who_could(workbench: MakeWorkbench, keys: list[str]) -> None:
    bench = workbench([RUNNING], writable=False)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*keys)
        await until(pilot, lambda: any("process 4711 on host desk" in toast for toast in toasts(bench)))
        assert bench.store.run("a1") == RUNNING
        if len(keys) == 1:
            assert isinstance(bench.app.screen, CatalogueScreen), "no dialog for what cannot be done"


async def test_it_says_so_in_the_top_line(workbench: MakeWorkbench) -> None:
    bench = workbench([RUNNING], writable=False)
    async with bench.app.run_test(size=(80, 24)):
        assert "read only" in str(bench.app.screen.query_one(TopBar).render())


async def test_it_follows_what_the_owner_writes(workbench: MakeWorkbench) -> None:
    bench = workbench([RUNNING], writable=False)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        card = str(bench.app.screen.query_one(LiveCard).render())
        assert "best –" in card and "in another process" in card
        bench.store.append("a1", epoch(1, 0.45))
        await until(pilot, lambda: "best 45.00%" in str(bench.app.screen.query_one(LiveCard).render()))
        bench.store.save(replace(RUNNING, status="done"))
        await until(pilot, lambda: not bench.app.screen.query(LiveCard))
