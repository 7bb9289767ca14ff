"""One NVIDIA GPU, as the thread that trains on it uses it. All that works only where there is one stands in this file.

A captured step is recorded once, as a CUDA graph, and then launched as a whole: Python is out of its way. What that
asks for, each from PyTorch's notes on CUDA graphs (https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs):

- a stream that is not the default one. Each thread that trains has its own for all that it does, warming up included;
- only one capture at a time in a process, and no complaint about what other threads do meanwhile;
- no graph of a stream may die while younger ones of it live: cuBLAS has one workspace for a stream, which all of them
  use, and the first that goes gives it back (torch 2.14);
- nothing that waits for the GPU inside the step.
"""

from __future__ import annotations

import gc
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from trainer.device import driver_version

CAPTURING = threading.Lock()
"""Held while a graph is captured."""

COMPILING = threading.Lock()
"""Held while a network may be compiled: torch's compiler is not safe in several threads, pytorch/pytorch#118260."""

NETWORKS = 250  # versions of one function that the compiler keeps; of its own accord 8, then it gives up


class Mark(Protocol):
    """A place in what a GPU is asked to do."""

    def query(self) -> bool:
        """Has it come there?"""

    def synchronize(self) -> None:
        """Wait until it has."""


class Facts(NamedTuple):
    """What the choice of a plan depends on."""

    name: str  # "NVIDIA H100 80GB HBM3"
    driver: str
    cudnn: int | None
    capability: tuple[int, int]  # (7, 5) and so on
    no_compiler: str | None  # why torch.compile cannot work here, in words


@dataclass(frozen=True, slots=True)
class Replay:
    """A graph, and what holds the tensors that it reads."""

    graph: torch.cuda.CUDAGraph
    body: Callable[[], None]

    def __call__(self) -> None:
        self.graph.replay()


class Gpu:
    """A GPU and this thread's stream on it. Made in the thread that trains, before it touches the GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # exact runs need it; read at the first product
        torch.cuda.set_device(device)
        if torch.cuda.current_stream(device) == torch.cuda.default_stream(device):
            torch.cuda.set_stream(torch.cuda.Stream(device))
        self.stream = torch.cuda.current_stream(device)

    def facts(self) -> Facts:
        return Facts(
            name=torch.cuda.get_device_name(self.device),
            driver=driver_version(),
            cudnn=torch.backends.cudnn.version(),
            capability=torch.cuda.get_device_capability(self.device),
            no_compiler=no_compiler(),
        )

    def pool(self) -> object:
        """Memory that several captures may share, if they are replayed one after the other."""
        return torch.cuda.graph_pool_handle()

    def capture(self, body: Callable[[], None], pool: object) -> Callable[[], None]:
        """Record what `body` asks the GPU for, without doing it. What comes back does it.

        The body must have run on this thread before: so cuDNN has made its choices, and memory lies where it stays.
        It is kept with the graph, which reads the tensors that only the body holds at the same place every time.
        """
        graph = torch.cuda.CUDAGraph()
        broken_by: BaseException | None = None
        with CAPTURING, _no_collection():
            try:
                with torch.cuda.graph(graph, pool=pool, stream=self.stream, capture_error_mode="thread_local"):  # type: ignore[arg-type] # a pool
                    try:
                        body()
                    except BaseException as error:
                        broken_by = error
                        raise
            except BaseException as error:
                graph.reset()
                self._renew_generator()
                raise (broken_by or error) from None  # what ends a capture says only that it was broken off
        return Replay(graph, body)

    def compile(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        """The network, compiled when it is called first. Raises there what the compiler raises, and never computes
        uncompiled instead."""
        if reason := no_compiler():
            raise RuntimeError(reason)
        import torch._dynamo

        torch._dynamo.config.recompile_limit = NETWORKS  # of this thread, since torch 2.12
        compiled: Callable[[Tensor], Tensor] = torch.compile(network, dynamic=False, fullgraph=True)
        return compiled

    def mark(self) -> Mark:
        """Here, after all that was asked for so far. Waiting for it burns no core."""
        event = torch.cuda.Event(blocking=True)
        event.record(self.stream)
        return event

    def pinned(self, like: Tensor) -> Tensor:
        """Zeros on the CPU that the GPU can write to by itself."""
        return torch.zeros(like.shape, dtype=like.dtype, pin_memory=True)

    def finish(self) -> None:
        """Wait until all that this thread has asked for is done. Raises what went wrong with it."""
        self.stream.synchronize()

    def tidy(self) -> None:
        """Give back what something that was tried out has left behind."""
        gc.collect()
        with CAPTURING:
            torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)

    def _renew_generator(self) -> None:
        """A capture that failed leaves the generator waiting for the end of it (before torch 2.14): dropout would
        raise. It gets a new state; whoever tried the capture puts the numbers back."""
        fresh = torch.Generator(self.device)
        torch.cuda.default_generators[self.device.index or 0].graphsafe_set_state(fresh.graphsafe_get_state())


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage is collected inside: that could free, in the middle of a capture, what must not be freed then."""
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def no_compiler() -> str | None:
    """Why torch.compile cannot work for a GPU on this machine; None when nothing is known to be in its way."""
    try:
        import triton  # noqa: F401
    except ImportError:
        return "triton is not installed"
    if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
        return "there is no C compiler: neither gcc nor clang was found"
    return None
