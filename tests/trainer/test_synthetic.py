from __future__ import annotations

import hashlib

import numpy as np
import pytest

from trainer.synthetic import CLASSES, make


def test_the_images_are_the_same_bits_on_every_machine() -> None:
    images, labels = make("train", 2000)
    # A change of these sums is a change of the data set: results on it can no longer be compared with earlier ones.
    assert (
        hashlib.sha256(images.tobytes()).hexdigest()
        == "c20c4471628a567ccba8fe6dc975da0e616516331ba2b6e3d188e93752afca75"
    )
    assert (
        hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()
        == "7a0d4715ae60d54a6bb7c4d8ca390e04781d955a0b0765f82432be898732d313"
    )


def test_the_first_images_are_the_same_however_many_are_made() -> None:
    few, few_labels = make("test", 1300)
    more, more_labels = make("test", 2100)
    assert few.shape == (1300, 3, 32, 32) and few.dtype == np.uint8
    assert np.array_equal(few, more[:1300])
    assert np.array_equal(few_labels, more_labels[:1300])


@pytest.mark.parametrize(("part", "count"), [("train", 50_000), ("test", 10_000)])
def test_the_parts_have_the_shapes_of_cifar10_and_all_classes_alike(part: str, count: int) -> None:
    images, labels = make(part)  # type: ignore[arg-type] # a Literal
    assert images.shape == (count, 3, 32, 32)
    assert labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [count // len(CLASSES)] * len(CLASSES)
    assert 100 < images.mean() < 150 and images.min() == 0 and images.max() == 255


def test_no_image_of_the_test_part_is_one_of_the_training_part() -> None:
    train = {image.tobytes() for image in make("train", 5000)[0]}
    assert len(train) == 5000
    assert train.isdisjoint(image.tobytes() for image in make("test", 5000)[0])


def test_the_classes_are_in_no_order() -> None:
    labels = make("train", 2000)[1]
    assert set(labels[:100]) == set(range(10))
    assert not np.array_equal(labels[:1000], labels[1000:])


def test_no_class_is_told_by_its_mean_image() -> None:
    """The nearest of the ten mean images must be a poor guess: shapes have to be learned."""
    images, labels = make("train", 4000)
    test, truth = make("test", 2000)
    flat, test_flat = images.reshape(len(images), -1).astype(np.float32), test.reshape(len(test), -1).astype(np.float32)
    means = np.stack([flat[labels == label].mean(0) for label in range(10)])
    guesses = np.stack([((test_flat - mean) ** 2).sum(1) for mean in means], 1).argmin(1)
    assert (guesses == truth).mean() < 0.25
