"""A GPU that is none: what trainer/cuda.py offers, on the CPU, and failures where a test wants them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trainer.cuda import Facts, Gpu

CPU = torch.device("cpu")
H100 = Facts(name="NVIDIA H100", driver="600.1", cudnn=91000, capability=(9, 0), no_compiler=None)


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@dataclass
class FakeMark:
    """A place that is reached when the test says so, or after so many questions."""

    is_reached: bool = True
    after: int | None = None
    waits: int = 0

    def query(self) -> bool:
        if self.after is not None:
            self.after -= 1
        return self.is_reached or self.after == 0

    def synchronize(self) -> None:
        self.waits += 1
        self.is_reached = True


@dataclass
class FakeGpu(Gpu):
    """Replays by doing again. `fails` holds what goes wrong: "graph", "compile"."""

    device: torch.device = CPU
    given: Facts = H100
    fails: dict[str, Exception] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    late: int | None = None  # marks are reached only after so many questions
    marks: list[FakeMark] = field(default_factory=list)

    def facts(self) -> Facts:
        return self.given

    def pool(self) -> object:
        return object()

    def capture(self, body: Callable[[], None], pool: object) -> Callable[[], None]:
        self.log.append("capture")
        if "graph" in self.fails:
            body()  # a real one does not get this far, or does: the state must be right in any case
            raise self.fails["graph"]

        def replay() -> None:
            self.log.append("replay")
            body()

        return replay

    def compile(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        def compiled(batch: Tensor) -> Tensor:
            if self.log[-1:] != ["compiled"]:
                self.log.append("compiled")
            if "compile" in self.fails:
                raise self.fails["compile"]
            scores: Tensor = network(batch)
            return scores

        return compiled

    def mark(self) -> FakeMark:
        self.marks.append(FakeMark(is_reached=self.late is None, after=self.late))
        return self.marks[-1]

    def pinned(self, like: Tensor) -> Tensor:
        return torch.zeros_like(like)

    def finish(self) -> None:
        self.log.append("finish")

    def tidy(self) -> None:
        self.log.append("tidy")
