"""Where a training stands: everything that resuming needs, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from store.records import Epoch
from trainer.average import Average

Weights = dict[str, Tensor]
"""A network's state dict: parameters and buffers by name."""


class Optimizer(Protocol):
    """What a training asks of its optimizer, be it one of torch's or several together (trainer/optim.py)."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...

    @property
    def state(self) -> Mapping[Any, Any]: ...

    def zero_grad(self) -> None: ...

    def step(self) -> Any: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None: ...


class Reading(NamedTuple):
    """A tally on the CPU."""

    losses: Tensor  # (steps that are done,) float64
    correct: int


@dataclass(slots=True)
class Tally:
    """What the steps of a pass added up to, kept on the device so that no step waits for a read."""

    losses: Tensor  # (steps,) float: the mean loss of each step's batch
    correct: Tensor  # () int64: images classified rightly; in training each before the step that learned from it

    @classmethod
    def empty(cls, steps: int, like: Tensor) -> Tally:
        return cls(
            losses=torch.zeros(steps, dtype=like.dtype, device=like.device),
            correct=torch.zeros((), dtype=torch.int64, device=like.device),
        )

    def add(self, step: int | Tensor, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Count one batch: its mean loss (), its scores (B, classes), its labels (B,)."""
        self.losses[step] = loss.detach().to(self.losses.dtype)
        self.correct += (scores.detach().argmax(1) == labels).sum()

    def read(self, steps: int) -> Reading:
        """The first steps, on the CPU. On a GPU this waits for them."""
        return Reading(self.losses[:steps].double().cpu(), int(self.correct))

    def clear(self) -> None:
        """Begin again."""
        self.losses.zero_()
        self.correct.zero_()


@dataclass(slots=True)
class State:
    """One training between two steps. A checkpoint is this, written down."""

    network: nn.Module
    optimizer: Optimizer
    tally: Tally
    average: Average | None = None  # of the weights, where the recipe asks for one
    scaler: torch.amp.GradScaler | None = None  # in fp16, where small gradients would vanish unscaled
    step: int = 0  # steps done in the epoch under way
    seconds: float = 0.0  # spent on the epoch under way, evaluation included
    train_seconds: float = 0.0  # of these, spent on its steps
    epochs: list[Epoch] = field(default_factory=list)  # what the finished ones achieved
    best: Weights = field(default_factory=dict)  # as they were after the best epoch
    generator: torch.Generator = field(init=False)  # that dropout draws from

    def __post_init__(self) -> None:
        self.generator = generator_of(self.tally.losses.device)

    @property
    def epoch(self) -> int:
        """The epoch under way, from 1."""
        return len(self.epochs) + 1

    @property
    def result(self) -> nn.Module:
        """The network that is tested and kept: the average where there is one."""
        return self.average.network if self.average else self.network

    def spend(self, seconds: float) -> None:
        """So long it has learned since this was told last."""
        self.seconds += seconds
        self.train_seconds += seconds

    def close(self, epoch: Epoch) -> None:
        """The epoch under way is finished: remember it, keep its weights if they are the best, begin the next."""
        if all(epoch.test_accuracy > earlier.test_accuracy for earlier in self.epochs):
            self.best = {name: tensor.detach().clone() for name, tensor in self.result.state_dict().items()}
        self.epochs.append(epoch)
        self.step, self.seconds, self.train_seconds = 0, 0.0, 0.0
        self.tally.clear()


def generator_of(device: torch.device) -> torch.Generator:
    """The generator that dropout draws from in a training on this device: a GPU's own, which has one training at a
    time; for the CPU, where there may be several, a new one (see `Engine.train`)."""
    if device.type == "cuda":
        torch.cuda.init()
        return torch.cuda.default_generators[device.index or 0]
    return torch.Generator()


def stable_hash(*words: int | str) -> int:
    """63 bits that depend on the words alone, the same in every process and on every machine: seeds are made of it."""
    digest = hashlib.blake2b("/".join(map(str, words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
