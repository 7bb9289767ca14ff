from __future__ import annotations

import json
from pathlib import Path

import pytest

from store import inbox
from store.errors import StoreError
from store.runs import RunStore
from tests.store.samples import a_run


def test_runs_handed_over_are_taken_in_by_the_owner_oldest_first(home: Path) -> None:
    with RunStore.open(home) as store:
        inbox.put(home, a_run("late", minute=2))
        inbox.put(home, a_run("early", minute=1))
        assert [run.id for run in store.receive()] == ["early", "late"]
        assert [run.id for run in store.runs()] == ["early", "late"]
        assert inbox.waiting(home) == [] and store.receive() == []


def test_a_run_stays_in_the_inbox_until_it_is_done_with(home: Path) -> None:
    inbox.put(home, a_run())
    (letter,) = inbox.take(home, [])
    assert letter.run == a_run() and [each.run for each in inbox.take(home, [])] == [a_run()]
    inbox.done(letter)
    assert list(inbox.take(home, [])) == []


def test_a_run_that_was_taken_in_before_a_kill_is_not_new_again(home: Path) -> None:
    with RunStore.open(home) as store:
        store.add(a_run(status="paused"))
        inbox.put(home, a_run())
        assert store.receive() == []
        assert [run.status for run in store.runs()] == ["paused"] and inbox.waiting(home) == []


def test_an_id_that_waits_cannot_be_handed_over_again(home: Path) -> None:
    inbox.put(home, a_run())
    with pytest.raises(StoreError, match="waits in the inbox already"):
        inbox.put(home, a_run(model="resnet18"))
    assert [letter.run.model for letter in inbox.take(home, [])] == ["lenet"]
    assert [path.name for path in (home / "inbox").iterdir()] == ["a2b3.json"]


def test_only_a_queued_run_can_be_handed_over(home: Path) -> None:
    with pytest.raises(StoreError, match="is done"):
        inbox.put(home, a_run(status="done"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("torn.json", b'{"id": "torn"'),
        ("list.json", b"[]"),
        ("other.json", b'{"id": "a2b3", "model": "lenet", "created": "2026-11-25T03:15:00Z"}'),
        ("done.json", b'{"id": "done", "model": "lenet", "created": "2026-11-25T03:15:00Z", "status": "done"}'),
        ("..json", b'{"id": "../x", "model": "lenet", "created": "2026-11-25T03:15:00Z"}'),
        ("bytes.json", b"\xff\xfe\0"),
    ],
)
def test_a_file_that_is_no_queued_run_is_set_aside_and_told(home: Path, name: str, content: bytes) -> None:
    with RunStore.open(home) as store:
        inbox.put(home, a_run("good"))
        (home / "inbox" / name).write_bytes(content)
        assert [run.id for run in store.receive()] == ["good"]
        assert len(store.notices) == 1 and name in store.notices[0]
        (aside,) = (home / "inbox").iterdir()
        assert aside.suffix == ".refused" and aside.read_bytes() == content
        assert store.receive() == [] and len(store.notices) == 1


def test_a_half_written_run_is_not_looked_at(home: Path) -> None:
    inbox.put(home, a_run())
    (home / "inbox" / "next.json.tmp").write_text('{"id": "ne')
    notices: list[str] = []
    assert len(list(inbox.take(home, notices))) == 1 and notices == []


def test_a_run_lies_there_as_its_document(home: Path) -> None:
    path = inbox.put(home, a_run())
    assert json.loads(path.read_text())["id"] == "a2b3"
