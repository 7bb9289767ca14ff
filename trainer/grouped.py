"""On a GPU: convolutions in many small groups, several of them as one.

A convolution in 32 groups looks at a 32nd of the channels for each result, to save arithmetic. But matrix units want
large matrices, of many channels: of three, as in a group of DPN-92, they have next to nothing to do, and cuDNN may go
through the groups with a slow program. So several groups become one, with zeros wherever one does not look at another's
channels: more arithmetic, which the matrix units have to spare. Which way is faster, the search for a plan tries out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.convolution import has_hooks

WIDE = 64  # channels of a group that fill a matrix unit


class MergedGroups(nn.Conv2d):
    """The grouped convolution `like`, with its parameters: (N, C, H, W) → (N, C', h, w)."""

    own: Tensor  # of groups that were merged: does one look at the other's channels?

    def __init__(self, like: nn.Conv2d) -> None:
        how: dict[str, Any] = {"stride": like.stride, "padding": like.padding, "dilation": like.dilation}
        size: Any = like.kernel_size
        super().__init__(like.in_channels, like.out_channels, size, **how, bias=False, device="meta")  # draws nothing
        self.weight, self.bias = like.weight, like.bias
        self.groups = fewer_groups(like)
        together = like.groups // self.groups
        own = torch.eye(together, dtype=torch.bool, device=like.weight.device)
        self.register_buffer("own", own.view(1, together, 1, 1, together, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return F.conv2d(images, self.wide(), self.bias, self.stride, self.padding, self.dilation, self.groups)

    def wide(self) -> Tensor:
        """The kernels (C', C / groups, height, width) of the merged groups, with zeros for the channels of others.

        In memory they lie as (C', height, width, C / groups), as a convolution of images in channels_last wants them.
        """
        results, channels, height, width = self.weight.shape
        together = self.own.shape[1]
        kernels = self.weight.permute(0, 2, 3, 1)  # (C', height, width, channels of one group)
        kernels = kernels.reshape(self.groups, together, -1, height * width, 1, channels)
        kernels = kernels.where(
            self.own, 0
        )  # (groups, together, results of one, height·width, together, channels of one)
        return kernels.reshape(results, height, width, together * channels).permute(0, 3, 1, 2)


def fewer_groups(layer: nn.Conv2d) -> int:
    """How many groups of a convolution are left when as few are merged as make each wide enough."""
    divisors = (count for count in range(layer.groups, 0, -1) if layer.groups % count == 0)
    return next((count for count in divisors if min(layer.in_channels, layer.out_channels) >= count * WIDE), 1)


def is_in_small_groups(layer: nn.Module) -> bool:
    """Is this a convolution that can be replaced by ours?"""
    return (
        type(layer) is nn.Conv2d
        and 1 < layer.groups < layer.in_channels
        and layer.padding_mode == "zeros"
        and isinstance(layer.padding, tuple)
        and not has_hooks(layer)
        and fewer_groups(layer) < layer.groups
    )


def has_small_groups(network: nn.Module) -> bool:
    """Has a network such layers?"""
    return any(is_in_small_groups(layer) for name, layer in network.named_modules() if name)


def with_merged_groups(network: nn.Module) -> None:
    """Replace these layers of a network: the same parameters, under the same names."""
    for name, layer in list(network.named_modules()):
        if name and isinstance(layer, nn.Conv2d) and is_in_small_groups(layer):
            network.set_submodule(name, MergedGroups(layer).train(layer.training))
