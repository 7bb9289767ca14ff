"""Let a network compute layers by our own kernels, without a change to it (trainer/norm.py, pool.py, channels.py).

torch.fx (https://docs.pytorch.org/docs/stable/fx.html) writes down what a network does with a batch of images. In that
list a norm, the sum and the activation after it are found, and become one; some other layers are replaced.
"""

from __future__ import annotations

import logging
import operator
from collections import Counter
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from trainer.channels import Shuffle, concatenated, split
from trainer.convolution import has_hooks
from trainer.norm import Activation, Norm, can_be_fused
from trainer.pool import MaxPool, is_pool

log = logging.getLogger("cifar-tui")

FUNCTIONS: dict[Any, Activation] = {F.relu: "relu", F.silu: "silu"}
MODULES: dict[type[nn.Module], Activation] = {nn.ReLU: "relu", nn.SiLU: "silu"}

Layers = dict[str, nn.Module]
"""A network's layers by name."""


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Our own layers are looked into no more than torch's."""
        return type(m).__module__.startswith("trainer.") or super().is_leaf_module(m, module_qualified_name)


def with_own_kernels(network: nn.Module) -> nn.Module | None:
    """What computes a network's scores in training, with its parameters and statistics under their names; None when
    there is nothing to replace, or when its code cannot be followed, as what it does depends on what it is given."""
    try:
        graph = _Tracer().trace(network)
    except Exception as error:  # of any kind: it was the network's own code that met no images but a stand-in
        log.info("%s is not computed by our own kernels: %s", type(network).__name__, error)
        return None
    layers = dict(network.named_modules())
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    ours: dict[str, nn.Module] = {}
    for node in list(graph.nodes):
        layer = layers[node.target] if node.op == "call_module" else None
        if isinstance(layer, nn.BatchNorm2d) and can_be_fused(layer) and calls[node.target] == 1 == len(node.args):
            ours[node.target] = _fuse(graph, node, layer, layers)
        elif isinstance(layer, nn.MaxPool2d) and is_pool(layer):
            ours[node.target] = MaxPool(layer)
        elif isinstance(layer, nn.ChannelShuffle) and type(layer) is nn.ChannelShuffle and not has_hooks(layer):
            ours[node.target] = Shuffle(layer)
        elif node.op == "call_function" and node.target is torch.cat and _along_channels(node):
            _concatenate(graph, node, layers)
        elif node.op == "call_method" and node.target == "split" and _along_channels(node):
            with graph.inserting_before(node):
                _replace(graph, [node], graph.call_function(split, node.args[:2]))
    if not ours:  # what is concatenated without them is no images
        return None
    whole = fx.GraphModule(network, graph)
    for name, layer in ours.items():
        whole.set_submodule(name, layer)
    return whole.train(network.training)


def _fuse(graph: fx.Graph, norm: fx.Node, layer: nn.BatchNorm2d, layers: Layers) -> Norm:
    """Put one node in the place of a norm and of what alone makes use of it: a sum, an activation, a sum and a ReLU.

    What makes use of the same images later gets them from there: so their gradients come together in one place.
    """
    images: Any = norm.args[0]
    chain = [norm]
    added = _what_is_added(norm)
    if added:
        chain += norm.users
    activation = _activation_after(chain[-1], layers)
    if added and activation == "silu":  # our kernels have no such gradient, as no network here has such a block
        activation = "none"
    if activation != "none":
        chain += chain[-1].users
    with graph.inserting_before(chain[-1] if added else norm):
        whole = graph.call_module(str(norm.target), (images, added) if added else (images,))
    later = [user for user in images.users if user > whole and user is not norm]
    if later:
        with graph.inserting_after(whole):
            passed = graph.call_function(operator.getitem, (whole, 1))
            result = graph.call_function(operator.getitem, (whole, 0))
        for user in later:
            user.replace_input_with(images, passed)
    _replace(graph, chain, result if later else whole)
    return Norm(layer, activation, passes=bool(later))


def _concatenate(graph: fx.Graph, cat: fx.Node, layers: Layers) -> None:
    """Let a concatenation be ours, with the ReLU after it and the sums that only it makes use of."""
    parts: Any = cat.args[0]
    sums = [part for part in parts if _is_sum_for_one(part) and parts.count(part) == 1]
    chain, relu = [cat], _activation_after(cat, layers) == "relu"
    if relu:
        chain += cat.users
    with graph.inserting_before(cat):
        ours = graph.call_function(concatenated, ([part.args if part in sums else part for part in parts], relu))
    _replace(graph, [*sums, *chain], ours)


def _replace(graph: fx.Graph, chain: list[fx.Node], ours: fx.Node) -> None:
    """Of nodes that lead to each other, the last one's result comes from ours."""
    chain[-1].replace_all_uses_with(ours)
    for node in reversed(chain):
        graph.erase_node(node)


def _along_channels(node: fx.Node) -> bool:
    """Is what is put together or taken apart here a list, along the second dimension?"""
    what = node.args[0] if node.target is torch.cat else node.args[1] if len(node.args) > 1 else None
    dim = node.args[2 if node.op == "call_method" else 1 :] or (node.kwargs.get("dim"),)
    return isinstance(what, (list, tuple)) and dim == (1,)


def _is_sum_for_one(node: fx.Node) -> bool:
    """Is this a sum of images that nobody else makes use of, and that only one makes use of?"""
    return (
        node.target is operator.add
        and len(node.users) == 1
        and all(isinstance(image, fx.Node) and len(image.users) == 1 for image in node.args)
    )


def _what_is_added(norm: fx.Node) -> fx.Node | None:
    """The other half of a sum that nobody but it makes use of the norm for."""
    images: Any = norm.args[0]
    for user in norm.users if len(norm.users) == 1 else ():
        # The whole comes later than the norm did. Were the images given to others, they might be changed until then.
        if user.op == "call_function" and user.target in (operator.add, operator.iadd) and len(images.users) == 1:
            other = [node for node in user.args if node is not norm]
            if user.args[0] is norm or user.target is operator.add:
                return next((node for node in other if isinstance(node, fx.Node)), None)
    return None


def _activation_after(node: fx.Node, layers: Layers) -> Activation:
    """Which one is all that is done with this result?"""
    for user in node.users if len(node.users) == 1 else ():
        if user.op == "call_function" and user.args == (node,):
            return FUNCTIONS.get(user.target, "none")
        if user.op == "call_module" and not has_hooks(layers[str(user.target)]):
            return MODULES.get(type(layers[str(user.target)]), "none")
    return "none"
