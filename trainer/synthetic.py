"""A made-up stand-in for CIFAR-10, for machines without the real images: ten kinds of figures, drawn in seconds.

It has CIFAR-10's shapes and sizes and none of its meaning. What makes a class is a shape or a texture. Colours,
contrast, position, size, background, clutter and noise are drawn at random, so that no pixel gives the class away and a
network has to learn edges and how they meet, as on photographs; the colour of the background is a weak hint, as there.
No class changes when it is mirrored or moved by four pixels.

Deterministic: integers only, from the raw stream of one bit generator (which numpy promises never to change), so every
machine draws the same bits. Images come in blocks of a thousand with a stream each: the first N are the same whether
one asks for N or for all.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Part = Literal["train", "test"]
Ints = NDArray[np.int32]
Mask = NDArray[np.bool_]

CLASSES = ("disc", "ring", "square", "frame", "triangle", "diamond", "plus", "cross", "stripes", "checks")
SIZES: dict[Part, int] = {"train": 50_000, "test": 10_000}

# A third of the pictures stand before the colour of their class, as ships stand before blue. Two classes share each
# colour (a class and the fifth after it), so that it is a hint and no answer.
HOMES = np.array([(190, 70, 70), (70, 170, 80), (70, 90, 190), (180, 170, 60), (160, 80, 170)], dtype=np.int32)

BLOCK = 1000  # images that are drawn together, a hundred of each class
STREAM = 1998  # any other number makes another data set
BEHIND, BEFORE = 3, 1  # scraps of clutter in each picture
NOISE = 40  # levels (of 256) a pixel may be off, up and down
SIDE = 32


def make(part: Part, limit: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 3, 32, 32) uint8 and labels (N,) int64 of the training or the test part, or the first `limit` of it.

    Every thousand images hold a hundred of each class in a random order.
    """
    count = min(limit or SIZES[part], SIZES[part])
    blocks = [_block(part, number) for number in range(-(-count // BLOCK))]
    images, labels = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    return images[:count], labels[:count]


class _Dice:
    """Whole numbers from a raw stream of bits, the same with every numpy and on every machine."""

    def __init__(self, *key: int) -> None:
        self.bits = np.random.PCG64(np.random.SeedSequence(key))

    def throw(self, low: int, high: int, *shape: int) -> Ints:
        """Numbers in low … high, each as likely as any other (to 1 in 2³²)."""
        raw = self.bits.random_raw(int(np.prod(shape))) >> np.uint64(32)
        return (low + ((raw * np.uint64(high - low + 1)) >> np.uint64(32)).astype(np.int32)).reshape(shape)

    def bytes(self, *shape: int) -> NDArray[np.uint8]:
        count = int(np.prod(shape))
        raw = self.bits.random_raw(-(-count // 8)).astype("<u8")  # this order of bytes on every machine
        return raw.view(np.uint8)[:count].reshape(shape)


def _block(part: Part, number: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """One thousand images and their labels."""
    dice = _Dice(STREAM, ("train", "test").index(part), number)
    labels = np.argsort(dice.throw(0, 2**31 - 1, BLOCK), kind="stable") % len(CLASSES)
    figure = np.empty((BLOCK, SIDE, SIDE), dtype=bool)
    for label in range(len(CLASSES)):
        chosen = labels == label
        figure[chosen] = _figures(label, int(chosen.sum()), dice)

    at_home = dice.throw(0, 2, BLOCK, 1, 1, 1) == 0
    home = HOMES[labels % len(HOMES), :, None, None] + dice.throw(-40, 40, BLOCK, 3, 1, 1)
    ground = np.where(at_home, home, dice.throw(0, 255, BLOCK, 3, 1, 1))
    colour = _near(ground, dice)
    image = ground + _shade(dice)
    for number in range(BEHIND + BEFORE):
        if number == BEHIND:
            image = np.where(figure[:, None], colour, image)
        image = np.where(_clutter(dice)[:, None], _near(ground, dice), image)
    image += dice.bytes(BLOCK, 3, SIDE, SIDE).astype(np.int32) * (2 * NOISE + 1) // 256 - NOISE
    return image.clip(0, 255).astype(np.uint8), labels.astype(np.int64)


def _figures(label: int, count: int, dice: _Dice) -> Mask:
    """`count` figures of one class: (count, 32, 32) bool, true inside."""
    # In half pixels. Centres within 4 pixels of the middle and half-widths of 6 … 10: a crop cuts off a rim at most.
    x = 2 * np.arange(SIDE)[None, None, :] - dice.throw(23, 39, count, 1, 1)
    y = 2 * np.arange(SIDE)[None, :, None] - dice.throw(23, 39, count, 1, 1)
    half = dice.throw(12, 20, count, 1, 1)
    far = np.maximum(abs(x), abs(y))  # how far out, as a square measures it
    squared = x * x + y * y
    inside: Mask
    match CLASSES[label]:
        case "disc":
            inside = squared <= half * half
        case "ring":
            inside = (squared <= half * half) & (4 * squared >= half * half)
        case "square":
            inside = far <= half * 7 // 8
        case "frame":
            inside = (far <= half * 7 // 8) & (2 * far >= half)
        case "triangle":
            inside = (abs(y) <= half) & (2 * abs(x) <= y + half)
        case "diamond":
            inside = abs(x) + abs(y) <= half * 5 // 4
        case "plus":
            inside = (far <= half) & (np.minimum(abs(x), abs(y)) <= half // 3)
        case "cross":
            inside = (far <= half) & (abs(abs(x) - abs(y)) <= half // 3)
        case "stripes":
            period = dice.throw(5, 8, count, 1, 1)
            inside = (far <= half) & ((y + 64) % period < period // 2)
        case _:
            period = dice.throw(3, 5, count, 1, 1)
            inside = (far <= half) & (((x + 64) // period + (y + 64) // period) % 2 == 0)
    return inside


def _near(ground: Ints, dice: _Dice) -> Ints:
    """Another colour for each picture, from hardly different to very: (1000, 3, 1, 1)."""
    strength = dice.throw(4, 16, BLOCK, 1, 1, 1)
    near: Ints = ground + (dice.throw(0, 255, BLOCK, 3, 1, 1) - ground) * strength // 16
    return near


def _shade(dice: _Dice) -> Ints:
    """A ground that grows lighter or darker across the picture."""
    along = np.arange(SIDE, dtype=np.int32) - SIDE // 2
    slope = dice.throw(-32, 32, 2, BLOCK, 1, 1, 1)
    shade: Ints = (slope[0] * along[:, None] + slope[1] * along) >> 4
    return shade


def _clutter(dice: _Dice) -> Mask:
    """A rectangle of 2 … 6 pixels somewhere, one in each picture: (1000, 32, 32) bool."""
    places = np.arange(SIDE)
    x, y = dice.throw(0, SIDE - 1, 2, BLOCK, 1)
    width, height = dice.throw(2, 6, 2, BLOCK, 1)
    across: Mask = (places >= x) & (places < x + width)
    down: Mask = (places >= y) & (places < y + height)
    return np.logical_and(down[:, :, None], across[:, None, :])
