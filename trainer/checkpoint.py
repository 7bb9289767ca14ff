"""Checkpoints: a training's state on disk, so that it goes on after anything exactly where it was.

Two are kept, the newest and the one before it. One is written beside, flushed to the disk and swapped in, so a kill at
any moment leaves a whole one. They load with `weights_only=True`: a checkpoint cannot carry code.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import safetensors.torch
import torch

from store import files
from store.records import Epoch
from trainer.plan import Plan
from trainer.state import State, Weights, generator_of

NEWEST, BEFORE = "checkpoint.pt", "checkpoint.before.pt"
FORMAT = 1


class Damaged(Exception):
    """A checkpoint does not load. The message says which and why."""


def save(folder: Path, state: State, plan: Plan) -> None:
    """Write the newest checkpoint, and keep the one before it. Raises OSError when the disk is full."""
    device = state.tally.losses.device
    content = {
        "format": FORMAT,
        "network": state.network.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "losses": state.tally.losses,
        "correct": state.tally.correct,
        "step": state.step,
        "seconds": state.seconds,
        "train_seconds": state.train_seconds,
        "epochs": msgspec.to_builtins(state.epochs),
        "best": state.best,
        "average": state.average.network.state_dict() if state.average else None,
        "scaler": state.scaler.state_dict() if state.scaler else None,
        "generator": generator_of(device).get_state(),
        "plan": msgspec.to_builtins(plan),
    }
    with files.replacing(folder / NEWEST, keep=folder / BEFORE) as file:
        torch.save(content, file)


def load(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU. Raises Damaged when it is not whole."""
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not check the sums of what it reads
            if broken := archive.testzip():
                raise Damaged(f"{path.name}: {broken} does not have its checksum")
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise Damaged(f"{path.name}: {error or type(error).__name__}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise Damaged(f"{path.name}: not a checkpoint of this version")
    return content


def newest(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest checkpoint that loads, or None, and what was found damaged on the way."""
    damaged: list[str] = []
    for name in (NEWEST, BEFORE):
        if (folder / name).exists():
            try:
                return load(folder / name), damaged
            except Damaged as error:
                damaged.append(str(error))
    return None, damaged


def restore(content: Mapping[str, Any], state: State) -> None:
    """Put what a checkpoint holds into a fresh state of the same network and recipe, in place.

    Raises Damaged when it belongs to another network or recipe.
    """
    try:
        state.network.load_state_dict(content["network"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.tally.losses.copy_(content["losses"])
        state.tally.correct.copy_(content["correct"])
        state.step, state.seconds, state.train_seconds = content["step"], content["seconds"], content["train_seconds"]
        state.epochs = msgspec.convert(content["epochs"], list[Epoch])
        device = state.tally.losses.device
        state.best = {name: tensor.to(device) for name, tensor in content["best"].items()}
        if state.average:
            state.average.network.load_state_dict(content["average"])
        if state.scaler:
            state.scaler.load_state_dict(content["scaler"])
        generator_of(device).set_state(content["generator"])
    except (KeyError, AttributeError, RuntimeError, ValueError, TypeError, msgspec.ValidationError) as error:
        first_line = str(error).splitlines()[0]
        raise Damaged(f"the checkpoint does not fit this network and recipe: {first_line}") from error


def remove(folder: Path) -> None:
    """Remove the checkpoints of a run that is done."""
    for name in (NEWEST, BEFORE):
        (folder / name).unlink(missing_ok=True)


def write_weights(path: Path, weights: Weights) -> None:
    """Write a state dict as safetensors: contiguous, on the CPU, the same bytes for the same weights."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    files.replace(path, safetensors.torch.save(plain))
