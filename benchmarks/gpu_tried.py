"""Each way of computing a training step on a GPU, one by one, beside a graph in fp16 and channels_last.

    python benchmarks/gpu_tried.py [MODEL...] [--ways compiled,bf16,...] [--budget 300]

Milliseconds of a step, that of the first way divided by it (above 1 is faster), and the seconds to prepare it. The ways
go round the networks, so that a budget that is spent leaves out the last ways, not the last networks. The images are
made up.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from gpu import first_line
from gpu_checks import gpu_at_hand
from msgspec.structs import replace
from torch import Tensor
from torch.nn import functional as F

from store.records import Recipe
from trainer import graph
from trainer.cuda import Gpu
from trainer.data import DataSet, load
from trainer.fresh import fresh_state
from trainer.gpu import engine_for
from trainer.job import fresh_network
from trainer.loop import train_step
from trainer.plan import Plan
from trainer.source import Source

MODELS = ("resnet18", "vgg16", "mobilenet", "densenet121_k12", "googlenet", "dpn92", "vit_h1_l8", "lenet")
BASE = Plan(mode="graph", precision="fp16", layout="channels_last")


@contextmanager
def own_trials() -> Iterator[None]:
    """cuDNN tries out which of its algorithms is fastest."""
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = False


def relu_in_place() -> AbstractContextManager[Any]:
    """ReLU writes over what it is given. Wrong where somebody else needs that, which nobody looks at here: for times
    only."""

    def relu(images: Tensor, inplace: bool = False) -> Tensor:
        return torch.relu_(images) if images.requires_grad and not images.is_leaf else torch.relu(images)

    return mock.patch.object(F, "relu", relu)


def rounded_one_by_one() -> AbstractContextManager[Any]:
    """Weights are rounded layer by layer, as autocast does it."""
    return mock.patch.object(graph, "with_rounded_weights", lambda network, dtype: network)


WAYS: dict[str, tuple[Plan, Callable[[], AbstractContextManager[Any]]]] = {
    "graph": (BASE, nullcontext),
    "own kernels": (replace(BASE, kernels=True), nullcontext),
    "merged groups": (replace(BASE, merged=True), nullcontext),
    "kernels and merged groups": (replace(BASE, kernels=True, merged=True), nullcontext),
    "kernels in bf16": (replace(BASE, kernels=True, precision="bf16"), nullcontext),
    "one by one": (BASE, rounded_one_by_one),
    "compiled": (replace(BASE, mode="graph+compile"), nullcontext),
    "bf16": (replace(BASE, precision="bf16"), nullcontext),
    "ReLU in place": (BASE, relu_in_place),
    "no graph": (replace(BASE, mode="eager"), nullcontext),
    "contiguous": (replace(BASE, layout="contiguous"), nullcontext),
    "fp32": (replace(BASE, precision="fp32"), nullcontext),
    "cuDNN's trials": (BASE, own_trials),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--ways", default=",".join(WAYS), help="the first is what the others are compared with")
    parser.add_argument("--budget", type=float, default=300.0, help="seconds, about")
    parser.add_argument("--device", default="cuda:0")
    options = parser.parse_args()
    ways = options.ways.split(",")
    if unknown := [way for way in ways if way not in WAYS]:
        parser.error(f"there is no way {unknown[0]!r}: there is {', '.join(WAYS)}")
    gpu = gpu_at_hand(options.device)
    data = load(Source("synthetic"), train_limit=1280, test_limit=250).to(gpu.device)
    print(f"{gpu.facts().name}, torch {torch.__version__}, cuDNN {gpu.facts().cudnn}")
    compare(options.models, ways, data, gpu, time.monotonic() + options.budget)


def compare(models: list[str], ways: list[str], data: DataSet, gpu: Gpu, until: float) -> None:
    """Print a line for each way and network."""
    base: dict[str, float] = {}
    for way in ways:
        plan, surroundings = WAYS[way]
        for model in models:
            if time.monotonic() > until:
                print("the budget is spent")
                return
            try:
                with surroundings():
                    seconds, preparing = measured(model, plan, data, gpu)
            except Exception as error:
                print(f"{way:<26}{model:<20}{first_line(error)}", flush=True)
            else:
                ratio = base.setdefault(model, seconds) / seconds
                print(f"{way:<26}{model:<20}{1e3 * seconds:8.3f} ms {ratio:6.2f}× {preparing:6.1f} s", flush=True)
            gpu.tidy()


def measured(model: str, plan: Plan, data: DataSet, gpu: Gpu) -> tuple[float, float]:
    """Seconds of a step, and to prepare it."""
    recipe, began = Recipe(epochs=1), time.perf_counter()
    trials = torch.backends.cudnn.benchmark
    engine = engine_for(gpu, plan, recipe)
    torch.backends.cudnn.benchmark = trials  # which the engine switches off
    state = fresh_state(fresh_network(model, 0, len(data.classes)).to(gpu.device), recipe, data, plan)
    engine.prepare_training(train_step, state, data, recipe)
    return engine.seconds_per_step(state), time.perf_counter() - began


if __name__ == "__main__":
    main()
