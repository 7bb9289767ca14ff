from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import StoreError
from store.history import History, parse
from tests.store.samples import an_epoch


@pytest.fixture
def history(tmp_path: Path) -> History:
    history = History(tmp_path)
    for number in (1, 2, 3):
        history.append(an_epoch(number))
    return history


def line(number: int) -> bytes:
    return msgspec.json.encode(an_epoch(number)) + b"\n"


def test_a_line_holds_what_the_contract_names_and_nothing_else(history: History) -> None:
    names = "epoch train_loss train_accuracy test_loss test_accuracy learning_rate seconds images_per_second"
    for text in history.path.read_text().splitlines():
        assert list(msgspec.json.decode(text)) == names.split()


@pytest.mark.parametrize("torn", [b"{", line(4)[:-1], b"\0" * 40, line(5)[:30]])
def test_a_torn_last_line_is_read_up_to_it_and_the_next_append_cuts_it_off(history: History, torn: bytes) -> None:
    with history.path.open("ab") as file:
        file.write(torn)
    again = History(history.path.parent)
    assert [epoch.epoch for epoch in again.read()] == [1, 2, 3]
    assert again.tail() == torn
    again.append(an_epoch(4))
    assert history.path.read_bytes() == b"".join(map(line, (1, 2, 3, 4)))
    assert [path.name for path in history.path.parent.iterdir()] == ["epochs.jsonl"]


@pytest.mark.parametrize("damage", [b"damaged\n", line(5), b'{"epoch":4}\n' + line(5), b"\xff\xfe\n"])
def test_whole_lines_that_cannot_be_read_are_kept_in_a_copy_before_the_next_append(
    history: History, damage: bytes
) -> None:
    with history.path.open("ab") as file:
        file.write(damage)
    before = history.path.read_bytes()
    history.append(an_epoch(4))
    assert [epoch.epoch for epoch in history.read()] == [1, 2, 3, 4]
    (copy,) = history.path.parent.glob("epochs.jsonl.damaged-*")
    assert copy.read_bytes() == before


def test_an_epoch_that_is_there_is_acknowledged_again_when_it_says_the_same(history: History) -> None:
    before = history.path.read_bytes()
    history.append(an_epoch(2, seconds=99.0))
    assert history.path.read_bytes() == before


@pytest.mark.parametrize("number", [0, 1, 3, 5, -1])
def test_an_epoch_that_is_not_the_next_is_refused(history: History, number: int) -> None:
    other = msgspec.structs.replace(an_epoch(max(number, 1), test_accuracy=0.123), epoch=number)
    with pytest.raises(StoreError, match=f"holds 3 epochs, so epoch {number} cannot"):
        history.append(other)
    assert len(history.read()) == 3


@pytest.mark.parametrize("count", [0, 1, 2])
def test_rewinding_keeps_the_first_epochs_and_training_goes_on_from_there(history: History, count: int) -> None:
    history.rewind(count)
    assert history.path.read_bytes() == b"".join(line(number) for number in range(1, count + 1))
    history.append(an_epoch(count + 1, test_accuracy=0.9))
    assert History(history.path.parent).read()[-1].test_accuracy == 0.9


def test_rewinding_beyond_the_end_changes_nothing(history: History) -> None:
    history.rewind(7)
    assert len(history.read()) == 3


def test_a_reader_sees_what_is_added_and_what_is_rewound(history: History) -> None:
    reader = History(history.path.parent)
    assert len(reader.read()) == 3
    history.append(an_epoch(4))
    assert reader.read()[-1] == an_epoch(4)
    history.rewind(1)
    history.append(an_epoch(2, test_accuracy=0.125))
    assert [epoch.test_accuracy for epoch in reader.read()] == [0.5, 0.125]


def test_a_file_that_is_not_there_holds_no_epochs(tmp_path: Path) -> None:
    history = History(tmp_path)
    assert history.read() == () and history.tail() == b"" and history.mend() is None
    history.rewind(0)
    assert not history.path.exists()


@given(st.binary(max_size=300), st.integers(0, 3))
def test_whatever_bytes_follow_the_epochs_before_them_are_read(tail: bytes, count: int) -> None:
    data = b"".join(line(number) for number in range(1, count + 1))
    epochs, end = parse(data + tail)
    assert [epoch.epoch for epoch in epochs[:count]] == list(range(1, count + 1))
    assert end >= len(data)


@given(st.integers(0, 3 * len(line(1))))
def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_line(size: int) -> None:
    whole = b"".join(map(line, (1, 2, 3)))
    epochs, end = parse(whole[:size])
    assert len(epochs) == whole[:size].count(b"\n")
    assert end == whole[:size].rfind(b"\n") + 1
