"""Families without a reference in torchvision, each written down once more as a plain function of weights and images.

A Walk uses up the weights in the order in which ours registers them, so a layer out of place does not go unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.zoo.comparison import Plain, Walk, assert_same_function
from zoo import build


def lenet(w: Walk, x: Tensor) -> Tensor:
    for _ in range(2):
        x = F.max_pool2d(w.conv(x, padding=0, bias=True).relu(), 2)
    return w.linear(w.linear(w.linear(x.flatten(1)).relu()).relu())


def alexnet(w: Walk, x: Tensor) -> Tensor:
    for halves in (True, True, False, False, True):
        x = w.conv(x, bias=True).relu()
        x = F.max_pool2d(x, 2) if halves else x
    x = F.dropout(x.flatten(1), 0.5, w.training)
    x = F.dropout(w.linear(x).relu(), 0.5, w.training)
    return w.linear(w.linear(x).relu())


def googlenet(w: Walk, x: Tensor) -> Tensor:
    def unit(x: Tensor) -> Tensor:
        return w.norm(w.conv(x, bias=True)).relu()

    x = unit(x)
    for name in ("a3", "b3", "|", "a4", "b4", "c4", "d4", "e4", "|", "a5", "b5"):
        if name == "|":
            x = F.max_pool2d(x, 3, stride=2, padding=1)
        else:
            x = torch.cat([unit(x), unit(unit(x)), unit(unit(unit(x))), unit(F.max_pool2d(x, 3, 1, 1))], dim=1)
    return w.linear(x.mean(dim=(2, 3)))


def mobilenet(w: Walk, x: Tensor) -> Tensor:
    x = w.norm(w.conv(x)).relu()
    for stride in (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1):
        x = w.norm(w.conv(x, stride, groups=x.shape[1])).relu()
        x = w.norm(w.conv(x)).relu()
    return w.linear(x.mean(dim=(2, 3)))


def mobilenetv2(w: Walk, x: Tensor) -> Tensor:
    x = w.norm(w.conv(x)).relu()
    for width, repeats, first in ((16, 1, 1), (24, 2, 1), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1)):
        for stride in [first] + [1] * (repeats - 1):
            y = w.norm(w.conv(x)).relu()
            y = w.norm(w.conv(y, stride, groups=y.shape[1])).relu()
            y = w.norm(w.conv(y))
            if stride == 1:
                y = y + (x if x.shape[1] == width else w.norm(w.conv(x)))
            x = y
    x = w.norm(w.conv(x)).relu()
    return w.linear(x.mean(dim=(2, 3)))


def hard_sigmoid(x: Tensor) -> Tensor:
    return (x + 3).clamp(0, 6) / 6


def h_swish(x: Tensor) -> Tensor:
    return x * hard_sigmoid(x)


def mobilenetv3(rows: str, squeezes_last: bool, w: Walk, x: Tensor) -> Tensor:
    def squeeze(x: Tensor) -> Tensor:
        return x * hard_sigmoid(w.linear(w.linear(x.mean(dim=(2, 3))).relu()))[:, :, None, None]

    x = h_swish(w.norm(w.conv(x, bias=True)))
    for row in rows.split():
        act = h_swish if "h" in row else torch.relu
        stride = 2 if "2" in row else 1
        y = act(w.norm(w.conv(x)))
        y = w.norm(w.conv(y, stride, groups=y.shape[1], bias=True))
        y = squeeze(y) if "s" in row else y
        y = act(w.norm(w.conv(y, bias=True)))
        x = y + x if y.shape == x.shape else y
    x = w.conv(x, bias=True)
    x = squeeze(x) if squeezes_last else x
    x = h_swish(w.norm(x)).mean(dim=(2, 3))
    return w.linear(h_swish(w.linear(x)))


def shufflenet(groups: int, w: Walk, x: Tensor) -> Tensor:
    x = w.norm(w.conv(x)).relu()
    for number in range(16):
        first = 1 if number == 0 else groups
        stride = 2 if number in (0, 4, 12) else 1
        y = w.norm(w.conv(x, groups=first)).relu()
        y = torch.cat([y[:, place :: y.shape[1] // first] for place in range(y.shape[1] // first)], dim=1)
        y = w.norm(w.conv(y, stride, groups=y.shape[1])).relu()
        y = w.norm(w.conv(y, groups=groups))
        x = torch.cat([y, F.avg_pool2d(x, 3, 2, 1)], dim=1).relu() if stride == 2 else (y + x).relu()
    return w.linear(x.mean(dim=(2, 3)))


def senet18(w: Walk, x: Tensor) -> Tensor:
    x = w.norm(w.conv(x)).relu()
    for stride in (1, 1, 2, 1, 2, 1, 2, 1):
        a = w.norm(x).relu()
        y = w.conv(w.norm(w.conv(a, stride)).relu())
        y = y * w.linear(w.linear(y.mean(dim=(2, 3))).relu()).sigmoid()[:, :, None, None]
        x = y + (w.conv(a, stride) if y.shape != x.shape else x)
    return w.linear(x.mean(dim=(2, 3)))


def pnasnet_a(w: Walk, x: Tensor) -> Tensor:
    x = w.norm(w.conv(x)).relu()
    for stride in [1] * 6 + [2] + [1] * 6 + [2] + [1] * 6:
        y = w.norm(w.conv(x, stride, groups=x.shape[1]))
        pooled = F.max_pool2d(x, 3, stride, padding=1)
        x = (y + (w.norm(w.conv(pooled)) if stride == 2 else pooled)).relu()
    return w.linear(x.mean(dim=(2, 3)))


def pnasnet_b(w: Walk, x: Tensor) -> Tensor:
    x = w.norm(w.conv(x)).relu()
    for stride in [1] * 6 + [2] + [1] * 6 + [2] + [1] * 6:
        seven, three, five = (w.norm(w.conv(x, stride, groups=x.shape[1])) for _ in range(3))
        pooled = F.max_pool2d(x, 3, stride, padding=1)
        pooled = w.norm(w.conv(pooled)) if stride == 2 else pooled
        x = torch.cat([(seven + three).relu(), (pooled + five).relu()], dim=1)
        x = w.norm(w.conv(x)).relu()
    return w.linear(x.mean(dim=(2, 3)))


def dla(w: Walk, x: Tensor) -> Tensor:
    def block(x: Tensor, stride: int = 1) -> Tensor:
        y = w.norm(w.conv(x, stride)).relu()
        y = w.norm(w.conv(y))
        return (y + (x if x.shape == y.shape else w.norm(w.conv(x, stride)))).relu()

    def root(*children: Tensor) -> Tensor:
        return w.norm(w.conv(torch.cat(children, dim=1))).relu()

    def tree(x: Tensor, stride: int) -> Tensor:
        left = block(x, stride)
        return root(left, block(left))

    def deep_tree(x: Tensor, stride: int) -> Tensor:
        p, t = block(x, stride), tree(x, stride)
        left = block(t)
        return root(p, t, left, block(left))

    for _ in range(3):
        x = w.norm(w.conv(x)).relu()
    x = tree(deep_tree(deep_tree(tree(x, 1), 2), 2), 2)
    return w.linear(x.mean(dim=(2, 3)))


def dpn(depths: tuple[int, ...], w: Walk, x: Tensor) -> Tensor:
    x = w.norm(w.conv(x)).relu()
    for depth, out, first in zip(depths, (256, 512, 1024, 2048), (1, 2, 2, 2), strict=True):
        for number in range(depth):
            stride = 1 if number else first
            y = w.norm(w.conv(x)).relu()
            y = w.norm(w.conv(y, stride, groups=32)).relu()
            y = w.norm(w.conv(y))
            x = x if number else w.norm(w.conv(x, stride))
            x = torch.cat([x[:, :out] + y[:, :out], x[:, out:], y[:, out:]], dim=1).relu()
    return w.linear(x.mean(dim=(2, 3)))


PLAIN: dict[str, Callable[[Walk, Tensor], Tensor]] = {
    "lenet": lenet,
    "alexnet": alexnet,
    "googlenet": googlenet,
    "mobilenet": mobilenet,
    "mobilenetv2": mobilenetv2,
    # a block a word: r ReLU, h h-swish, s squeeze-and-excitation, 2 the stride
    "mobilenetv3_large": partial(mobilenetv3, "r r2 r rs2 rs rs h2 h h h hs hs hs hs2 hs", False),
    "mobilenetv3_small": partial(mobilenetv3, "rs2 r2 r rs2 rs rs hs hs hs2 hs hs", True),
    **{f"shufflenet_g{groups}": partial(shufflenet, groups) for groups in (1, 2, 3, 4, 8)},
    "senet18": senet18,
    "pnasnet_a": pnasnet_a,
    "pnasnet_b": pnasnet_b,
    "dla": dla,
    "dpn26": partial(dpn, (2, 2, 2, 2)),
}


@pytest.mark.parametrize("id", PLAIN)
def test_a_network_computes_what_the_plain_function_computes(id: str) -> None:
    ours = build(id)
    assert_same_function(ours, Plain(ours, PLAIN[id]))
