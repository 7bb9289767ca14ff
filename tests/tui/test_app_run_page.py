"""The page of a run besides its curves: details and keys."""

from __future__ import annotations

import pytest

from store.records import Recipe, Run
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import done, until
from tui.details import details_of
from tui.screens.run import RunPage

RUN = done(
    "a1",
    "lenet",
    0.74,
    recipe=Recipe(learning_rate=0.1),
    environment={"torch": "2.9.1", "commit": "0123456789ab"},
    tags=("one", "two"),
    note="a remark",
)


async def test_details_tell_versions_files_and_every_setting(workbench: MakeWorkbench) -> None:
    bench = workbench([RUN])
    folder = bench.store.folder("a1")
    folder.mkdir(parents=True)
    (folder / "best.safetensors").write_bytes(bytes(248_800))
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "enter", "i")
        details = bench.app.screen.query_one("#all-facts")
        await until(pilot, lambda: bench.app.screen.query_one("#details").display and details.size.height > 0)
        text = str(details.render())
        for part in ("2.9.1", "0123456789ab", "#one #two", "a remark", "248.8 kB  the weights after its best epoch"):
            assert part in text
        assert "0.1  (published: 0.01)" in text
        await pilot.press("i")
        assert not bench.app.screen.query_one("#details").display


def test_every_setting_of_the_recipe_is_there() -> None:
    from pathlib import Path

    names = {name for name, _ in details_of(RUN, Path("nowhere"))}
    assert {field.replace("_", " ") for field in Recipe.__struct_fields__ if field != "name"} <= names


@pytest.mark.parametrize(
    ("status", "keys"),
    [("done", ""), ("failed", "r"), ("stopped", "r"), ("paused", "x r"), ("running", "p x"), ("queued", "p x")],
)
async def test_only_keys_that_mean_something_now_are_offered(workbench: MakeWorkbench, status: str, keys: str) -> None:
    from msgspec.structs import replace

    run: Run = replace(RUN, status=status)
    bench = workbench([run], writable=False)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        bench.app.push_screen(RunPage("a1"))
        await until(pilot, lambda: isinstance(bench.app.screen, RunPage))
        offered = [key for key in ("p", "x", "r") if key in bench.app.screen.active_bindings]
        assert offered == keys.split()
