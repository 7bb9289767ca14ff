"""Checkpoints: a training's state on disk, so that it goes on after anything exactly where it was.

Two are kept, the newest and the one before it. One is written beside, flushed to the disk and swapped in, so a kill at
any moment leaves a whole one. They load with `weights_only=True`: a checkpoint cannot carry code.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Annotated, Any

import msgspec
import safetensors.torch
import torch

from store import files
from store.records import Epoch
from trainer import space
from trainer.plan import Plan
from trainer.space import CHECKPOINTS
from trainer.state import Optimizer, State, Weights

NEWEST, BEFORE = CHECKPOINTS
FORMAT = 1
GENERATORS = (16, 5056)  # bytes of the state of torch's generators: on a GPU, on the CPU


class Damaged(Exception):
    """A checkpoint does not load. The message says which and why."""


def save(folder: Path, state: State, plan: Plan) -> None:
    """Write the newest checkpoint, and keep the one before it. Raises OSError when the disk is full."""
    with files.replacing(folder / NEWEST, keep=folder / BEFORE) as file:
        write(file, state, plan)


def write(file: IO[bytes], state: State, plan: Plan) -> None:
    """Write a checkpoint into an open file."""
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
        "generator": state.generator.get_state(),
        "plan": msgspec.to_builtins(plan),
    }
    torch.save(content, file)


def load(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU. Raises Damaged when it is not whole."""
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not check the sums of what it reads
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise Damaged(f"{path.name}: not as we write it")  # and it might unpack to any size
            if broken := archive.testzip():
                raise Damaged(f"{path.name}: {broken} does not have its checksum")
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Damaged:
        raise
    except Exception as error:  # a damaged file makes its readers stumble in any way
        raise Damaged(f"{path.name}: {_first_line(error)}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise Damaged(f"{path.name}: not a checkpoint of this version")
    return content


def newest(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest checkpoint that loads, or None, and what was found damaged on the way. Changes nothing."""
    damaged: list[str] = []
    for name in CHECKPOINTS:
        if (folder / name).exists():
            try:
                return load(folder / name), damaged
            except Damaged as error:
                damaged.append(str(error))
    return None, damaged


def whole(folder: Path, damaged: list[str]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The checkpoints that load, the newest first, each loaded when it is asked for. `damaged` is told of the others,
    which are set aside: the next save must not put one in the place of a good one."""
    for path in (folder / NEWEST, folder / BEFORE):
        if path.exists():
            try:
                content = load(path)
            except Damaged as error:
                set_aside(path, error, damaged)
            else:
                yield path, content


def set_aside(path: Path, error: Damaged, damaged: list[str]) -> None:
    """Keep a checkpoint that is of no use under a name that is not looked at. Raises OSError."""
    files.disk.rename(path, space.aside(path))
    damaged.append(str(error))


def plan_of(content: Mapping[str, Any]) -> Plan:
    """How the run that wrote a checkpoint was computed. Raises Damaged."""
    try:
        return Plan.stored(content["plan"])
    except (KeyError, msgspec.ValidationError) as error:
        raise Damaged(f"the checkpoint tells of no plan that is known here: {error}") from error


def restore(content: Mapping[str, Any], state: State) -> None:
    """Put what a checkpoint holds into a fresh state of the same network and recipe, in place.

    Raises Damaged when it belongs to another network or recipe; the state is then of no use any more.
    """
    try:
        state.network.load_state_dict(content["network"])
        _restore_optimizer(state.optimizer, content["optimizer"])
        if content["losses"].shape != state.tally.losses.shape:
            raise ValueError(f"its epochs have {content['losses'].numel()} steps")
        state.tally.losses.copy_(content["losses"])
        state.tally.correct.copy_(content["correct"])
        where = msgspec.convert(content, _Where)
        if where.step > len(state.tally.losses) or not math.isfinite(where.seconds + where.train_seconds):
            raise ValueError("it stands at a step that there is not")
        if [epoch.epoch for epoch in where.epochs] != list(range(1, len(where.epochs) + 1)):
            raise ValueError("its epochs are not in order")
        state.step, state.seconds, state.train_seconds = where.step, where.seconds, where.train_seconds
        state.epochs = where.epochs
        device = state.tally.losses.device
        state.best = {name: tensor.to(device) for name, tensor in content["best"].items()}
        if state.average:
            state.average.network.load_state_dict(content["average"])
        if state.scaler and content["scaler"]:  # there is none when it began in another precision
            state.scaler.load_state_dict(content["scaler"])
        _restore_generator(state.generator, content["generator"])
    except Exception as error:  # the content may be of any shape
        raise Damaged(f"the checkpoint does not fit this network and recipe: {_first_line(error)}") from error


def _restore_generator(generator: torch.Generator, kept: torch.Tensor) -> None:
    """Where dropout goes on drawing; on another kind of device than it began on, from the next epoch on."""
    if kept.numel() == generator.get_state().numel() or kept.numel() not in GENERATORS:
        generator.set_state(kept)


class _Where(msgspec.Struct):
    """Where a checkpoint stands, validated."""

    step: Annotated[int, msgspec.Meta(ge=0)]  # steps done in the epoch under way
    seconds: Annotated[float, msgspec.Meta(ge=0)]
    train_seconds: Annotated[float, msgspec.Meta(ge=0)]
    epochs: list[Epoch]


def _restore_optimizer(optimizer: Optimizer, content: dict[str, Any]) -> None:
    """Its momentum comes from the checkpoint, its settings from the recipe. Momentum that it has already stays where it
    lies: captured steps read it there."""
    settings = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    before = {parameter: dict(kept) for parameter, kept in optimizer.state.items()}
    optimizer.load_state_dict(content)
    for group, own in zip(optimizer.param_groups, settings, strict=True):
        group.update(own)
    if any(before.values()) and before.keys() - optimizer.state.keys():
        raise ValueError("it has no momentum")
    for parameter, kept in optimizer.state.items():
        for name, tensor in kept.items():
            if isinstance(tensor, torch.Tensor) and tensor.dim() and tensor.shape != parameter.shape:
                raise ValueError("its momentum is of other weights")
            if isinstance(mine := before.get(parameter, {}).get(name), torch.Tensor):
                kept[name] = mine.copy_(tensor)


def remove(folder: Path) -> None:
    """Remove the checkpoints of a run that is done."""
    space.remove_checkpoints(folder)


def size_of(network: torch.nn.Module) -> int:
    """Bytes of a network's weights."""
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())


def write_weights(path: Path, weights: Weights) -> None:
    """Write a state dict as safetensors."""
    files.replace(path, weights_of(weights))


def weights_of(weights: Weights) -> bytes:
    """A state dict as safetensors: contiguous, on the CPU, the same bytes for the same weights."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()})


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
