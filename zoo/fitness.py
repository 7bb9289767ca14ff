"""Is an own model fit to train here? Its file is imported, the network built and tried; what it costs is measured.

The network is tried on the meta device, where nothing is computed. Code that asks a tensor for its value cannot run
there, so a network that fails is built and run for real before it is refused.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from dataclasses import replace
from functools import cache
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from zoo.catalogue import Card, OwnFile, UnfitModel
from zoo.measure import IMAGE, Cost, measure

CLASSES = 10
IMAGES = 2  # of the trial batch


@cache
def imported(file: OwnFile) -> ModuleType:
    """The module of an own file, which runs now, once. Raises UnfitModel with the error and its line.

    What it prints goes to stderr, so that it does not mix with our output. As with `python my_net.py`, it may import
    what lies beside it.
    """
    with contextlib.redirect_stdout(sys.stderr):
        try:
            return import_module(file.module) if file.module else _run(file)
        except (Exception, SystemExit) as error:
            raise UnfitModel(f"{file.path.name} cannot be imported: {in_words(error, file)}") from error


def _run(file: OwnFile) -> ModuleType:
    """Run exactly the text that was read, as a module of a name that no other module has."""
    folder = str(file.path.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # at the end: nothing that lies there may take the place of a library
    module = ModuleType(f"own_{file.path.stem}_{file.digest[:8]}")
    module.__file__ = str(file.path)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(compile(file.source, str(file.path), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def examined(card: Card) -> Card:
    """The card of an own model with what it costs. Raises UnfitModel when it cannot be trained here.

    Leaves torch's global generator as it was. A network that has to be built for real draws from it meanwhile: no
    other thread may then be drawing initial weights.
    """
    try:
        cost = _cost(card, "meta")
    except UnfitModel:
        with torch.random.fork_rng(devices=[]):
            cost = _cost(card, "cpu")
    return replace(card, params=cost.params, macs=cost.macs, activations=cost.activations)


def check(card: Card, network: nn.Module) -> None:
    """Raises UnfitModel unless the network of an own model has what a training needs, and gives a score a class.

    It is run once on a batch of zeros, where its parameters are, and looks the same afterwards but for its statistics.
    """
    parameters = list(network.parameters())
    if any(isinstance(parameter, UninitializedParameter) for parameter in parameters):
        raise _unfit(card, "has lazy layers, whose sizes must be known before training: write the sizes out")
    if not any(parameter.requires_grad for parameter in parameters):
        raise _unfit(card, "has no parameters to train")
    before = _tensors(network)
    try:
        scores = network.train()(torch.zeros(IMAGES, *IMAGE, device=parameters[0].device))
    except Exception as error:
        raise _unfit(card, f"does not take a batch of 3×32×32 images: {_in_words(error, card)}") from error
    if not isinstance(scores, Tensor):
        raise _unfit(card, f"gives a {type(scores).__name__}; it has to give one tensor of scores")
    if scores.shape != (IMAGES, CLASSES):
        shape = "×".join(map(str, scores.shape)) or "a single number"
        raise _unfit(card, f"gives scores of shape {shape} for {IMAGES} images; {IMAGES}×{CLASSES} is right")
    if not scores.requires_grad:
        raise _unfit(card, "gives scores that do not depend on its parameters")
    after = _tensors(network)
    if replaced := [name for name, tensor in before.items() if after.get(name) is not tensor]:
        # A captured step of a GPU goes on reading and writing the old one.
        own = replaced[0].rpartition(".")[2]
        raise _unfit(card, f"has {replaced[0]} replaced in forward; write into it instead: self.{own}.copy_(…)")


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, by name."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _cost(card: Card, device: str) -> Cost:
    """Build and try the network of a card on a device, and measure it there."""
    network = _built(card, device)
    check(card, network)
    try:
        return measure(network)
    except Exception as error:
        raise _unfit(card, f"does not take a single image: {_in_words(error, card)}") from error


def _built(card: Card, device: str) -> nn.Module:
    assert card.own is not None
    module = imported(card.own)
    try:
        with torch.device(device), contextlib.redirect_stdout(sys.stderr):
            network = getattr(module, card.id)(CLASSES)
    except Exception as error:
        raise _unfit(card, f"cannot be built: {_in_words(error, card)}") from error
    if not isinstance(network, nn.Module):
        raise _unfit(card, f"returns a {type(network).__name__}; it has to return a torch.nn.Module")
    return network


def _unfit(card: Card, what: str) -> UnfitModel:
    assert card.own is not None
    return UnfitModel(f"{card.own.path.name}: {card.id} {what}")


def _in_words(error: BaseException, card: Card) -> str:
    assert card.own is not None
    return in_words(error, card.own)


def in_words(error: BaseException, file: OwnFile) -> str:
    """`NameError: name 'nm' is not defined (line 12)`: the last line of the file that led to the error."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file.path)]
    message = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {message[0]}" if message else type(error).__name__
    return f"{what} (line {lines[-1]})" if lines else what
