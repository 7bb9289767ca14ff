"""How a device runs the steps of a training: precision, memory layout, threads.

What is learned is the recipe's business; here is only how fast. A `Plan` is chosen once when a run begins and kept
with its checkpoint, so that a resumed run goes on in the same way.
"""

from __future__ import annotations

import copy
import os
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import msgspec
import torch
from msgspec import Struct
from torch import nn
from torch.nn import functional as F

from store.errors import Problem
from store.records import Recipe
from trainer.device import cpu_threads

Layout = Literal["contiguous", "channels_last"]


class Form(TypedDict):
    """How images lie in memory."""

    dtype: torch.dtype
    memory_format: torch.memory_format


class Plan(Struct, frozen=True, kw_only=True):
    """How one run is computed."""

    precision: Literal["fp32", "bf16"] = "fp32"  # of convolutions and matrix products; weights stay fp32
    layout: Layout = "contiguous"  # in memory: (N, C, H, W) or (N, H, W, C)
    threads: int | None = None  # on the CPU

    @classmethod
    def stored(cls, plan: dict[str, Any]) -> Plan:
        """The plan that a checkpoint holds."""
        return msgspec.convert(plan, Plan)

    def in_words(self) -> str:
        threads = [f"{self.threads} thread{'s' * (self.threads > 1)}"] if self.threads else []
        return ", ".join([self.precision, self.layout, *threads])


@dataclass(frozen=True, slots=True)
class Engine:
    """A device that follows a plan."""

    device: torch.device
    plan: Plan
    exact: bool = False

    dtype: torch.dtype = torch.float32  # of the weights

    @property
    def layout(self) -> torch.memory_format:
        return memory_format(self.plan.layout)

    @property
    def form(self) -> Form:
        """What a batch of images is laid out as."""
        return {"dtype": self.dtype, "memory_format": self.layout}

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which a network computes its scores and its loss."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.precision == "bf16")

    def begin(self) -> None:
        """Settings of this thread and process. Called in the thread that trains, before its first step."""
        if self.plan.threads:
            torch.set_num_threads(self.plan.threads)
        if self.exact:  # once on it stays on: another device's run may be an exact one too
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)


def memory_format(layout: Layout) -> torch.memory_format:
    return torch.channels_last if layout == "channels_last" else torch.contiguous_format


def find_device(name: str) -> torch.device:
    """The torch device called `cpu`, `cuda:1` or `auto`. Raises Problem when torch cannot use it."""
    usable = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if usable else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= usable:
        raise Problem(f"torch cannot use {name}: it sees {usable} GPU(s) here; --device cpu always works")
    return device


def device_in_words(device: torch.device) -> str:
    """What people call it: "NVIDIA H100 80GB HBM3", or "CPU"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def choose_plan(network: nn.Module, recipe: Recipe, device: torch.device) -> Plan:
    """The plan for a run that begins. An exact run's plan depends on the recipe alone, never on a timing."""
    if device.type == "cuda":
        bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and torch.cuda.is_bf16_supported())
        return Plan(precision="bf16" if bf16 else "fp32", layout="contiguous" if recipe.exact else "channels_last")
    precision: Literal["fp32", "bf16"] = "bf16" if recipe.precision == "bf16" else "fp32"
    if recipe.exact:
        return Plan(precision=precision, threads=recipe.threads)
    threads = cpu_threads()
    torch.set_num_threads(threads)
    return Plan(precision=precision, layout=faster_layout(network), threads=threads)


def faster_layout(network: nn.Module) -> Layout:
    """The memory layout in which this network trains faster on the CPU, by a short trial on a copy of it."""
    seconds = {layout: _trial(network, layout) for layout in ("contiguous", "channels_last")}
    return "channels_last" if seconds["channels_last"] < 0.97 * seconds["contiguous"] else "contiguous"


def _trial(network: nn.Module, layout: Layout, batch: int = 32, repeats: int = 2) -> float:
    """Seconds of the fastest of a few steps, forward and backward, after one to warm up."""
    with torch.random.fork_rng(devices=[]):  # dropout must not move the generator that the run draws from
        twin = copy.deepcopy(network).to(memory_format=memory_format(layout)).train()
        images = torch.zeros(batch, 3, 32, 32).to(memory_format=memory_format(layout))
        labels = torch.zeros(batch, dtype=torch.int64)
        laps = []
        for _ in range(1 + repeats):
            began = time.perf_counter()
            F.cross_entropy(twin(images), labels).backward()
            laps.append(time.perf_counter() - began)
    return min(laps[1:])
