"""A monkey at the keyboard: whatever keys come, the app stays alive and the store stays whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from textual import events
from textual.keys import _character_to_key
from textual.widgets import Input

from store.doctor import check
from store.runs import RunStore
from tests.trainer.scripted import Script
from trainer.queue import JobQueue
from tui.app import CifarApp
from tui.session import Session

KEYS = 400  # for each seed
BURST = 10  # keys that come faster than the app answers them
COMMON = [*"1123jkaaAxprRKJ/sSlceutdvi?[]gG ", "enter", "escape", "escape", "tab", "up", "down", "pagedown"]
RARE = [
    *"bfhmnoqwyzB0459",
    "ctrl+p",
    "delete",
    "backspace",
    "left",
    "right",
    "home",
    "end",
    "f1",
    "ctrl+r",
    "shift+tab",
]


def key_of(monkey: random.Random, app: CifarApp) -> str:
    """The next key. In a field all is text, so a monkey would stay there for ever; and `q` would end the walk."""
    in_field = isinstance(app.focused, Input)
    if in_field and monkey.random() < 0.3:
        return "escape"
    key = monkey.choice(COMMON if monkey.random() < 0.95 else RARE)
    return "escape" if key == "q" and not in_field else key


def press(app: CifarApp, key: str) -> None:
    """As a terminal does: without waiting for what it does."""
    name = _character_to_key(key) if len(key) == 1 else key
    app.post_message(events.Key(name, key if len(key) == 1 else None))


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_keys_are_pressed_the_store_is_whole_in_the_end(seed: int, tmp_path: Path) -> None:
    monkey = random.Random(seed)
    session = Session(tmp_path / "home", data="synthetic")
    script = Script(steps=1)
    with RunStore.open(session.home) as store:
        app = CifarApp(session, store, lambda tell: JobQueue(store, script, ["cpu"], tell))
        async with app.run_test(size=(80, 24)) as pilot:
            press(app, "a")  # so that something trains, wherever the monkey goes
            await pilot.pause()
            for number in range(KEYS):
                press(app, key_of(monkey, app))
                if number % BURST == 0:
                    await pilot.pause()
            assert app.is_running, "nothing but q leaves the app"
            app.exit()
        for thread in app.unfinished:
            thread.join(20)
        assert app.queue is not None
        app.queue.close()
        before = {run.id: run for run in store.runs()}
        lines = {id: store.epochs(id) for id in before}
    assert app.return_code in (0, None)
    assert before, "the monkey queued nothing: it tests nothing"
    with RunStore.open(session.home) as store:
        assert {run.id: run for run in store.runs()} == before
        assert {id: store.epochs(id) for id in before} == lines
        assert not store.notices
    assert [finding.what for finding in check(session.home)] == []
