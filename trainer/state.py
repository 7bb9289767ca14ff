"""Where a training stands: everything that resuming needs, and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from store.records import Epoch

Weights = dict[str, Tensor]
"""A network's state dict: parameters and buffers by name."""


@dataclass(slots=True)
class Tally:
    """What the steps of the epoch under way added up to, kept on the device so that no step waits for a read."""

    losses: Tensor  # (steps,) float: the mean loss of each step's batch
    correct: Tensor  # () int64: images classified rightly, each before the step that learned from it

    @classmethod
    def empty(cls, steps: int, like: Tensor) -> Tally:
        return cls(
            losses=torch.zeros(steps, dtype=like.dtype, device=like.device),
            correct=torch.zeros((), dtype=torch.int64, device=like.device),
        )

    def add(self, step: int, loss: Tensor, scores: Tensor, labels: Tensor) -> None:
        """Count one batch: its mean loss (), its scores (B, classes), its labels (B,)."""
        self.losses[step] = loss.detach()
        self.correct += (scores.detach().argmax(1) == labels).sum()


@dataclass(slots=True)
class State:
    """One training between two steps. A checkpoint is this, written down."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    tally: Tally
    step: int = 0  # steps done in the epoch under way
    seconds: float = 0.0  # spent on the epoch under way, evaluation included
    train_seconds: float = 0.0  # of these, spent on its steps
    epochs: list[Epoch] = field(default_factory=list)  # what the finished ones achieved
    best: Weights = field(default_factory=dict)  # as they were after the best epoch

    @property
    def epoch(self) -> int:
        """The epoch under way, from 1."""
        return len(self.epochs) + 1

    def close(self, epoch: Epoch) -> None:
        """The epoch under way is finished: remember it, keep its weights if they are the best, begin the next."""
        if all(epoch.test_accuracy > earlier.test_accuracy for earlier in self.epochs):
            self.best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
        self.epochs.append(epoch)
        self.step, self.seconds, self.train_seconds = 0, 0.0, 0.0
        self.tally.losses.zero_()
        self.tally.correct.zero_()


def generator_of(device: torch.device) -> torch.Generator:
    """The generator that dropout draws from on this device."""
    if device.type == "cuda":
        torch.cuda.init()
        return torch.cuda.default_generators[device.index or 0]
    return torch.default_generator


def stable_hash(*words: int | str) -> int:
    """63 bits that depend on the words alone, the same in every process and on every machine: seeds are made of it."""
    digest = hashlib.blake2b("/".join(map(str, words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
