"""Weights from a file or a run into a network. Only safetensors is read from outside: it cannot carry code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from store.errors import Problem
from store.records import Run
from trainer import checkpoint
from trainer.cifar10 import reason
from trainer.job import fresh_network
from trainer.state import Weights

Which = Literal["best", "last"]
"""Which weights of a run: those after its best epoch on the test set, or those after its last one."""


def read(path: Path) -> tuple[Weights, dict[str, str]]:
    """The tensors of a safetensors file by name, and the words in its header. Raises Problem."""
    try:
        with path.open("rb") as file:
            begin = file.read(4)
        if begin[:2] == b"PK" or begin[:1] == b"\x80":
            raise Problem(
                f"{path} is a file of torch.save or pickle, which can carry code: only safetensors is read "
                "(safetensors.torch.save_file writes a state dict so)"
            )
        with safe_open(path, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}, dict(opened.metadata() or {})  # noqa: SIM118 # not a dict
    except FileNotFoundError:
        raise Problem(f"there is no file {path}") from None
    except OSError as error:
        raise Problem(f"cannot read {path}: {reason(error)}") from error
    except (SafetensorError, ValueError) as error:
        raise Problem(f"{path} is not a whole safetensors file: {error}") from error


def of_run(run: Run, folder: Path, which: Which = "best") -> Weights:
    """The weights of a run, which lie in its folder; of one that is not over, out of its checkpoint. Raises Problem."""
    path = folder / f"{which}.safetensors"
    if path.exists():
        return read(path)[0]
    saved, damaged = checkpoint.newest(folder)
    if saved and which == "best" and saved["best"]:
        best: Weights = saved["best"]
        return best
    if saved and which == "last" and saved["epochs"] and saved["step"] == 0:
        last: Weights = saved["network"]
        return last
    if damaged:
        raise Problem(f"run {run.id} has no weights that can be read: {'; '.join(damaged)}")
    if saved and saved["epochs"]:
        raise Problem(f"run {run.id} is in the middle of an epoch: it has its best weights, and no last ones yet")
    raise Problem(f"run {run.id} ({run.model}, {run.status}) has no weights: none of its epochs was finished")


def network_with(model: str, weights: Weights, origin: str) -> nn.Module:
    """The network of the catalogue with these weights, on the CPU, in float32.

    Raises UnknownModel, and Problem that says in one line what does not fit. `origin` is what the weights are called.
    """
    network = fresh_network(model, seed=0)
    if fault := misfit(weights, network.state_dict()):
        raise Problem(f"{origin} is not a {model}: {fault}")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise Problem(f"{origin} is not a {model}: {str(error).splitlines()[-1].strip()}") from error
    return network


def misfit(weights: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> str | None:
    """The first thing in which weights are not those of a network, in words; None when they fit."""
    if missing := [name for name in wanted if name not in weights]:
        return f"it lacks {missing[0]}{_and_more(missing)}"
    if strange := [name for name in weights if name not in wanted]:
        return f"it has {strange[0]}{_and_more(strange)}, which the network has not"
    for name, tensor in wanted.items():
        given = weights[name]
        if given.shape != tensor.shape:
            return f"{name} has the shape {_shape(given)} instead of {_shape(tensor)}"
        if given.is_floating_point() != tensor.is_floating_point():
            return f"{name} holds {given.dtype} instead of {tensor.dtype}".replace("torch.", "")
    return None


def _and_more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "of a single number"
