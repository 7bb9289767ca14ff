"""How a device runs the steps of a training. What is learned stands in the loop; here is only how it is computed.

An `Engine` follows a `Plan` (trainer/plan.py). This one takes each step as it stands: on a CPU, with as many threads
as are fastest (trainer/threads.py). trainer/graph.py has the engine of a GPU, which replays steps captured once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from store.errors import Problem
from store.records import Recipe
from trainer.batch import Drawn, Form, Place
from trainer.data import DataSet, Images
from trainer.device import cpu_threads, give_back_memory, is_cpu
from trainer.drawing import drawing_from
from trainer.plan import Plan
from trainer.state import Reading, State, Tally
from trainer.threads import Threads

TEST_BATCH = 125  # images; it changes only speed and memory, for in evaluation no image sees its neighbours

TrainStep = Callable[[State, DataSet, Drawn, Recipe, "Engine", Place], None]
TestStep = Callable[[State, Images, Recipe, Tally, "Engine", Place], None]


@dataclass(slots=True)
class Engine:
    """A device that follows a plan, step by step."""

    device: torch.device
    plan: Plan
    exact: bool = False
    dtype: torch.dtype = torch.float32  # of the weights
    threads: Threads | None = field(default=None, init=False)
    draws: bool | None = field(default=None, init=False)  # does the network draw random numbers? None: not known yet
    remarks: list[str] = field(default_factory=list, init=False)  # why it computes less quickly than it might

    def begin(self) -> None:
        """Settings of this thread and process. Called in the thread that trains, before its first step."""
        if self.device.type == "cpu" and self.plan.threads:
            torch.get_num_threads()  # else the number set here is lost when another thread sets its own at that moment
            if self.exact:
                torch.set_num_threads(self.plan.threads)
            else:
                self.threads = Threads(min(self.plan.threads, cpu_threads()), torch.set_num_threads)
        if self.exact:  # once on it stays on: another device's run may be an exact one too
            torch.use_deterministic_algorithms(True)

    @property
    def test_batch(self) -> int:
        """How many images are judged at once. On a CPU more are no faster, and need more memory."""
        return TEST_BATCH

    # What the steps ask for.

    @property
    def layout(self) -> torch.memory_format:
        return self.plan.memory_format

    @property
    def form(self) -> Form:
        """What a batch of images is laid out as."""
        return {"dtype": self.dtype, "memory_format": self.layout}

    def scores(self, network: nn.Module, batch: Tensor) -> Tensor:
        """The scores (B, classes) that a network gives a batch, computed as the plan says. Of fp32 at least, as the
        loss is taken of them."""
        with self.plan.autocast(self.device.type):
            scores = self.forward(network, batch)
        return scores.to(torch.promote_types(scores.dtype, torch.float32))

    def forward(self, network: nn.Module, batch: Tensor) -> Tensor:
        """The network, applied to a batch."""
        scores: Tensor = network(batch)
        return scores

    def backward(self, state: State, loss: Tensor) -> None:
        """Compute the gradients."""
        (state.scaler.scale(loss) if state.scaler else loss).backward()

    def update(self, state: State, clip_norm: float) -> None:
        """Step along the gradients, which are shortened first to `clip_norm` if that is not 0."""
        optimizer, scaler = state.optimizer, state.scaler
        if scaler and clip_norm:
            scaler.unscale_(optimizer)  # type: ignore[arg-type] # it asks for no more than ours has
        if clip_norm:
            nn.utils.clip_grad_norm_(state.network.parameters(), clip_norm)
        if scaler:  # does not step where a gradient became infinite, and scales less from then on
            scaler.step(optimizer)  # type: ignore[arg-type] # as above
            scaler.update()
        else:
            optimizer.step()

    # What the loop asks for. trainer/graph.py does each of these in another way.

    def hold(self, drawn: Drawn) -> Drawn:
        """The draws of an epoch, on the device."""
        self._turn()
        return drawn.to(self.device)

    def train(self, step: TrainStep, state: State, data: DataSet, drawn: Drawn, recipe: Recipe) -> None:
        """Take the training step that `state` comes to next."""
        first = state.step * recipe.batch_size
        at = Place(slice(first, first + recipe.batch_size), state.step)
        with self._drawing(state):
            if self.threads:
                self.threads.run(lambda: step(state, data, drawn, recipe, self, at))
            else:
                step(state, data, drawn, recipe, self, at)

    @contextmanager
    def _drawing(self, state: State) -> Iterator[None]:
        """On the CPU, let a step draw from the training's own generator, whatever trains beside it. Steps that draw
        take turns; whether they do, the first one of an epoch shows. A GPU has a generator, and trains one run."""
        if self.device.type != "cpu" or (self.draws is False and state.step > 0):
            yield
            return
        before = state.generator.get_state()
        with drawing_from(state.generator):
            yield
        if self.draws is None or state.step == 0:
            self.draws = not torch.equal(before, state.generator.get_state())

    def test_tally(self, state: State, steps: int) -> Tally:
        """An empty tally for so many test steps."""
        self._turn()
        return Tally.empty(steps, like=state.tally.losses)

    def test(self, step: TestStep, state: State, images: Images, recipe: Recipe, tally: Tally, number: int) -> None:
        """Take one test step, counted from 0."""
        rows = slice(number * self.test_batch, (number + 1) * self.test_batch)
        step(state, images, recipe, tally, self, Place(rows, number))

    def glance(self, tally: Tally, steps: int) -> Reading | None:
        """What the first `steps` steps added up to, or fewer of them, or None: whatever needs no waiting."""
        return tally.read(steps)

    def _turn(self) -> None:
        """From training to testing, or back."""
        if self.threads:
            self.threads.rest()
        if self.device.type == "cpu":
            give_back_memory()


def find_device(name: str) -> torch.device:
    """The torch device called `cpu`, `cuda:1` or `auto`. Raises Problem when torch cannot use it."""
    usable = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if usable else "cpu")
    if is_cpu(name):
        return torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= usable:
        raise Problem(f"torch cannot use {name}: it sees {usable} GPU(s) here; --device cpu always works")
    return device


def device_in_words(device: torch.device) -> str:
    """What people call it: "NVIDIA H100 80GB HBM3", or "CPU"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
