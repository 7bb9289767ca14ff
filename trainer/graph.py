"""A GPU that takes steps without Python: captured once, replayed thousands of times.

An operation of a small network takes a GPU microseconds, and Python tens of them to ask for it. So the whole step,
from the cut of the images to the change of the weights, is captured as a CUDA graph and asked for in one go. Nothing
that changes from step to step may then be a number of Python's: which images are next is counted on the GPU, the draws
of an epoch lie there, and so do the learning rate and what the steps add up to.

With a plan without graphs the same step is taken as it stands. Everything here is written against the few things that
`Gpu` (trainer/cuda.py) can do, so that tests can run all of it, bit by bit, without a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from store.records import Recipe
from trainer.agreement import disagreement
from trainer.batch import Drawn, Place, draw
from trainer.cuda import COMPILING, Gpu
from trainer.data import DataSet, Images
from trainer.engine import Engine, TestStep, TrainStep
from trainer.fusing import with_own_kernels
from trainer.ladder import Stage, Unprepared
from trainer.rounding import with_rounded_weights
from trainer.snapshot import unchanged
from trainer.state import Reading, State, Tally
from trainer.telemetry import Mailbox, Pace

TEST_BATCH = 250  # images; few keep a GPU waiting
WARM_UP = 3  # steps before a capture: memory finds its place, cuDNN and the compiler make their choices

Taken = Callable[[], None]
"""Takes the next step of a pass: a replay of what was captured, or the step as it stands."""


@dataclass(slots=True)
class GpuEngine(Engine):
    """A GPU that follows a plan. `prepare` comes before the first step."""

    gpu: Gpu = field(kw_only=True)
    _pool: object = field(init=False)
    _pace: Pace = field(init=False)
    _count: Tensor = field(init=False)  # (1,) int64, on the GPU: the number of the step that comes next
    _next: int = field(init=False, default=-1)  # the same, as far as it is known here; -1: not
    _compiled: Callable[[Tensor], Tensor] | None = field(init=False, default=None)
    _uncompiled: Callable[[Tensor], Tensor] = field(init=False)  # the network in training
    _whole: int = field(init=False, default=0)  # images of a batch that is not the last
    _train: dict[int, Taken] = field(init=False, default_factory=dict)  # by the number of images
    _test: dict[int, Taken] = field(init=False, default_factory=dict)
    _held: Drawn = field(init=False)
    _mailbox: Mailbox = field(init=False)
    _test_tally: Tally = field(init=False)

    @property
    def test_batch(self) -> int:
        return TEST_BATCH

    def begin(self) -> None:
        Engine.begin(self)
        # cuDNN's own trials stay off. It compiles each algorithm that it tries: on an H100 it took 126 seconds to find
        # MobileNet V3-small's plan, for steps that were a sixth faster, and ResNet-18's were not faster at all.
        torch.backends.cudnn.benchmark = False
        self._pool = self.gpu.pool()
        self._pace = Pace(self.gpu.mark)
        self._count = torch.zeros(1, dtype=torch.int64, device=self.device)

    def prepare(self, train_step: TrainStep, test_step: TestStep, state: State, data: DataSet, recipe: Recipe) -> None:
        """Make ready every step of this training; `state` is as it was afterwards, and loads checkpoints in place.

        Raises Unprepared when the plan does not work here.
        """
        self.prepare_training(train_step, state, data, recipe)
        self.prepare_testing(test_step, state, data.test, recipe)

    def prepare_training(self, step: TrainStep, state: State, data: DataSet, recipe: Recipe) -> None:
        """Make ready the training steps alone, as `prepare` does."""
        count, batch = len(data.train), recipe.batch_size
        held = self._held = draw(recipe, count, len(state.tally.losses), seed=0, epoch=1).to(self.device)
        self._mailbox = Mailbox(state.tally, self.gpu.pinned, self.gpu.mark)
        self._whole = min(batch, count)

        def body(size: int) -> Taken:
            offsets = torch.arange(size, device=self.device)

            def take() -> None:
                with self._drawing(state):
                    step(state, data, held, recipe, self, Place(self._count * batch + offsets, self._count))
                self._count.add_(1)

            return take

        with unchanged(state):
            state.network.train()
            self._uncompiled = self._computing(state.network)
            if "compile" in self.plan.mode:
                with self._stage("compile"):
                    self._compiled = self.gpu.compile(state.network)
            self._train = self._ready(
                {size: body(size) for size in _sizes(count, batch)}, compiles=self._compiled is not None
            )

    def prepare_testing(self, step: TestStep, state: State, images: Images, recipe: Recipe) -> None:
        """Make ready the test steps, as `prepare` does."""
        sizes = _sizes(len(images), self.test_batch)
        tally = self._test_tally = Tally.empty(-(-len(images) // self.test_batch), like=state.tally.losses)

        def body(size: int) -> Taken:
            offsets = torch.arange(size, device=self.device)

            def take() -> None:
                step(state, images, recipe, tally, self, Place(self._count * self.test_batch + offsets, self._count))
                self._count.add_(1)

            return take

        with unchanged(state):
            state.result.eval()
            self._test = self._ready({size: body(size) for size in sizes}, compiles=False)

    def _computing(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        """What computes a network's scores in training as the plan says."""
        with self._stage("step"):
            whole = (self.plan.kernels and self._with_own_kernels(network)) or network
        if self.plan.half and "graph" in self.plan.mode:
            return with_rounded_weights(whole, self.plan.half)
        return whole

    def _with_own_kernels(self, network: nn.Module) -> nn.Module | None:
        with COMPILING:
            wrong = disagreement(self.device, self.plan.half or torch.float32)
        if wrong:
            raise RuntimeError(wrong)
        return with_own_kernels(network)

    def _ready(self, bodies: dict[int, Taken], compiles: bool) -> dict[int, Taken]:
        """The steps as they will be taken. To warm up, each is taken a few times, as the first of a pass."""
        lock: AbstractContextManager[Any] = COMPILING if compiles or self.plan.kernels else nullcontext()
        with self._stage("compile" if compiles else "step"), lock:
            for body in bodies.values():
                for _ in range(WARM_UP):
                    self._count.zero_()
                    body()
            self.gpu.finish()  # what went wrong shows here
        if "graph" in self.plan.mode:
            with self._stage("graph"):
                self._count.zero_()
                bodies = {size: self.gpu.capture(body, self._pool) for size, body in bodies.items()}
        self._next = -1
        return bodies

    @contextmanager
    def _stage(self, stage: Stage) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of torch, CUDA, Triton, the C compiler: whatever it is, there may be another plan
            raise Unprepared(stage, error) from error

    def seconds_per_step(self, state: State, most: int = 30, patience: float = 1.0) -> float:
        """How long a training step takes, measured by taking some; `state` is afterwards as it was."""

        def mean(steps: int) -> float:
            began = time.perf_counter()
            for _ in range(steps):
                self._count.zero_()
                self._train[self._whole]()
            self.gpu.finish()
            return (time.perf_counter() - began) / steps

        with unchanged(state):
            state.network.train()  # what is not captured asks for it
            self.gpu.finish()
            seconds = mean(3)
            seconds = mean(max(3, min(most, int(patience / seconds))))
        self._next = -1
        return seconds

    # What the steps ask for.

    def forward(self, network: nn.Module, batch: Tensor) -> Tensor:
        if not network.training:
            return Engine.forward(self, network, batch)
        if self._compiled is not None and len(batch) == self._whole:  # a last, shorter one is not worth compiling
            return self._compiled(batch)
        return self._uncompiled(batch)

    # What the loop asks for.

    def hold(self, drawn: Drawn) -> Drawn:
        for mine, new in zip(self._held.tensors(), drawn.tensors(), strict=True):
            mine.copy_(new)
        self._mailbox.forget()
        self._next = -1
        return self._held

    def train(self, step: TrainStep, state: State, data: DataSet, drawn: Drawn, recipe: Recipe) -> None:
        if self._next != state.step:
            self._count.fill_(state.step)
        self._train[min(recipe.batch_size, len(data.train) - state.step * recipe.batch_size)]()
        self._next = state.step + 1
        self._pace.step()

    def test_tally(self, state: State, steps: int) -> Tally:
        self._test_tally.clear()
        self._next = -1
        return self._test_tally

    def test(self, step: TestStep, state: State, images: Images, recipe: Recipe, tally: Tally, number: int) -> None:
        if self._next != number:
            self._count.fill_(number)
        self._test[min(self.test_batch, len(images) - number * self.test_batch)]()
        self._next = number + 1
        self._pace.step()

    def glance(self, tally: Tally, steps: int) -> Reading | None:
        return self._mailbox.glance(tally, steps)


def _sizes(count: int, batch: int) -> set[int]:
    """The sizes of the batches of a pass over so many images."""
    return {min(batch, count), count % batch} - {0}
