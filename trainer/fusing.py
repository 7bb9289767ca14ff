"""Let a network compute some layers by our own kernels (trainer/norm.py, trainer/pool.py), without a change to it.

torch.fx (https://docs.pytorch.org/docs/stable/fx.html) writes down what a network does with a batch of images. In that
list a norm, the sum and the activation after it are found, and become one; poolings are replaced.
"""

from __future__ import annotations

import logging
import operator
from collections import Counter
from typing import Any

from torch import fx, nn
from torch.nn import functional as F

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
    if not ours:
        return None
    whole = fx.GraphModule(network, graph)
    for name, layer in ours.items():
        whole.set_submodule(name, layer)
    return whole.train(network.training)


def _fuse(graph: fx.Graph, norm: fx.Node, layer: nn.BatchNorm2d, layers: Layers) -> Norm:
    """Put one node in the place of a norm and of what alone makes use of it: a sum, an activation, a sum and a ReLU."""
    (images,), chain = norm.args, [norm]
    added = _what_is_added(norm)
    if added:
        chain += norm.users
    activation = _activation_after(chain[-1], layers)
    if added and activation == "silu":  # our programs have no such gradient, as no network here has such a block
        activation = "none"
    if activation != "none":
        chain += chain[-1].users
    with graph.inserting_before(chain[-1] if added else norm):
        whole = graph.call_module(str(norm.target), (images, added) if added else (images,))
    chain[-1].replace_all_uses_with(whole)
    for node in reversed(chain):
        graph.erase_node(node)
    return Norm(layer, activation)


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
