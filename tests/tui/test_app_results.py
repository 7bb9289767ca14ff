"""The results table: what stands beside the published numbers, and how many rows it takes."""

from __future__ import annotations

from rich.text import Text

from store.records import Recipe, Run
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, until
from tui.screens.results import PAGE, ResultsScreen
from tui.screens.run import RunPage

BIG = (200, 60)

RUNS = [
    done("a1", "lenet", 0.7431),
    done("a2", "lenet", 0.7502, seed=1),
    done("b1", "resnet18", 0.9415),
    done("c1", "densenet121_k12", 0.51, recipe=Recipe(epochs=3)),
    done("d1", "vit_h1_l8", 0.99, dataset="synthetic"),
    done("e1", "resnext29", 0.3, status="failed", error="loss became NaN at epoch 3, step 120", epochs_done=2),
]


def results(bench: Workbench) -> ResultsScreen:
    screen = bench.app.screen
    assert isinstance(screen, ResultsScreen)
    return screen


def cell(bench: Workbench, id: str, column: str) -> Text:
    text = results(bench).table.get_cell(id, column)
    assert isinstance(text, Text)
    return text


def under_the_table(bench: Workbench) -> str:
    return str(bench.app.screen.query_one("#count").render())


async def test_every_run_that_has_begun_is_there_the_newest_first(workbench: MakeWorkbench) -> None:
    waiting = done("w1", "vgg11", 0.0, status="queued", epochs_done=0, device="", best_accuracy=None)
    bench = workbench([*RUNS, waiting], writable=False)
    async with bench.app.run_test(size=BIG) as pilot:
        await pilot.press("3")
        ids = [row.key.value for row in results(bench).table.ordered_rows]
        assert ids == [run.id for run in reversed(RUNS)]


async def test_the_difference_is_plain_only_for_a_comparable_run(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=BIG) as pilot:
        await pilot.press("3")
        better, worse, equal, short = (cell(bench, id, "difference") for id in ("a2", "a1", "b1", "c1"))
        assert (better.plain, worse.plain, equal.plain) == ("▲ +0.28", "▼ −0.43", "= 0.00")
        assert short.plain == "▼ −42.51"
        quiet = results(bench).table.get_component_rich_style("table--quiet", partial=True)
        assert [span.style for span in short.spans] == [quiet]
        assert quiet not in [span.style for span in better.spans + worse.spans + equal.spans]
        assert cell(bench, "c1", "differs").plain == "epochs 3"


async def test_synthetic_data_never_stands_beside_published_numbers(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    for size in (BIG, (80, 24)):
        async with bench.app.run_test(size=size) as pilot:
            await pilot.press("3")
            assert cell(bench, "d1", "difference").plain == "synthetic data"
            assert cell(bench, "d1", "published").plain == "–"
        bench.close()
        bench = workbench(RUNS)


async def test_what_differs_is_said_for_the_row_under_the_cursor_even_when_it_is_narrow(
    workbench: MakeWorkbench,
) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        assert "not as published: 2 of 200 epochs" in under_the_table(bench)
        await pilot.press("j", "j")
        assert "not as published: epochs 3" in under_the_table(bench)
        await pilot.press("j")
        assert "not as published" not in under_the_table(bench)


async def test_time_and_size_are_written_as_the_published_table_writes_them(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=BIG) as pilot:
        await pilot.press("3")
        keys = [str(column.key.value) for column in results(bench).table.ordered_columns]
        row = {key: cell(bench, "a1", key).plain for key in keys}
        assert row["model"].strip() == "LeNet"
        assert (row["best"], row["last"], row["published"]) == ("74.31%", "74.21%", "74.74%")
        assert (row["time"], row["params"], row["size"]) == ("0h-39m-23s", "62,006", "0.25 MB")
        assert (row["status"], row["device"], row["seed"], row["id"]) == ("✓ done", "NVIDIA H100", "0", "a1")


async def test_many_runs_are_paged_and_the_brackets_turn_the_pages(workbench: MakeWorkbench) -> None:
    runs: list[Run] = [done(f"r{number:05}", "lenet", 0.7) for number in range(2 * PAGE + 10)]
    bench = workbench(runs)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        assert results(bench).table.row_count == PAGE
        assert "1–100 of 210 runs" in under_the_table(bench)
        await pilot.press("right_square_bracket", "right_square_bracket", "right_square_bracket")
        assert results(bench).table.row_count == 10
        assert "201–210 of 210 runs" in under_the_table(bench)
        await pilot.press("left_square_bracket")
        assert "101–200 of 210 runs" in under_the_table(bench)


async def test_the_filter_looks_in_model_status_device_and_seed(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        for query, found in [("failed", ["e1"]), ("lenet seed1", ["a2"]), ("h100", [r.id for r in reversed(RUNS)])]:
            await pilot.press("slash", *query)
            ids = [row.key.value for row in results(bench).table.ordered_rows]
            assert ids == found, query
            await pilot.press("escape")


async def test_enter_opens_the_page_of_a_run_with_its_reason_of_failure(workbench: MakeWorkbench) -> None:
    bench = workbench(RUNS)
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3", "enter")
        await until(pilot, lambda: isinstance(bench.app.screen, RunPage))
        assert "loss became NaN at epoch 3" in str(bench.app.screen.query_one("#facts").render())


async def test_without_runs_it_says_how_to_begin(workbench: MakeWorkbench) -> None:
    bench = workbench()
    async with bench.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        assert bench.app.screen.query_one("#empty").display
