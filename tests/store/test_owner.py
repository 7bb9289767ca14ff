from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from store import owner
from store.owner import Owner, StoreInUse
from store.runs import RunStore
from tests.store.samples import a_run

NOW = datetime.now().astimezone()


def test_a_second_writer_is_told_who_owns_the_store(home: Path) -> None:
    with RunStore.open(home), pytest.raises(StoreInUse) as caught:
        RunStore.open(home)
    assert caught.value.status == 3
    assert caught.value.owner is not None and caught.value.owner.pid == os.getpid()
    message = str(caught.value)
    assert str(home) in message and f"process {os.getpid()} on host" in message and "since" in message
    assert len(message.splitlines()) == 1


def test_closing_lets_the_next_one_in(home: Path) -> None:
    first = RunStore.open(home)
    first.add(a_run())
    first.close()
    first.close()
    with RunStore.open(home) as second:
        assert len(second.runs()) == 1
        assert first.owner() is not None
    assert RunStore.open(home, write=False).owner() is None


def test_a_reader_knows_the_owner_and_needs_no_lock(home: Path) -> None:
    with RunStore.open(home) as store, RunStore.open(home, write=False) as reader:
        found = reader.owner()
        assert found is not None and found.pid == os.getpid() and store.owner() is None


def test_opening_that_fails_lets_go_of_the_lock(home: Path) -> None:
    home.mkdir()
    (home / "results.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(Exception, match="not a results file"):
            RunStore.open(home)


def test_the_lock_of_a_dead_process_never_blocks(home: Path) -> None:
    dying = "import os, sys; from store.runs import RunStore; from pathlib import Path; "
    dying += "store = RunStore.open(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", dying, str(home)], cwd=Path.cwd()).returncode == -9
    assert (home / "owner.lock").exists() and (home / "owner.json").exists()
    assert RunStore.open(home, write=False).owner() is None
    RunStore.open(home).close()


def test_a_record_that_names_a_living_process_does_not_keep_anyone_out(home: Path) -> None:
    home.mkdir()
    record = Owner(pid=os.getpid(), host=socket.gethostname(), since=NOW, started=owner._started(os.getpid()))
    (home / "owner.json").write_bytes(msgspec.json.encode(record))
    with RunStore.open(home) as store:
        assert store.writable
        written = msgspec.json.decode((home / "owner.json").read_bytes(), type=Owner)
        assert written.since > NOW, "the record is the new owner's"


@pytest.mark.parametrize("record", [b"", b"{}", b"\xff", b'{"pid":"x"}', None])
def test_a_store_in_use_is_told_even_when_the_record_is_no_good(
    home: Path, record: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "PATIENCE", 0.05)
    with RunStore.open(home):
        if record is None:
            (home / "owner.json").unlink()
        else:
            (home / "owner.json").write_bytes(record)
        with pytest.raises(StoreInUse, match="in use by another process") as caught:
            RunStore.open(home)
        assert caught.value.owner is None


def test_since_when_is_told_with_the_day_unless_it_is_today() -> None:
    today = Owner(pid=7, host="box", since=NOW)
    assert str(today) == f"process 7 on host box since {NOW:%H:%M}"
    earlier = Owner(pid=7, host="box", since=NOW - timedelta(days=3))
    assert str(earlier) == f"process 7 on host box since {NOW - timedelta(days=3):%Y-%m-%d %H:%M}"


def test_a_process_with_the_same_number_that_began_later_is_not_the_owner() -> None:
    mine = Owner(pid=os.getpid(), host=socket.gethostname(), since=NOW, started=owner._started(os.getpid()))
    assert mine.may_be_alive()
    assert not msgspec.structs.replace(mine, started=mine.started - 100).may_be_alive()
    assert msgspec.structs.replace(mine, started=1.0, host="elsewhere").may_be_alive()
