"""Logs and event files: what the records say, read back."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from store.errors import UsageProblem
from store.records import summarise
from tests.trainer.exported import a_run, epochs_of
from trainer.export.log import log_text
from trainer.export.tensorboard import SCALARS, export_tensorboard


def test_a_log_has_a_line_for_each_epoch_that_programs_read_too() -> None:
    epochs = epochs_of(3)
    run = summarise(a_run(status="done"), epochs)
    lines = [line for line in log_text(run, epochs).splitlines() if not line.startswith("#")]
    names = lines[0].split()
    rows = [dict(zip(names, map(float, line.split()), strict=True)) for line in lines[1:]]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[1]["test_accuracy"] == pytest.approx(epochs[1].test_accuracy)
    assert rows[2]["train_loss"] == pytest.approx(epochs[2].train_loss, abs=1e-6)
    head = log_text(run, epochs).splitlines()
    assert "best test accuracy 0.48000 (epoch 2), last 0.47000" in "\n".join(head)


def test_the_log_of_a_run_without_an_epoch_says_what_it_is() -> None:
    text = log_text(a_run(dataset="synthetic"), [])
    assert "synthetic images, not CIFAR-10" in text and "queued after 0 epochs" in text


def events(path: Path) -> list[Event]:
    """The records of an event file, each with its checksums."""
    content, found, at = path.read_bytes(), [], 0
    while at < len(content):
        (length,) = struct.unpack("<Q", content[at : at + 8])
        data = content[at + 12 : at + 12 + length]
        assert struct.unpack("<I", content[at + 8 : at + 12])[0] == masked_crc32c(content[at : at + 8])
        assert struct.unpack("<I", content[at + 12 + length : at + 16 + length])[0] == masked_crc32c(data)
        event = Event()
        event.ParseFromString(data)
        found.append(event)
        at += 16 + length
    return found


def test_event_files_hold_every_number_of_every_epoch(tmp_path: Path) -> None:
    epochs = epochs_of(3)
    run, other = a_run(status="done"), a_run(id="syn2", dataset="synthetic")
    folder = export_tensorboard([(run, epochs), (other, epochs[:1])], tmp_path / "events")
    assert sorted(path.name for path in folder.iterdir()) == ["lenet-k3fd", "lenet-syn2-synthetic"]
    (file,) = (folder / "lenet-k3fd").iterdir()
    assert file.name.startswith("events.out.tfevents.")
    found = {
        (value.tag, event.step): (value.simple_value, event.wall_time)
        for event in events(file)
        for value in event.summary.value
    }
    for epoch in epochs:
        for tag, field in SCALARS.items():
            number, when = found[tag, epoch.epoch]
            assert number == pytest.approx(getattr(epoch, field), rel=1e-6), tag
            assert when == pytest.approx(run.created.timestamp() + 10.5 * epoch.epoch)


def test_event_files_do_not_take_the_place_of_others(tmp_path: Path) -> None:
    export_tensorboard([(a_run(), epochs_of(1))], tmp_path / "events")
    with pytest.raises(UsageProblem, match="--force"):
        export_tensorboard([(a_run(), epochs_of(1))], tmp_path / "events")
