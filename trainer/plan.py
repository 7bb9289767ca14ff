"""How one run is computed. What is learned is the recipe's business; a plan only says how fast, and how
finely it is computed.

It is chosen once, when a run begins, and kept with its checkpoint, so that a resumed run goes on in the same way. An
exact run's plan depends on the recipe alone, never on a timing.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import platform
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from msgspec import Struct
from torch import nn
from torch.nn import functional as F

from store import files
from store.records import Recipe
from trainer.depthwise import has_depthwise, with_own_depthwise
from trainer.device import cpu_threads, give_back_memory
from trainer.drawing import drawing_from
from trainer.grouped import with_merged_groups
from trainer.pairs import has_pairs, in_pairs

Layout = Literal["contiguous", "channels_last"]
Precision = Literal["fp32", "bf16", "fp16"]
Mode = Literal["eager", "graph", "compile", "graph+compile"]

LAYOUTS: tuple[Layout, ...] = ("contiguous", "channels_last")
CLEARLY = 0.97  # what is usually the slower one must be faster by this factor to be preferred
PAYS = 0.8  # on a CPU, less precision by this one: smaller gains come and go with what else the machine does
FEW = 32  # images of a step that is tried first
CLOSE = 1.3  # times the best step: plans that may be the fastest with more images
SHORT = 0.02  # seconds: a step as short tells nothing, as a small network's layers take less than what is around them


class Plan(Struct, frozen=True, kw_only=True):
    """How one run is computed."""

    mode: Mode = "eager"  # on a GPU: steps replayed from a CUDA graph, the network compiled, both
    precision: Precision = "fp32"  # of convolutions and matrix products; weights stay fp32
    layout: Layout = "contiguous"  # in memory: (N, C, H, W) or (N, H, W, C)
    pairs: bool = False  # on the CPU: convolutions to and from few channels two columns at a time
    depthwise: bool = False  # on the CPU: gradients of depthwise convolutions by our own ways, which a GPU always goes
    kernels: bool = False  # on a GPU: norms with what follows them, pooling, concatenations by our own
    merged: bool = False  # on a GPU: small groups of convolutions several at a time
    threads: int | None = None  # on the CPU; of a run that is not exact, the most. None: the plan is for a GPU
    card: str = ""  # the GPU that it was chosen on

    @classmethod
    def stored(cls, plan: dict[str, Any]) -> Plan:
        """The plan that a checkpoint holds."""
        return msgspec.convert(plan, Plan)

    def in_words(self) -> str:
        mode = [self.mode] if self.mode != "eager" else []
        own = ["in pairs"] * self.pairs + ["own depthwise gradients"] * self.depthwise
        own += ["own kernels"] * self.kernels + ["merged groups"] * self.merged
        threads = [f"{self.threads} thread{'s' * (self.threads > 1)}"] if self.threads else []
        return ", ".join([*mode, self.precision, self.layout, *own, *threads])

    @property
    def is_for_gpu(self) -> bool:
        return self.threads is None

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.layout == "channels_last" else torch.contiguous_format

    def rewrite(self, network: nn.Module) -> None:
        """Let a network compute some of its layers in another way. Its parameters and their names stay."""
        if self.pairs:
            in_pairs(network)
        if self.depthwise or self.is_for_gpu:
            with_own_depthwise(network)
        if self.merged:
            with_merged_groups(network)

    @property
    def half(self) -> torch.dtype | None:
        """What convolutions and matrix products are computed in; None: in the weights' own type."""
        return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]

    def autocast(self, device: str) -> AbstractContextManager[None]:
        """The context in which a network computes its scores on a device of this type."""
        return torch.autocast(device, self.half) if self.half else nullcontext()


def exact_plan(recipe: Recipe, on_gpu: bool) -> Plan:
    """The plan of an exact run: the same on every machine of a kind, whatever it does besides.

    On a GPU, a step that is replayed has the same bits as one that is taken as it stands.
    """
    precision: Precision = "fp32" if recipe.precision == "auto" else recipe.precision
    if on_gpu:
        return Plan(mode=without_compiling(recipe), precision=precision)
    return Plan(precision=precision, threads=recipe.threads)


def without_compiling(recipe: Recipe) -> Mode:
    """The fastest mode on a GPU without compiling. Muon computes with its rate on the CPU, which no graph can."""
    return "eager" if recipe.optimizer == "muon" else "graph"


def cpu_plan(network: nn.Module, recipe: Recipe, remembered: Path | None = None) -> Plan:
    """The plan of a run that begins on the CPU: what is fastest is tried out, unless `remembered` (a file) knows it."""
    threads = cpu_threads()
    key = probe_key(network, recipe, cpu_model(), threads, recipe.precision)
    plan: Plan | None = recall(remembered, key, Plan) if remembered else None
    if plan is None:
        torch.set_num_threads(threads)
        plan = fastest(cpu_ways(network, recipe, threads), network, recipe.batch_size)
        give_back_memory()  # of the steps that were tried
        if remembered:
            remember(remembered, key, plan)
    return plan


def cpu_ways(network: nn.Module, recipe: Recipe, threads: int) -> list[Plan]:
    """The plans to try on the CPU."""
    ways: list[dict[str, Any]] = [{"layout": layout} for layout in LAYOUTS]
    own = {"pairs": has_pairs(network), "depthwise": has_depthwise(network)}
    if any(own.values()):
        ways.append({"layout": "channels_last", **own})
    return [Plan(precision=precision, threads=threads, **way) for precision in cpu_precisions(recipe) for way in ways]


def cpu_precisions(recipe: Recipe) -> list[Precision]:
    """Those to try: the recipe's, or else all that this CPU computes in hardware.

    Without instructions for it bfloat16 is computed in float32 and rounded at every step, which can only be slower.
    """
    if recipe.precision != "auto":
        return [recipe.precision]
    ask = getattr(torch.cpu, "get_capabilities", None)  # torch 2.9 does not tell
    has_bf16 = ask is not None and any(there for name, there in ask().items() if "bf16" in name)
    return ["fp32", "bf16"] if has_bf16 else ["fp32"]


def fastest(plans: list[Plan], network: nn.Module, batch: int, patience: float = 2.0) -> Plan:
    """The plan with which this network trains fastest on the CPU, tried on copies of it.

    A step of a few images tells which plans are close to the best, unless it is short. Those take turns with half a
    batch until `patience` seconds are over, at least twice each, and the best time of each counts: whatever else the
    machine does meets all.
    """
    few = min(batch, FEW)
    many = max(few, batch // 2)  # more, and a plan that is not chosen may need more memory than the training
    seconds = {plan: min(_turn(plan, network, few)) for plan in plans}
    best = min(_cost(plan, seconds[plan]) for plan in plans)
    close = [plan for plan in plans if seconds[plan] <= SHORT or _cost(plan, seconds[plan]) <= CLOSE * best]
    if len(close) == 1:
        return close[0]
    laps: dict[Plan, list[float]] = {plan: [] for plan in close}
    while len(laps[close[0]]) < 4 or sum(map(sum, laps.values())) < patience:
        for plan in close:
            laps[plan] += _turn(plan, network, many)
    return min(close, key=lambda plan: _cost(plan, min(laps[plan])))


def _turn(plan: Plan, network: nn.Module, batch: int) -> tuple[float, float]:
    """Seconds of a step to warm up, in which memory finds its place, and of the next one.

    What the plan before has used is given back: its blocks rarely fit this one's, which would take its own beside them.
    """
    give_back_memory()
    return _trial(plan, network, batch), _trial(plan, network, batch)


def _cost(plan: Plan, seconds: float) -> float:
    """The seconds of a step, weighed: less precision must pay, and channels_last goes before the other, which it nearly
    always beats by more when batches are large."""
    return seconds * (PAYS if plan.precision == "fp32" else 1.0) * (CLEARLY if plan.layout == "channels_last" else 1.0)


def _trial(plan: Plan, network: nn.Module, batch: int) -> float:
    """Seconds of one step, forward and backward, on a copy of the network."""
    twin = copy.deepcopy(network).to(memory_format=plan.memory_format).train()
    plan.rewrite(twin)
    generator = torch.Generator().manual_seed(0)
    # Noise, because pooling takes longer where it cannot guess which value is the largest.
    images = torch.randn(batch, 3, 32, 32, generator=generator).to(memory_format=plan.memory_format)
    labels = torch.zeros(batch, dtype=torch.int64)
    with drawing_from(generator):  # its dropout must not move what others draw from
        begun = time.perf_counter()
        with plan.autocast("cpu"):
            scores = twin(images)
        F.cross_entropy(scores.float(), labels).backward()
        return time.perf_counter() - begun


def probe_key(network: nn.Module, recipe: Recipe, *machine: object) -> str:
    """What the result of a trial depends on, as a short name: network and its source, batch, torch, the machine, and
    what a plan can say."""
    try:
        source = inspect.getsource(inspect.getmodule(type(network)) or type(network))
    except (OSError, TypeError):
        source = repr(network)
    shapes = [tuple(parameter.shape) for parameter in network.parameters()]
    facts = (source, shapes, recipe.batch_size, torch.__version__, machine, Plan.__struct_fields__)
    return hashlib.blake2b(repr(facts).encode(), digest_size=12).hexdigest()


def cpu_model() -> str:
    """What the CPU calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def recall(file: Path, key: str, kind: Any) -> Any:
    """What was found earlier, or None. A file that cannot be read only costs another trial."""
    try:
        raw = msgspec.json.decode(file.read_bytes(), type=dict[str, msgspec.Raw]).get(key)
        return None if raw is None else msgspec.json.decode(raw, type=kind)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return None


def remember(file: Path, key: str, found: Any) -> None:
    """Keep it for the next run."""
    try:
        known = msgspec.json.decode(file.read_bytes(), type=dict[str, msgspec.Raw])
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        known = {}
    try:
        files.replace(file, msgspec.json.encode({**known, key: found}))
    except OSError:  # a full disk: the next run tries again
        return
