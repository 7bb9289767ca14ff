"""The README's pictures, taken from the running app: `python docs/pictures.py [--home HOME] [--data DIR|synthetic]`.

Two short trainings are queued from the keyboard as a user would; nothing in the pictures is made up. A HOME that holds
runs already shows them in the results, too.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from store.records import Recipe
from store.runs import RunStore
from trainer.queue import JobQueue, opener
from tui.app import CifarApp
from tui.session import Session

PICTURES = Path(__file__).parent / "pictures"
SIZE = (100, 28)
RECIPE = Recipe(epochs=12, train_limit=5000, test_limit=1000)  # a minute or two on a laptop


async def take(session: Session) -> None:
    """Run the app and take a picture of each mode."""
    with RunStore.open(session.home) as store:
        app = CifarApp(session, store, lambda tell: JobQueue(store, opener(session.source_of), session.devices, tell))
        async with app.run_test(size=SIZE) as pilot:
            await pilot.press("space", "j", "j", "j", "space", "k", "k")
            await pilot.pause(1)
            picture(app, "catalogue")
            assert app.queue is not None
            for model in ("lenet", "vgg11"):
                app.queue.add(model, RECIPE, dataset=session.source.name, data_folder=str(session.source.folder))
            await pilot.press("2")
            await until(pilot, lambda: any(run.epochs_done >= 5 for run in store.runs() if not run.is_over))
            await pilot.pause(0.5)
            picture(app, "queue")
            await pilot.press("3")
            await pilot.pause(1)
            picture(app, "results")
            app.exit()
        app.queue.close()


def picture(app: CifarApp, name: str) -> None:
    app.save_screenshot(f"{name}.svg", str(PICTURES))


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    while not true():
        await pilot.pause(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=None, help="of the runs to show; a temporary one unless said")
    parser.add_argument("--data", default=None)
    options = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(take(Session(home=options.home or Path(temporary) / "home", data=options.data)))


if __name__ == "__main__":
    main()
