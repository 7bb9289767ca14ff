"""What a network costs, measured by running it on the meta device: shapes are worked out, nothing is computed.

A network that cannot run there, as own models may, is measured on the device where it is.

>>> import torch
>>> from zoo import build
>>> from zoo.measure import layer_table, measure
>>> with torch.device("meta"):
...     network = build("lenet")
>>> measure(network)
Cost(params=62006, macs=651720, activations=57232)
>>> layer_table(network)[0]
Layer(path='stages.0.0', kind='Conv2d', shape=(6, 28, 28), params=456, macs=352800)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

IMAGE = (3, 32, 32)


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of a network's layer table: a module that ran."""

    path: str  # its name inside the network, such as stages.0.1.conv2; empty for the network itself
    kind: str  # its class, such as Conv2d
    shape: tuple[int, ...]  # of its output for one image, without the batch; empty for a module that never runs
    params: int  # its own, not its children's; 0 when it runs a second time
    macs: int  # multiply-accumulates for one image; 0 for everything but Conv2d and Linear


@dataclass(frozen=True, slots=True)
class Cost:
    """What a network needs."""

    params: int
    macs: int  # multiply-accumulates of Conv2d and Linear modules in one forward pass of one image
    activations: int  # bytes that one training image keeps until the backward pass, in fp32


def measure(network: nn.Module) -> Cost:
    """Parameters, MACs and activation memory of a network, which best is on the meta device.

    `activations` is what one more image in a training batch adds to the tensors that autograd saves for the backward
    pass, each storage counted once: saved bytes for 3 images minus saved bytes for 2. The image itself is among them;
    parameters and batch statistics, which do not grow with the batch, are not. Neither are the gradients and
    scratch space that come and go during the backward pass.
    """
    return Cost(
        params=sum(p.numel() for p in network.parameters()),
        macs=sum(layer.macs for layer in layer_table(network)),
        activations=_saved_bytes(network, 3) - _saved_bytes(network, 2),
    )


def layer_table(network: nn.Module) -> list[Layer]:
    """The modules of a network in the order in which they run: leaves, and what owns parameters.

    Modules that own parameters but never run stand at the end, so `params` always adds up to the whole network. The
    first call in a process takes longer than those after it: torch then imports its rules for shapes.
    """
    table: list[Layer] = []
    waiting = {module: path for path, module in network.named_modules() if _owns_parameters(module)}

    def note(path: str, module: nn.Module, output: Any) -> None:
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        own = _own_parameters(module) if waiting.pop(module, None) is not None else 0
        table.append(Layer(path, type(module).__name__, shape, own, _macs(module, output)))

    with _listening(network, note), torch.no_grad(), _mode(network, training=False):
        network(_images(network, 1))
    never = [Layer(path, type(module).__name__, (), _own_parameters(module), 0) for module, path in waiting.items()]
    return table + never


def _images(network: nn.Module, number: int) -> Tensor:
    """Black images, where the network is."""
    return torch.zeros(number, *IMAGE, device=next(network.parameters()).device)


def _owns_parameters(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None


def _own_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters(recurse=False))


def _macs(module: nn.Module, output: Any) -> int:
    """Multiply-accumulates of one module for a batch of one: each output element is a dot product with one filter."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        return int(output.numel()) * module.weight[0].numel()
    return 0


@contextmanager
def _listening(network: nn.Module, note: Callable[[str, nn.Module, Any], None]) -> Iterator[None]:
    """Calls note(path, module, output) whenever a leaf, or a module that owns parameters, has run."""
    hooks = []
    for path, module in network.named_modules():
        is_leaf = next(module.children(), None) is None
        if is_leaf or _owns_parameters(module):
            hooks.append(module.register_forward_hook(lambda m, _, out, path=path: note(path, m, out)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _mode(network: nn.Module, training: bool) -> Iterator[None]:
    """Puts the network in train or eval mode for a while; every module is given its own mode back."""
    before = {module: module.training for module in network.modules()}
    network.train(training)
    try:
        yield
    finally:
        for module, mode in before.items():
            module.training = mode


def _saved_bytes(network: nn.Module, images: int) -> int:
    """Bytes of all tensors that one forward pass saves for its backward pass, each storage counted once."""
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[id(storage)] = storage  # held, so that no other storage can get the same id
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.enable_grad(), _mode(network, training=True):
        network(_images(network, images))
    return sum(storage.nbytes() for storage in storages.values())
