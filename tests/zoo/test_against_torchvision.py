"""Families whose networks can be put together from torchvision's parts compute what these compute."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer, densenet, efficientnet, regnet, resnet, vgg
from torchvision.ops import Conv2dNormActivation

from tests.zoo.comparison import assert_same_function
from zoo import build


def conv_bn(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, act: type[nn.Module] | None = None
) -> nn.Module:
    layers: nn.Module = Conv2dNormActivation(in_channels, out_channels, kernel_size, stride, activation_layer=act)
    return layers


def head(pool: int, channels: int) -> list[nn.Module]:
    return [nn.AvgPool2d(pool), nn.Flatten(), nn.Linear(channels, 10)]


def vgg_from_torchvision(configuration: str) -> nn.Module:
    return nn.Sequential(vgg.make_layers(vgg.cfgs[configuration], batch_norm=True), nn.Flatten(), nn.Linear(512, 10))


def resnet_from_torchvision(block: type[resnet.BasicBlock | resnet.Bottleneck], depths: list[int]) -> nn.Module:
    network: nn.Module = resnet.ResNet(block, depths, num_classes=10)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


def resnext_from_torchvision() -> nn.Module:
    stages, channels = [], 64
    for planes, first in ((64, 1), (128, 2), (256, 2)):
        for number in range(3):
            stride, shortcut = (1, None) if number else (first, conv_bn(channels, 4 * planes, 1, first))
            stages.append(resnet.Bottleneck(channels, planes, stride, shortcut, groups=2, base_width=64))
            channels = 4 * planes
    return nn.Sequential(conv_bn(3, 64, 1, act=nn.ReLU), *stages, *head(8, 1024))


def regnet_from_torchvision() -> nn.Module:
    stages, channels = [], 64
    for depth, width, first in ((1, 24, 1), (1, 56, 1), (4, 152, 2), (7, 368, 2)):
        for number in range(depth):
            stride = 1 if number else first
            block = regnet.ResBottleneckBlock(channels, width, stride, nn.BatchNorm2d, nn.ReLU, 8, 1.0)
            if block.proj is not None:
                put_last(block, "proj")  # where ours registers the shortcut
            stages.append(block)
            channels = width
    return nn.Sequential(conv_bn(3, 64, 3, act=nn.ReLU), *stages, *head(8, 368))


def put_last(module: nn.Module, name: str) -> None:
    module._modules[name] = module._modules.pop(name)


class OneInput(nn.Module):
    """torchvision's dense layer takes all earlier results and gives only the new channels."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.layer = densenet._DenseLayer(in_channels, growth, bn_size=4, drop_rate=0.0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.layer(x), x], dim=1)


def densenet_from_torchvision(growth: int) -> nn.Module:
    channels = 2 * growth
    stages: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1, bias=False)]
    for depth in (6, 12, 24, 16):
        for _ in range(depth):
            stages.append(OneInput(channels, growth))
            channels += growth
        if depth != 16:
            stages.append(densenet._Transition(channels, channels // 2))
            channels //= 2
    return nn.Sequential(*stages, nn.BatchNorm2d(channels), nn.ReLU(), *head(4, channels))


def efficientnet_from_torchvision() -> nn.Module:
    rows = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3)]
    rows += [(6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1)]
    blocks: list[nn.Module] = []
    for expansion, kernel, stride, channels, width, depth in rows:
        for number in range(depth):
            sizes = (kernel, 1, width, width) if number else (kernel, stride, channels, width)
            blocks.append(efficientnet.MBConv(efficientnet.MBConvConfig(expansion, *sizes, 1), 0.0, nn.BatchNorm2d))
    stem = conv_bn(3, 32, 3, act=nn.SiLU)
    return nn.Sequential(stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(320, 10))


def vit_from_torchvision(heads: int, layers: int) -> nn.Module:
    norm = partial(nn.LayerNorm, eps=1e-5)
    network: nn.Module = VisionTransformer(32, 4, layers, heads, 768, 3072, num_classes=10, norm_layer=norm)
    network.register_parameter("positions", network.get_parameter("encoder.pos_embedding"))  # where ours registers it
    return network


REFERENCES: dict[str, Callable[[], nn.Module]] = {
    "vgg11": lambda: vgg_from_torchvision("A"),
    "vgg13": lambda: vgg_from_torchvision("B"),
    "vgg16": lambda: vgg_from_torchvision("D"),
    "vgg19": lambda: vgg_from_torchvision("E"),
    "efficientnet": efficientnet_from_torchvision,
    "resnet18": lambda: resnet_from_torchvision(resnet.BasicBlock, [2, 2, 2, 2]),
    "resnet50": lambda: resnet_from_torchvision(resnet.Bottleneck, [3, 4, 6, 3]),
    "resnext29": resnext_from_torchvision,
    "regnetx_200mf": regnet_from_torchvision,
    "densenet121_k12": lambda: densenet_from_torchvision(12),
    "vit_h1_l1": lambda: vit_from_torchvision(1, 1),
    "vit_h4_l2": lambda: vit_from_torchvision(4, 2),
}


@pytest.mark.parametrize("id", REFERENCES)
def test_a_network_computes_what_torchvisions_parts_compute(id: str) -> None:
    ours = build(id)
    if id == "efficientnet":  # torchvision does not register the expansion that the first block skips
        del ours.get_submodule("stages.0.0").expand
    assert_same_function(ours, REFERENCES[id]())
