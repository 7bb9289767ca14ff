"""Trying something out on a training without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from trainer.state import State


@contextmanager
def unchanged(state: State) -> Iterator[None]:
    """Steps may be taken inside; afterwards, whatever happened, all is as it was, and every tensor where it lay.

    Momentum that an optimizer has made meanwhile stays, as zeros: a first step from zeros has the same bits as one
    that makes its momentum.
    """
    kept = [(tensor, tensor.detach().clone()) for tensor in [*_weights(state), *_momentum(state)]]
    dropout, scaler = state.generator.get_state(), state.scaler.state_dict() if state.scaler else None
    modes = [(module, module.training) for module in (state.network, state.result)]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in kept:
                tensor.copy_(before)
            known = {id(tensor) for tensor, _ in kept}
            for tensor in _momentum(state):
                if id(tensor) not in known:
                    tensor.zero_()
        if state.scaler and scaler:
            state.scaler.load_state_dict(scaler)
        state.generator.set_state(dropout)
        state.optimizer.zero_grad()
        for module, training in modes:
            module.train(training)


def _weights(state: State) -> Iterator[Tensor]:
    """Everything besides the optimizer's that a step writes to."""
    yield from state.network.parameters()
    yield from state.network.buffers()
    if state.average:
        yield from state.average.network.parameters()
        yield from state.average.network.buffers()
    yield from (state.tally.losses, state.tally.correct)


def _momentum(state: State) -> Iterator[Tensor]:
    for kept in state.optimizer.state.values():
        yield from (value for value in kept.values() if isinstance(value, Tensor))
