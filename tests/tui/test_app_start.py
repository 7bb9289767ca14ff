"""The first frame comes before anything heavy is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
