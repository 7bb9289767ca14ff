"""Max pooling by our kernels, interpreted, beside torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from trainer import pool
from trainer.pool import MaxPool, is_pool

pytest.importorskip("triton", reason="torch brings triton on Linux alone")


def pooled(layer: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """The result, and the gradient of the images for some of the result."""
    images = images.clone().requires_grad_()
    result: Tensor = layer(images)
    generator = torch.Generator().manual_seed(1)
    result.backward(torch.randn(result.shape, generator=generator).to(result.dtype))
    assert images.grad is not None
    return result, images.grad


def some_images(*shape: int) -> Tensor:
    """With many that are equally large."""
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.randn(shape, generator=generator)).round().to(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("window", "shape"),
    [
        ((3, 1, 1), (2, 24, 8, 8)),  # in an Inception block
        ((3, 2, 1), (2, 24, 8, 8)),
        ((3, 2, 1), (2, 13, 7, 5)),
        ((2, 2, 0), (2, 70, 8, 8)),
        ((2, 2, 0), (2, 8, 9, 9)),  # the last line and column are in no window
        ((4, 4, 0), (2, 8, 8, 8)),
        ((3, 4, 0), (2, 8, 11, 11)),  # some are between the windows
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_results_and_gradients_are_those_of_torch(
    window: tuple[int, int, int], shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    layer, images = nn.MaxPool2d(*window), some_images(*shape).to(dtype)
    for part in (images, images[:, 1:]):  # a part of a concatenation, too
        (ours, of_ours), (expected, of_expected) = pooled(MaxPool(layer), part), pooled(layer, part)
        assert torch.equal(ours, expected) and ours.dtype == dtype
        assert torch.allclose(of_ours, of_expected, atol=1e-6 if dtype == torch.float32 else 1e-2)
        assert ours.is_contiguous(memory_format=torch.channels_last)


def test_what_is_not_finite_stays_so_and_gets_the_gradient() -> None:
    images = some_images(2, 8, 8, 8)
    images[0, 0, 3, 3], images[1] = torch.nan, -torch.inf
    (ours, of_ours), (expected, of_expected) = (pooled(one(3, 1, 1), images) for one in (own, nn.MaxPool2d))
    assert torch.equal(ours.isnan(), expected.isnan()) and expected.isnan().sum() == 9
    assert torch.equal(ours.nan_to_num(), expected.nan_to_num()) and torch.allclose(of_ours, of_expected)


def own(size: int, stride: int, padding: int) -> MaxPool:
    return MaxPool(nn.MaxPool2d(size, stride, padding))


def test_other_layouts_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_MaxPool", None)  # would be missed
    images = some_images(2, 8, 8, 8).contiguous()
    assert torch.equal(own(3, 2, 1)(images), nn.MaxPool2d(3, 2, 1)(images))


def test_only_usual_poolings_are_replaced() -> None:
    assert is_pool(nn.MaxPool2d(3, 1, 1)) and is_pool(nn.MaxPool2d(2))
    for layer in (
        nn.MaxPool2d(5),  # 25 values, one by one
        nn.MaxPool2d((2, 3)),
        nn.MaxPool2d(2, dilation=2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.MaxPool2d(2, return_indices=True),
        nn.AvgPool2d(2),
    ):
        assert not is_pool(layer)
    heard = nn.MaxPool2d(2)
    heard.register_forward_hook(lambda *args: None)
    assert not is_pool(heard)
