from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import functional as vision

from trainer.augment import BORDER, MEAN, STD, Draws, augmented_batch, epoch_draws, normalised


def some_images(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random images, the same in a black border, and labels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return images, F.pad(images, (BORDER,) * 4), torch.randint(0, 10, (count,), generator=generator)


def as_published(image: Tensor, top: int, left: int, flip: bool) -> Tensor:
    """One image through torchvision's transforms with PIL, as the published recipe does it, with these draws."""
    picture = vision.to_pil_image(image)
    picture = vision.crop(vision.pad(picture, [4]), top, left, 32, 32)  # what RandomCrop(32, padding=4) does
    if flip:
        picture = vision.hflip(picture)
    done: Tensor = vision.normalize(vision.to_tensor(picture), MEAN, STD)
    return done


@pytest.mark.parametrize("augmentation", ["crop-flip", "none"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_same_draws_give_the_same_bits_as_torchvision(
    augmentation: str, memory_format: torch.memory_format
) -> None:
    images, padded, labels = some_images(300)
    draws = epoch_draws(300, seed=3, epoch=2, augmentation=augmentation)  # type: ignore[arg-type] # a Literal
    for start in range(0, 300, 128):
        batch, batch_labels = augmented_batch(padded, labels, draws, start, start + 128, memory_format=memory_format)
        assert batch.is_contiguous(memory_format=memory_format)
        for i in range(len(batch)):
            order, top, left, flip = (draw[start + i].item() for draw in draws)
            assert torch.equal(batch[i], as_published(images[int(order)], int(top), int(left), bool(flip)))
            assert batch_labels[i] == labels[int(order)]


def test_every_crop_and_flip_agrees_with_torchvision() -> None:
    images, padded, labels = some_images(1)
    places = torch.cartesian_prod(torch.arange(9), torch.arange(9), torch.arange(2))
    draws = Draws(torch.zeros(len(places), dtype=torch.int64), places[:, 0], places[:, 1], places[:, 2].bool())
    batch, _ = augmented_batch(padded, labels, draws, 0, len(places))
    for ours, (top, left, flip) in zip(batch, places.tolist(), strict=True):
        assert torch.equal(ours, as_published(images[0], top, left, bool(flip)))


def test_images_of_the_test_part_are_normalised_as_torchvision_does_it() -> None:
    images, padded, _ = some_images(50)
    inside = padded[:, :, BORDER:-BORDER, BORDER:-BORDER]
    for ours, view, image in zip(normalised(images), normalised(inside), images, strict=True):
        theirs = vision.normalize(vision.to_tensor(vision.to_pil_image(image)), MEAN, STD)
        assert torch.equal(ours, theirs)
        assert torch.equal(view, theirs)


def test_double_precision_is_computed_in_double_precision() -> None:
    images, padded, labels = some_images(10)
    draws = epoch_draws(10, seed=0, epoch=1)
    batch, _ = augmented_batch(padded, labels, draws, 0, 10, dtype=torch.float64)
    single, _ = augmented_batch(padded, labels, draws, 0, 10)
    assert batch.dtype == torch.float64
    assert 0 < (batch - single).abs().max() < 1e-6
    mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (MEAN, STD))
    assert torch.equal(normalised(images, dtype=torch.float64), (images / torch.tensor(255.0).double() - mean) / std)


def test_every_image_is_shown_once_in_an_epoch_and_the_last_batch_is_short() -> None:
    count = 50_000
    draws = epoch_draws(count, seed=1, epoch=7)
    assert torch.equal(draws.order.sort().values, torch.arange(count))
    _, padded, labels = some_images(80 + 128)
    small = epoch_draws(len(padded), seed=1, epoch=7)
    sizes = [len(augmented_batch(padded, labels, small, start, start + 128)[0]) for start in (0, 128)]
    assert sizes == [128, 80]


def test_crops_and_flips_are_drawn_evenly_and_apart() -> None:
    draws = epoch_draws(50_000, seed=0, epoch=1)
    for place in (draws.top, draws.left):
        assert place.dtype == torch.int64
        assert ((torch.bincount(place, minlength=9) - 50_000 / 9).abs() < 400).all()  # 5.7 standard deviations
    assert abs(int(draws.flip.sum()) - 25_000) < 600
    pairs = torch.bincount(draws.top * 9 + draws.left, minlength=81)
    assert ((pairs - 50_000 / 81).abs() < 160).all()


def test_the_draws_of_an_epoch_depend_on_seed_and_epoch_and_nothing_else() -> None:
    torch.manual_seed(1)
    first = epoch_draws(1000, seed=5, epoch=9)
    torch.manual_seed(2)
    again = epoch_draws(1000, seed=5, epoch=9)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for seed, epoch in ((5, 10), (6, 9), (9, 5), (59, 1), (0, 0), (2**63 - 1, 1)):
        other = epoch_draws(1000, seed=seed, epoch=epoch)
        assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_seed_and_epoch_are_not_mixed_up() -> None:
    assert not torch.equal(epoch_draws(1000, seed=1, epoch=23).order, epoch_draws(1000, seed=12, epoch=3).order)


def test_drawing_leaves_the_default_generator_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    epoch_draws(1000, seed=5, epoch=9)
    assert torch.equal(torch.rand(3), expected)


def test_another_process_draws_the_same() -> None:
    code = "from trainer.augment import epoch_draws; print(epoch_draws(5, 4, 3).order.tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(epoch_draws(5, 4, 3).order.tolist())


def test_without_augmentation_the_order_is_the_same_and_the_images_are_as_they_are() -> None:
    images, padded, labels = some_images(100)
    plain = epoch_draws(100, seed=2, epoch=3, augmentation="none")
    assert torch.equal(plain.order, epoch_draws(100, seed=2, epoch=3).order)
    batch, _ = augmented_batch(padded, labels, plain, 0, 100)
    assert torch.equal(batch, normalised(images[plain.order]))
