"""The distortions, each compared with torchvision's on images of its own drawing."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as vision

from trainer.policy import BINS, KINDS, MOVES, RANDAUGMENT, TRIVIALAUGMENT, Distortions, distorted, draw_distortions


def some_images(count: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    noise[0] //= 4  # a dark one
    noise[1] = 77  # one without any contrast
    noise[2] = noise[2] // 8 + torch.arange(32, dtype=torch.uint8) * 7  # one with a gradient
    return noise


def as_torchvision(image: Tensor, kind: str, strength: float) -> Any:
    """What torchvision.transforms.autoaugment does for a distortion of this strength."""
    slope = math.degrees(math.atan(strength))
    match kind:
        case "identity":
            return image
        case "shear x":
            return vision.affine(image, 0.0, [0, 0], 1.0, [slope, 0.0], center=[0, 0])
        case "shear y":
            return vision.affine(image, 0.0, [0, 0], 1.0, [0.0, slope], center=[0, 0])
        case "translate x":
            return vision.affine(image, 0.0, [int(strength), 0], 1.0, [0.0, 0.0])
        case "translate y":
            return vision.affine(image, 0.0, [0, int(strength)], 1.0, [0.0, 0.0])
        case "rotate":
            return vision.rotate(image, strength)
        case "brightness":
            return vision.adjust_brightness(image, 1 + strength)
        case "colour":
            return vision.adjust_saturation(image, 1 + strength)
        case "contrast":
            return vision.adjust_contrast(image, 1 + strength)
        case "sharpness":
            return vision.adjust_sharpness(image, 1 + strength)
        case "posterise":
            return vision.posterize(image, 8 - int(strength))
        case "solarise":
            return vision.solarize(image, 255 - strength)
        case "auto-contrast":
            return vision.autocontrast(image)
    return vision.equalize(image)


def strengths(kind: str) -> list[float]:
    greatest = TRIVIALAUGMENT.get(kind, 0.0)
    if kind == "posterise":
        return [0.0, 1.0, 3.0, 6.0]
    if kind.startswith("translate"):
        return [-32.0, -5.0, 0.0, 9.0]
    return [part * greatest for part in ((0.0, 0.4, 1.0) if kind == "solarise" else (-1.0, -0.3, 0.0, 0.5, 1.0))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_distortion_is_that_of_torchvision(kind: str) -> None:
    images = some_images()
    for strength in strengths(kind):
        place = torch.full((1, len(images)), KINDS.index(kind))
        ours = distorted(images, Distortions(place, torch.full((1, len(images)), strength)))
        theirs = torch.stack([as_torchvision(image, kind, strength) for image in images])
        different = (ours != theirs).any(1)  # (N, 32, 32): pixels
        if kind not in MOVES:  # they take some pixels that lie between two others from the other one
            assert (ours.int() - theirs.int()).abs().max() <= 1, strength  # float32 rounds here, float64 there
        assert different.float().mean() < 0.03, strength


def test_each_image_of_a_batch_has_its_own_distortion() -> None:
    images = some_images(len(KINDS))
    strength = torch.tensor([strengths(kind)[-1] for kind in KINDS])
    together = distorted(images, Distortions(torch.arange(len(KINDS))[None], strength[None]))
    for place in range(len(KINDS)):
        alone = Distortions(torch.tensor([[place]]), strength[None, place : place + 1])
        assert torch.equal(together[place : place + 1], distorted(images[place : place + 1], alone))


def test_two_distortions_follow_each_other() -> None:
    images = some_images()
    kind = torch.stack([torch.full((6,), KINDS.index("rotate")), torch.full((6,), KINDS.index("solarise"))])
    strength = torch.tensor([[30.0] * 6, [100.0] * 6])
    first = distorted(images, Distortions(kind[:1], strength[:1]))
    assert torch.equal(
        distorted(images, Distortions(kind, strength)), distorted(first, Distortions(kind[1:], strength[1:]))
    )


def test_randaugment_draws_two_distortions_of_one_strength_and_trivialaugment_one_of_any() -> None:
    rand = draw_distortions("randaugment", 5000, torch.Generator().manual_seed(1))
    trivial = draw_distortions("trivialaugment", 5000, torch.Generator().manual_seed(1))
    assert rand and rand.kind.shape == (2, 5000) and trivial and trivial.kind.shape == (1, 5000)
    assert draw_distortions("none", 5000, torch.Generator()) is None
    for drawn in (rand, trivial):
        assert drawn.kind.unique().tolist() == list(range(len(KINDS)))
    rotations = rand.strength[rand.kind == KINDS.index("rotate")]
    assert rotations.unique().tolist() == [-9.0, 9.0] and RANDAUGMENT["rotate"] * 9 / (BINS - 1) == 9.0
    turns = trivial.strength[trivial.kind == KINDS.index("rotate")]
    assert len(turns.unique()) > 40 and turns.min() == -135 and turns.max() == 135
    bits = trivial.strength[trivial.kind == KINDS.index("posterise")]
    assert set(bits.tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0}
