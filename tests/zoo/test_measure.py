from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo import build
from zoo.measure import Layer, layer_table, measure


def on_meta(id: str) -> nn.Module:
    with torch.device("meta"):
        return build(id)


class Twice(nn.Module):
    """A network that runs one of its layers twice and another never."""

    def __init__(self) -> None:
        super().__init__()
        self.again = nn.Conv2d(3, 3, kernel_size=3, padding=1)
        self.never = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.again(self.again(images)) * self.scale
        return x.mean(dim=(2, 3))


def test_the_layer_table_lists_what_runs_in_the_order_in_which_it_runs() -> None:
    table = layer_table(on_meta("lenet"))
    assert table[:3] == [
        Layer("stages.0.0", "Conv2d", (6, 28, 28), params=6 * (3 * 25 + 1), macs=6 * 28 * 28 * 3 * 25),
        Layer("stages.0.1", "ReLU", (6, 28, 28), params=0, macs=0),
        Layer("stages.0.2", "MaxPool2d", (6, 14, 14), params=0, macs=0),
    ]
    assert table[-1] == Layer("head.5", "Linear", (10,), params=84 * 10 + 10, macs=84 * 10)


def test_a_depthwise_convolution_costs_one_filter_a_channel() -> None:
    table = {layer.path: layer for layer in layer_table(on_meta("mobilenet"))}
    assert table["stages.0.0.depthwise.0"].macs == 32 * 32 * 32 * 9


def test_a_linear_layer_on_tokens_counts_every_token() -> None:
    table = {layer.path: layer for layer in layer_table(on_meta("vit_h1_l1"))}
    assert table["layers.0.mlp.0"].macs == 65 * 768 * 3072


def test_a_layer_that_runs_twice_counts_its_parameters_once_and_its_work_twice() -> None:
    table = layer_table(Twice().to("meta"))
    once = Layer("again", "Conv2d", (3, 32, 32), params=84, macs=32 * 32 * 3 * 27)
    assert table[:2] == [once, Layer("again", "Conv2d", (3, 32, 32), params=0, macs=once.macs)]


def test_parameters_of_the_network_itself_and_of_layers_that_never_run_are_in_the_table() -> None:
    table = layer_table(Twice().to("meta"))
    assert table[2:] == [Layer("", "Twice", (3,), 3, 0), Layer("never", "Linear", (), 20, 0)]


def test_the_table_adds_up_to_the_network() -> None:
    for id in ("efficientnet", "vit_h1_l1", "dpn26"):
        network = on_meta(id)
        assert sum(layer.params for layer in layer_table(network)) == measure(network).params


def test_measuring_leaves_the_network_as_it_was() -> None:
    network = on_meta("resnet18")
    network.get_submodule("stem").eval()
    modes = [module.training for module in network.modules()]
    measure(network)
    assert [module.training for module in network.modules()] == modes
    assert not any(module._forward_hooks for module in network.modules())


def test_activations_are_what_each_layer_keeps_counted_once() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, kernel_size=1), nn.ReLU(), nn.AvgPool2d(32), nn.Flatten(), nn.Linear(8, 10))
    image = 3 * 32 * 32  # kept by the convolution
    relu = 8 * 32 * 32  # kept by ReLU and by the pooling after it: one storage
    pooled = 8  # kept by the linear layer
    assert measure(network.to("meta")).activations == 4 * (image + relu + pooled)
