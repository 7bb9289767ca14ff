"""The first frame comes before anything heavy is loaded."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest
from textual.widgets import Static

from store.errors import StoreError
from store.runs import RunStore
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import done, until
from trainer.queue import JobQueue, opener
from tui.app import CifarApp
from tui.session import Session
from tui.theme import CLEAR, NIGHT

FIRST_FRAME = """
import asyncio, sys
from pathlib import Path
from store.runs import RunStore
from trainer.queue import JobQueue, opener
from tui.app import CifarApp
from tui.session import Session

async def main():
    session = Session(home=Path(sys.argv[1]), data="synthetic", devices=("cpu",))
    with RunStore.open(session.home) as store:
        app = CifarApp(session, store, lambda tell: JobQueue(store, opener(session.source_of), ["cpu"], tell))
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert "LeNet" in str(app.screen.query_one("#catalogue").get_row_at(0)[0]), "the table is there"
            print(*(name for name in ("torch", "numpy", "torchvision", "textual_plot") if name in sys.modules))
            for key in ("3", "2", "1", "slash", "v", "enter", "question_mark"):
                await pilot.press(key)
            print(*(name for name in ("torch", "numpy", "torchvision", "textual_plot") if name in sys.modules))
        app.queue.close()

asyncio.run(main())
"""


def test_neither_the_first_frame_nor_the_three_modes_load_torch_or_numpy(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIRST_FRAME, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "\n\n"


async def test_garbage_is_collected_again_once_the_first_frame_is_drawn(workbench: MakeWorkbench) -> None:
    gc.disable()  # as tui/start.py does
    try:
        bench = workbench()
        async with bench.app.run_test(size=(80, 24)) as pilot:
            await until(pilot, gc.isenabled)
    finally:
        gc.enable()
        gc.unfreeze()


async def test_a_theme_reaches_the_screens_that_are_not_seen(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2", "1")
        bench.app.theme = CLEAR.name
        await until(pilot, lambda: bench.app.screen.styles.background.hex == str(CLEAR.background).upper())
        await pilot.press("2")
        await until(pilot, lambda: bench.app.screen.styles.background.hex == str(CLEAR.background).upper())


async def test_the_first_frame_has_the_colours_of_the_theme(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)):
        assert bench.app.theme == NIGHT.name
        assert bench.app.screen.styles.background.hex == str(NIGHT.background).upper()
        assert bench.app.has_class("-dark-mode")


def an_app(store: RunStore) -> CifarApp:
    session = Session(home=store.home, data="synthetic", devices=("cpu",))
    return CifarApp(session, store, lambda tell: JobQueue(store, opener(session.source_of), ["cpu"], tell))


async def test_the_first_frame_does_not_wait_for_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunStore.open(tmp_path) as store:
        store.add(done("a1", "lenet", 0.7))
    may_read, read = Event(), RunStore.read
    monkeypatch.setattr(RunStore, "read", lambda store: (may_read.wait(20), read(store))[1])
    with RunStore.open(tmp_path, read_later=True) as store:
        app = an_app(store)
        async with app.run_test(size=(80, 24)) as pilot:
            assert "LeNet" in str(app.screen.query_one("#catalogue").get_row_at(0)[0])  # type: ignore[attr-defined]
            assert not app.runs
            await pilot.press("3")
            assert not app.screen.query_one("#empty", Static).display, "nobody knows yet that nothing was trained"
            may_read.set()
            await until(pilot, lambda: list(app.runs) == ["a1"])
            await until(pilot, lambda: app.screen.query_one("#results").row_count == 1)  # type: ignore[attr-defined]
        assert app.queue is not None
        app.queue.close()


async def test_a_store_that_cannot_be_read_after_all_ends_the_app_with_its_reason(tmp_path: Path) -> None:
    RunStore.open(tmp_path).close()
    with RunStore.open(tmp_path, read_later=True) as store:
        file = tmp_path / "results.json"
        file.write_text(file.read_text().replace('"schema":1', '"schema":99'))
        app = an_app(store)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app.problem is not None)
        assert isinstance(app.problem, StoreError) and "newer cifar-tui" in str(app.problem)
        assert app.return_code == 1
