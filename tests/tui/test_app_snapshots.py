"""Each screen as text, at the smallest size and at a roomy one.

After a change that is meant: `UPDATE_SNAPSHOTS=1 pytest tests/tui/test_app_snapshots.py`, and look at the difference.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from store.records import Recipe, Run
from tests.tui.conftest import MakeWorkbench
from tests.tui.scripted import Workbench, done, epoch, step, until
from tests.tui.test_app_inside import found
from trainer.source import Source
from zoo import CARDS

SNAPSHOTS = Path(__file__).with_name("snapshots")
UPDATE = bool(os.environ.get("UPDATE_SNAPSHOTS"))
FOUR = ("cuda:0", "cuda:1", "cuda:2", "cuda:3")
SIZES = [(80, 24), (160, 50)]

RUNS = [
    done("a1", "lenet", 0.7431),
    done("a2", "lenet", 0.7502, seed=1),
    done("b1", "resnet18", 0.9415),
    done("c1", "densenet121_k12", 0.51, recipe=Recipe(epochs=3)),
    done("d1", "vit_h1_l8", 0.99, dataset="synthetic"),
    done("e1", "resnext29", 0.3, status="failed", error="loss became NaN at epoch 3, step 120", epochs_done=2),
]

Prepare = Callable[[Workbench, Pilot[None]], Awaitable[None]]


async def train(bench: Workbench, pilot: Pilot[None]) -> None:
    """A run in its thirteenth epoch, one that waits, one that is paused, one that was stopped."""
    queue = bench.app.queue
    assert queue is not None
    models = ("lenet", "resnet18", "vgg16", "densenet121_k12")
    runs: list[Run] = [queue.add(id, Recipe(), seed=seed, dataset="cifar10") for seed, id in enumerate(models)]
    await until(pilot, lambda: runs[0].id in bench.trainings)
    for number in range(1, 13):
        bench.trainings[runs[0].id].handed.put(epoch(number, 0.3 + 0.04 * number - 0.0015 * number**2))
    bench.trainings[runs[0].id].handed.put(step(13, 213, 1.2345, 0.5612))
    queue.pause(runs[2].id)
    queue.stop(runs[3].id)
    await until(pilot, lambda: any(known.step == 213 for known in bench.app.steps.values()))


async def train_on_four(bench: Workbench, pilot: Pilot[None]) -> None:
    """Four runs that train, each on its own device, and two that wait for a device."""
    assert bench.app.queue is not None
    models = ("vgg16", "resnet18", "googlenet", "densenet121_k12", "lenet", "vgg11")
    pins = (*FOUR, "cuda:2", "cuda:9")
    for seed, (model, pin) in enumerate(zip(models, pins, strict=True)):
        bench.app.queue.add(model, Recipe(), seed=seed, dataset="cifar10", pinned_to=pin)
    await until(pilot, lambda: len(bench.trainings) == 4)
    for training in bench.trainings.values():
        for number in range(1, 13):
            training.handed.put(epoch(number, 0.3 + 0.04 * number - 0.0015 * number**2))
        training.handed.put(step(13, 213, 1.2345, 0.5612))
    await until(pilot, lambda: sum(known.step == 213 for known in bench.app.steps.values()) == 4)


async def give_curves(bench: Workbench, pilot: Pilot[None]) -> None:
    """Ten epochs for two of the runs."""
    for number in range(1, 11):
        bench.store.append("a1", epoch(number, 0.3 + 0.04 * number))
        bench.store.append("b1", epoch(number, 0.5 + 0.03 * number))


async def look_inside(bench: Workbench, pilot: Pilot[None]) -> None:
    """What was found inside the newest run is known already."""
    run = bench.store.run("e1")
    bench.app.examined[run.id, run.best_epoch] = found()


async def miss_images(bench: Workbench, pilot: Pilot[None]) -> None:
    """CIFAR-10 is not there."""
    bench.app.source = Source("cifar10", Path("images"))
    bench.app.redraw()


async def nothing(bench: Workbench, pilot: Pilot[None]) -> None:
    """The screen as it is."""


CASES: dict[str, tuple[Prepare, list[str]]] = {
    "catalogue": (nothing, ["space", "j", "space"]),
    "catalogue-filter": (nothing, ["slash", *"dense k=1"]),
    "catalogue-help": (nothing, ["question_mark"]),
    "catalogue-sorted": (nothing, ["s", "j", "j", "j", "enter"]),
    "sort": (nothing, ["s"]),
    "plot": (nothing, ["j", "p"]),
    "model": (nothing, ["enter"]),
    "recipe": (nothing, ["t", "tab", "tab", "end", "backspace", "x"]),
    "queue": (train, ["2"]),
    "queue-devices": (train_on_four, ["2"]),
    "queue-empty": (nothing, ["2"]),
    "results": (nothing, ["3"]),
    "results-columns": (nothing, ["3", "v"]),
    "results-delete": (nothing, ["3", "A", "d"]),
    "results-fault": (nothing, ["3", "slash", *"acc>0.5 stat:do"]),
    "comparison": (give_curves, ["3", *["j"] * 3, "space", "j", "space", "c"]),
    "results-tags": (nothing, ["3", "t"]),
    "results-export": (nothing, ["3", "e"]),
    "missing-images": (miss_images, ["a"]),
    "run": (train, ["2", "enter"]),
    "log": (give_curves, ["3", *["j"] * 5, "enter", "l"]),
    "inside": (look_inside, ["3", "enter", "m"]),
}


SMALL_ONLY = {
    "catalogue-filter", "queue-empty", "sort", "results-columns", "results-delete", "results-fault", "results-tags",
    "results-export", "missing-images",
}  # fmt: skip


def shown(case: str, size: tuple[int, int]) -> bool:
    """The roomy size is worth its time only where it shows something else."""
    return size == SIZES[0] or case not in SMALL_ONLY


def screen_text(bench: Workbench) -> str:
    """What one would see, without colours."""
    strips = bench.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips) + "\n"


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is seen depends neither on the time zone nor on the folder."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir("/")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("case", "size"),
    [
        pytest.param(case, size, id=f"{case}-{size[0]}x{size[1]}")
        for case in CASES
        for size in SIZES
        if shown(case, size)
    ],
)
async def test_the_screen_looks_as_it_did(
    workbench: MakeWorkbench, monkeypatch: pytest.MonkeyPatch, case: str, size: tuple[int, int]
) -> None:
    published = {id: card for id, card in CARDS.items() if card.published}
    monkeypatch.setattr("tui.networks.CARDS", published)
    monkeypatch.setattr("tui.screens.catalogue.CARDS", published)
    prepare, keys = CASES[case]
    file = SNAPSHOTS / f"{case}-{size[0]}x{size[1]}.txt"
    monkeypatch.setattr("trainer.device.visible_gpu_names", lambda: ["NVIDIA H100 80GB HBM3"] * 4)
    bench = workbench(RUNS, devices=FOUR if prepare is train_on_four else ("cpu",))
    async with bench.app.run_test(size=size) as pilot:
        await prepare(bench, pilot)
        await pilot.press(*keys)
        if UPDATE:
            await asyncio.sleep(2)
            file.parent.mkdir(exist_ok=True)
            file.write_text(screen_text(bench), encoding="utf-8")
        wanted = file.read_text(encoding="utf-8")
        for _ in range(100):
            await pilot.pause()
            if screen_text(bench) == wanted:
                break
            await asyncio.sleep(0.05)
        assert screen_text(bench) == wanted
