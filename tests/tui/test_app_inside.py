"""Looking into a trained network, with evaluations that a test scripts."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest

from store.errors import Problem
from store.records import Run, Step
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, until
from trainer.evaluate import Evaluation, Mistake
from tui.screens.inside import InsidePage
from tui.screens.run import RunPage
from tui.widgets.matrix import ConfusionMatrix, bar
from tui.widgets.picture import ROWS, Picture

SMALL, BIG = (80, 24), (200, 60)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def found(pixels: bytes = bytes(3 * 32 * 32)) -> Evaluation:
    """Everything is right but 30 cats of 100, which are dogs."""
    confusion = [[100 * (column == row) for column in range(10)] for row in range(10)]
    confusion[3][3], confusion[3][5] = 70, 30
    mistakes = tuple(
        Mistake(place=number, true=3, predicted=5, confidence=0.99 - number / 100, pixels=pixels) for number in range(6)
    )
    return Evaluation(
        dataset="cifar10",
        classes=CLASSES,
        confusion=tuple(map(tuple, confusion)),
        loss=0.1,
        seconds=1.0,
        latency=0.001,
        repeats=30,
        device="CPU",
        worst=mistakes,
    )


@dataclass
class Script:
    """Stands in the place of a real evaluation."""

    result: Evaluation | Problem = field(default_factory=found)
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)  # cleared: it stays at its third batch

    def __call__(self, session: object, store: object, run: Run) -> Generator[Step, None, Evaluation]:
        self.begun.append(run.id)
        try:
            if isinstance(self.result, Problem):
                raise self.result
            yield Step(epoch=0, phase="test", step=3, steps=10)
            while not self.go.wait(0.01):
                yield Step(epoch=0, phase="test", step=3, steps=10)
            return self.result
        finally:
            self.ended.append(run.id)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    script.go.set()
    monkeypatch.setattr("tui.insight.steps_of", script)
    return script


def matrix(bench: Workbench) -> list[str]:
    return str(bench.app.screen.query_one(ConfusionMatrix).render()).splitlines()


def shown(bench: Workbench, selector: str) -> bool:
    return bench.app.screen.query_one(selector).display


async def open_inside(bench: Workbench, pilot: object) -> None:
    from textual.pilot import Pilot

    assert isinstance(pilot, Pilot)
    await pilot.press("3", "enter")
    await until(pilot, lambda: isinstance(bench.app.screen, RunPage))
    await pilot.press("m")
    await until(pilot, lambda: isinstance(bench.app.screen, InsidePage))


async def test_numbers_tell_everything_that_colours_do(workbench: MakeWorkbench, script: Script) -> None:
    bench = workbench([done("a1", "lenet", 0.97)])
    async with bench.app.run_test(size=SMALL) as pilot:
        await open_inside(bench, pilot)
        await until(pilot, lambda: shown(bench, "#found"))
        assert "97.00% of 1,000 test images of CIFAR-10, 30 mistakes" in str(
            bench.app.screen.query_one("#headline").render()
        )
        lines = matrix(bench)
        assert lines[0].split()[-11:] == [
            "airp",
            "auto",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "hors",
            "ship",
            "truc",
            "right",
        ]
        assert lines[4].split()[:12] == ["cat", "·", "·", "·", "70", "·", "30", "·", "·", "·", "·", "70.0%"]
        assert all(len(line) <= 80 for line in lines)
        assert "30  cat taken for dog" in str(bench.app.screen.query_one("#often").render())


async def test_the_worst_mistakes_are_pictures_with_true_and_predicted_class(
    workbench: MakeWorkbench, script: Script
) -> None:
    bench = workbench([done("a1", "lenet", 0.97)])
    async with bench.app.run_test(size=SMALL) as pilot:
        await open_inside(bench, pilot)
        await until(pilot, lambda: shown(bench, "#found"))
        assert not shown(bench, "#mistakes")
        await pilot.press("w")
        assert shown(bench, "#mistakes") and not shown(bench, "#classes")
        pictures = list(bench.app.screen.query(Picture))
        assert pictures[0].words == ["cat, image 0", "taken for dog, 99.0%"]
        await until(pilot, lambda: pictures[0].size.width == 32 and pictures[0].size.height > ROWS)
        mistakes = bench.app.screen.query_one("#mistakes")
        await pilot.press("pagedown")
        await until(pilot, lambda: mistakes.scroll_y >= 18)


async def test_where_there_is_room_both_are_seen(workbench: MakeWorkbench, script: Script) -> None:
    bench = workbench([done("a1", "lenet", 0.97)])
    async with bench.app.run_test(size=BIG) as pilot:
        await open_inside(bench, pilot)
        await until(pilot, lambda: shown(bench, "#found"))
        assert shown(bench, "#mistakes") and shown(bench, "#classes")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: not shown(bench, "#mistakes"))


async def test_it_tells_how_far_it_is_and_leaving_ends_it(workbench: MakeWorkbench, script: Script) -> None:
    script.go.clear()
    bench = workbench([done("a1", "lenet", 0.97)])
    async with bench.app.run_test(size=SMALL) as pilot:
        await open_inside(bench, pilot)
        doing = bench.app.screen.query_one("#doing")
        await until(pilot, lambda: "batch 3 of 10" in str(doing.render()))
        await pilot.press("escape")
        assert isinstance(bench.app.screen, RunPage)
        await until(pilot, lambda: script.ended == ["a1"])
        assert not bench.app.examined


async def test_it_is_worked_out_once(workbench: MakeWorkbench, script: Script) -> None:
    bench = workbench([done("a1", "lenet", 0.97)])
    async with bench.app.run_test(size=SMALL) as pilot:
        await open_inside(bench, pilot)
        await until(pilot, lambda: shown(bench, "#found"))
        await pilot.press("escape", "m")
        await until(pilot, lambda: isinstance(bench.app.screen, InsidePage) and shown(bench, "#found"))
        assert script.begun == ["a1"]


async def test_why_it_cannot_be_done_is_said_on_the_page(workbench: MakeWorkbench, script: Script) -> None:
    script.result = Problem("run a1 has no weights: none of its epochs was finished")
    bench = workbench([done("a1", "lenet", 0.97)])
    async with bench.app.run_test(size=SMALL) as pilot:
        await open_inside(bench, pilot)
        await until(pilot, lambda: "has no weights" in str(bench.app.screen.query_one("#doing").render()))


@pytest.mark.parametrize("no_color", [False, True])
async def test_a_picture_is_drawn_pixel_by_pixel(workbench: MakeWorkbench, script: Script, no_color: bool) -> None:
    white_above = bytes(255 if at % 1024 < 512 else 0 for at in range(3 * 1024))
    script.result = found(white_above)
    bench = workbench([done("a1", "lenet", 0.97)])
    bench.app.no_color = no_color
    async with bench.app.run_test(size=BIG) as pilot:
        await open_inside(bench, pilot)
        await until(pilot, lambda: bench.app.screen.query(Picture))
        picture = bench.app.screen.query(Picture).first()
        await until(pilot, lambda: picture.size.height > ROWS)
        above, below = picture.render_line(0), picture.render_line(15)
        if no_color:
            assert (above.text, below.text) == ("@" * 32, " " * 32)
        else:
            assert above.text == below.text == "▀" * 32
            colours = {(segment.style.color.name, segment.style.bgcolor.name) for segment in above if segment.style}  # type: ignore[union-attr]
            assert colours == {("#ffffff", "#ffffff")}


def test_a_bar_is_as_long_as_its_share() -> None:
    assert bar(0.0, 8) == ""
    assert bar(1.0, 8) == "█" * 8
    assert bar(0.5, 8) == "████"
    assert bar(1 / 64, 8) == "▏"
