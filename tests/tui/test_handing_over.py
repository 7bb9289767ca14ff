"""Runs that one program hands over to another, and what an owner does with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from store import inbox
from store.records import Recipe, Run
from store.runs import RunStore
from tests.store.samples import a_run
from tests.trainer.scripted import Script
from tests.tui.scripted import until
from trainer.lifecycle import new_run
from trainer.queue import JobQueue
from tui import workplace
from tui.app import CifarApp
from tui.commands.headless import carry_out, hand_over
from tui.session import Session

Begin = Callable[[RunStore, JobQueue], list[Run]]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """What headless trainings follow."""
    script = Script()
    monkeypatch.setattr(workplace, "opener", lambda source_of: script)
    yield script
    script.go.set()


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(home=tmp_path / "home", data="synthetic", devices=("cpu",))


def make(model: str = "lenet", epochs: int = 2) -> Callable[[RunStore], Run]:
    return partial(new_run, model=model, recipe=Recipe(epochs=epochs), dataset="synthetic")


def queued(*makers: Callable[[RunStore], Run]) -> Begin:
    return lambda store, jobs: [jobs.add_run(make(store)) for make in makers]


def statuses(home: Path) -> dict[str, str]:
    with RunStore.open(home, write=False) as store:
        return {run.model: run.status for run in store.runs()}


def test_an_owner_trains_what_arrives_before_it_ends(session: Session, script: Script) -> None:
    script.go.clear()
    taken: list[bool] = []

    def come_in_while_it_trains() -> None:
        while not script.opened:
            pass
        assert hand_over(session, None, [make("vgg11")], False) == 0
        until = time.monotonic() + 20
        while inbox.waiting(session.home) and time.monotonic() < until:
            time.sleep(0.01)
        taken.append(not inbox.waiting(session.home))
        script.go.set()

    other = threading.Thread(target=come_in_while_it_trains)
    other.start()
    assert carry_out(session, queued(make()), False) == 0
    other.join()
    assert taken == [True], "at once, not when the first was done"
    assert statuses(session.home) == {"lenet": "done", "vgg11": "done"}


def test_what_arrives_while_the_owner_leaves_is_trained_too(
    session: Session, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = JobQueue.close
    late = [a_run("late", model="vgg11")]

    def close_while_something_arrives(jobs: JobQueue, *more: Any) -> list[Run]:
        if late:
            inbox.put(session.home, late.pop())
        return close(jobs, *more)

    monkeypatch.setattr(JobQueue, "close", close_while_something_arrives)
    assert carry_out(session, queued(make()), False) == 0
    assert statuses(session.home) == {"lenet": "done", "vgg11": "done"}


def test_when_the_owner_has_left_meanwhile_the_runs_train_here(
    session: Session, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hand_over(session, None, [make(), make("vgg11")], False) == 0
    assert statuses(session.home) == {"lenet": "done", "vgg11": "done"}
    assert capsys.readouterr().out.count("handed over") == 2


def test_a_run_of_somebody_else_that_fails_does_not_change_the_exit_status(session: Session, script: Script) -> None:
    inbox.put(session.home, a_run("sent", model="no_such_model"))
    assert carry_out(session, queued(make()), False) == 0
    assert statuses(session.home)["lenet"] == "done"


def test_a_hostile_inbox_is_set_aside_and_told(
    session: Session, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = session.home / "inbox"
    folder.mkdir(parents=True)
    (folder / "evil.json").write_text('{"id": "../../etc/passwd", "model": "lenet", "created": "2026-01-01T00:00:00Z"}')
    (folder / "deep.json").write_text("[" * 100_000)
    assert carry_out(session, queued(make()), False) == 0
    errors = capsys.readouterr().err
    assert errors.count("is not taken in") == 2 and "Traceback" not in errors
    assert not inbox.waiting(session.home)


def test_when_the_last_device_is_lost_the_command_ends_and_says_what_waits(
    tmp_path: Path, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.fails = RuntimeError("CUDA error: unspecified launch failure")
    session = Session(home=tmp_path / "home", data="synthetic", devices=("cuda:63",))
    assert carry_out(session, queued(make(), make("vgg11")), False) == 1
    assert statuses(session.home) == {"lenet": "queued", "vgg11": "queued"}
    out, error = capsys.readouterr()
    assert ": queued: cuda:63 stopped working while it trained: RuntimeError: CUDA error: " in out
    assert "2 runs not trained, no device is left: cuda:63 is set aside (RuntimeError: CUDA error: " in error
    assert error.endswith("cifar-tui resume trains what is queued\n")


async def test_the_app_takes_in_what_is_handed_over_and_trains_it(session: Session) -> None:
    script = Script()
    with RunStore.open(session.home) as store:
        app = CifarApp(session, store, lambda tell: JobQueue(store, script, ["cpu"], tell))
        async with app.run_test() as pilot:
            inbox.put(session.home, a_run("sent"))
            (session.home / "inbox/evil.json").write_text("null")
            await until(pilot, lambda: app.runs.get("sent") and app.runs["sent"].status == "done", "it is trained")
            said = [note.message for note in app._notifications]
            assert "LeNet sent was handed over by another program" in said
            assert any("evil.json is not taken in" in line for line in said)
        assert app.queue
        app.queue.close()
