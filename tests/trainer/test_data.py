from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torchvision.datasets import CIFAR10

from store.errors import Problem
from tests.trainer.fake_cifar import CLASSES, IMAGES, contents, md5, publish, write
from trainer.cifar10 import FILES, FOLDER
from trainer.data import load
from trainer.source import Source


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    files = contents()
    publish(files, monkeypatch)
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(files[name])] for name in FILES if "data" in name])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(files["test_batch"])]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(files["batches.meta"])})
    return files


def test_the_published_md5_sums_are_those_of_torchvision() -> None:
    theirs = dict([*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])])
    assert {name: file.md5 for name, file in FILES.items()} == theirs


def test_real_images_arrive_in_their_order_and_shape(tmp_path: Path, files: dict[str, bytes]) -> None:
    data = load(Source("cifar10", write(files, tmp_path)))
    batches = [pickle.loads(files[f"data_batch_{number}"]) for number in range(1, 6)]  # noqa: S301 # our own
    assert (data.name, data.classes) == ("cifar10", CLASSES)
    assert data.train.images.shape == (5 * IMAGES, 3, 32, 32) and data.train.images.dtype == torch.uint8
    pixels = torch.cat([torch.from_numpy(batch["data"]) for batch in batches])
    assert torch.equal(data.train.images.reshape(5 * IMAGES, -1), pixels)
    assert data.train.labels.tolist() == [label for batch in batches for label in batch["labels"]]
    assert len(data.test) == IMAGES
    for images in (data.padded, data.test.images):  # a batch of them has the layout that most plans ask for
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_the_border_is_black_and_the_images_lie_inside_it(tmp_path: Path, files: dict[str, bytes]) -> None:
    data = load(Source("cifar10", write(files, tmp_path)))
    assert data.padded.shape == (5 * IMAGES, 3, 40, 40)
    assert data.padded.long().sum() == data.train.images.long().sum()
    assert data.train.images.untyped_storage().data_ptr() == data.padded.untyped_storage().data_ptr()


def test_a_limit_takes_the_first_images_of_each_part(tmp_path: Path, files: dict[str, bytes]) -> None:
    whole = load(Source("cifar10", write(files, tmp_path)))
    some = load(Source("cifar10", tmp_path), train_limit=30, test_limit=7)
    assert torch.equal(some.train.images, whole.train.images[:30])
    assert torch.equal(some.test.labels, whole.test.labels[:7])
    assert (len(some.train), len(some.padded), len(some.test)) == (30, 30, 7)


class Trap:
    """Unpickling this leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", sorted(FILES))
def test_nothing_is_unpickled_while_one_file_is_not_the_published_one(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    source = Source("cifar10", write(files, tmp_path))
    (tmp_path / FOLDER / name).write_bytes(trap.ljust(len(files[name]), b"\0"))
    unpickled: list[object] = []
    monkeypatch.setattr(pickle, "load", lambda *arguments, **options: unpickled.append(arguments))
    with pytest.raises(Problem, match=name):
        load(source)
    assert unpickled == []
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_changes_after_the_check_is_a_problem(
    tmp_path: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source("cifar10", write(files, tmp_path))
    (tmp_path / FOLDER / "data_batch_1").write_bytes(bytes(len(files["data_batch_1"])))
    monkeypatch.setattr("trainer.data.verify", lambda source: None)
    with pytest.raises(Problem, match="cannot read CIFAR-10"):
        load(source)


def test_missing_images_are_a_problem_that_names_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cifar-tui data download"):
        load(Source("cifar10", tmp_path))


def test_the_synthetic_images_say_that_they_are_not_cifar10() -> None:
    data = load(Source("synthetic"), train_limit=200, test_limit=100)
    assert data.name == "synthetic"
    assert len(data.classes) == 10 and set(data.classes).isdisjoint(CLASSES)
    assert data.train.images.shape == (200, 3, 32, 32)
    assert data.test.labels.dtype == torch.int64


def test_a_data_set_moves_to_another_device_as_a_whole() -> None:
    data = load(Source("synthetic"), train_limit=20, test_limit=10)
    assert data.to("cpu") is data
    moved = data.to("meta")
    for tensor in (moved.padded, moved.train.images, moved.train.labels, moved.test.images, moved.test.labels):
        assert tensor.device.type == "meta"
    assert moved.train.images.shape == data.train.images.shape
