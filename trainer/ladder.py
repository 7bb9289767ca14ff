"""The plan of a run on a GPU, and what to do when it does not work: a ladder that every run can climb down.

    graph+compile   the network compiled, its steps replayed from a CUDA graph
    graph           as torch computes it, replayed from a CUDA graph
    compile         compiled; Python asks for each piece
    eager           as torch computes it; Python asks for each operation
    without our own kernels, where the plan has them
    eager in fp32   without half precision

Which layout and precision are fastest differs from network to network, and so does what our own ways of computing some
layers save; so they are tried out, a second or so each. To compile takes longer, and is tried only when the run is long
enough to win that time back. What was found is remembered.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import torch
from msgspec import Struct
from msgspec.structs import replace
from torch import nn

from store.records import Recipe
from trainer.cuda import Facts
from trainer.failure import is_out_of_memory
from trainer.fusing import with_own_kernels
from trainer.grouped import has_small_groups
from trainer.plan import CLEARLY, Mode, Plan, Precision, probe_key, recall, remember, without_compiling

log = logging.getLogger("cifar-tui")

T = TypeVar("T")
Stage = Literal["compile", "graph", "step"]

NEAR = 1.1  # times the fastest way: others that are tried in the next precision, too
MODES: tuple[Mode, ...] = ("graph+compile", "graph", "compile", "eager")  # downwards

# What compiling is expected to cost and to save, until it was tried on this network and card. Guesses, from counting
# the operations that can be fused; not measured.
FOR_A_NETWORK, FOR_A_LAYER = 10.0, 0.5  # seconds to compile
SAVING, SAVING_BESIDE_OURS = 0.25, 0.1  # of a step; of one whose norms are fused by our kernels already
WORTH = 1.5  # compiling must save this many times what it costs


class Unprepared(Exception):
    """A plan does not work here: compiling, capturing, or the step itself."""

    def __init__(self, stage: Stage, error: Exception) -> None:
        super().__init__(stage)
        self.stage, self.error = stage, error

    @property
    def reason(self) -> str:
        """One line: the first that says something. Of a RuntimeError the name says nothing."""
        name = type(self.error).__name__
        lines = [line.strip() for line in str(self.error).splitlines() if line.strip()]
        says = next((line[:120] for line in lines if not line.endswith(":")), None)
        if says is None:
            return name
        return says if isinstance(self.error, RuntimeError) else f"{name}: {says}"

    @property
    def is_for_lack_of_memory(self) -> bool:
        """The step itself did not fit; not merely its graph."""
        return self.stage == "step" and is_out_of_memory(self.error)

    def forget(self) -> None:
        """Let go of what was computed where it went wrong: GPU memory hangs on it."""
        error: BaseException | None = self
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            error = error.__cause__ or error.__context__


class Found(Struct, frozen=True, kw_only=True):
    """What trials of a network on a card have shown."""

    plan: Plan  # the fastest without compiling
    seconds: float  # of its steps
    tried: bool = False  # was compiling tried
    compiled: float | None = None  # seconds of a step, compiled; None when that did not work
    compiling: float = 0.0  # seconds that it took


def descend(plan: Plan, attempt: Callable[[Plan], T], said: list[str], tidy: Callable[[], None]) -> T:
    """What the attempt gives with this plan, or with the highest one below it that works. `said` hears, for each that
    does not, why, and what it costs. Raises the last plan's error when none works."""
    broken: set[Stage] = set() if "compile" in plan.mode else {"compile"}  # it may not be worth its time: see gpu_plan
    while True:
        try:
            return attempt(plan)
        except Unprepared as failure:
            if plan.mode != "graph+compile" or failure.stage != "graph":  # without the compiler a graph may work
                broken.add(failure.stage)
            lower = below(plan, failure, broken)
            if lower is None:
                raise failure.error from None
            _say(said, step_down(failure, plan, lower), failure)
        plan = lower
        tidy()  # after the except clause: what was tried is held by nothing any more


def below(plan: Plan, failure: Unprepared, broken: set[Stage]) -> Plan | None:
    """The next plan to try; None when there is none, or none that could need less memory."""
    if failure.stage == "step":
        if failure.is_for_lack_of_memory or (plan.precision == "fp32" and not plan.kernels):
            return None
        return replace(plan, kernels=False) if plan.kernels else replace(plan, precision="fp32")
    for mode in MODES[MODES.index(plan.mode) + 1 :]:
        if not any(part in broken for part in mode.split("+")):
            return replace(plan, mode=mode)
    return None


def step_down(failure: Unprepared, plan: Plan, lower: Plan) -> str:
    """One line for people: what failed, why, what is done instead, and what that costs."""
    what = {"compile": "compiling", "graph": "capturing a CUDA graph", "step": "a step in half precision"}
    costs = {
        "graph": "slower by what fused operations would save",
        "compile": "slower, most of all for small networks: Python asks for each piece",
        "eager": "slower, most of all for small networks: Python asks for each operation",
    }
    failed, cost = what[failure.stage], costs[lower.mode]
    if failure.stage == "step" and plan.kernels:
        failed, cost = "a step with our own kernels", "slower by what they save"
    elif failure.stage == "step":
        cost = "slower, and it needs more memory"
    return f"{failed} failed ({failure.reason}); it trains with {lower.in_words()} instead: {cost}"


class Trials(Protocol):
    """Tries plans of a network out, on the GPU at hand."""

    facts: Facts

    def seconds(self, plan: Plan) -> tuple[float, float]:
        """What a training step takes, and what it took to prepare it. Raises Unprepared."""

    def tidy(self) -> None:
        """Give back the memory of what was tried."""


def gpu_plan(
    network: nn.Module, recipe: Recipe, steps: int, trials: Trials, remembered: Path | None, said: list[str]
) -> Plan:
    """The plan of a run of so many steps that begins on a GPU.

    `remembered` is a file that keeps what was found. `said` hears of each plan that did not work, as in `descend`.
    """
    deterministic = torch.are_deterministic_algorithms_enabled()  # after an exact run; slower
    key = probe_key(network, recipe, trials.facts, recipe.precision, recipe.optimizer, deterministic)
    before: Found | None = recall(remembered, key, Found) if remembered else None
    found = before or fastest(gpu_ways(network, trials.facts), recipe, trials, said)
    if found is None:  # perhaps it fits without a copy beside it; if not, the run itself will say why
        return Plan(precision=precisions(recipe, trials.facts)[0], card=trials.facts.name)
    tries = not found.tried and is_worth_trying(found, network, steps)
    if tries and (missing := trials.facts.no_compiler):
        said.append(f"not compiled, because {missing}: slower by what fused operations would save")
    elif tries:
        found = with_compiler(found, trials, said)
    if remembered and found != before:
        remember(remembered, key, found)
    cost = found.compiling if before and before.tried else 0.0  # what was compiled a moment ago costs nothing again
    return compiled(found.plan) if is_worth_compiling(found, steps, cost) else found.plan


def precisions(recipe: Recipe, facts: Facts) -> list[Precision]:
    """Those to try: the recipe's, or else all that this card computes in hardware."""
    if recipe.precision != "auto":
        return [recipe.precision]
    half: list[Precision] = []
    if facts.capability >= (7, 0) and recipe.optimizer != "muon":  # which does not go with scaled losses
        half.append("fp16")
    if facts.capability >= (8, 0):
        half.append("bf16")
    return [*half, "fp32"]


def gpu_ways(network: nn.Module, facts: Facts) -> list[Plan]:
    """The ways to compute a network that are tried out, in any precision."""
    plain = [Plan(layout="channels_last"), Plan(layout="contiguous")]
    own = [replace(plain[0], merged=True)] if has_small_groups(network) else []
    compiles = facts.no_compiler is None and facts.capability >= (7, 0)  # before these Triton has no way
    if compiles and with_own_kernels(network) is not None:
        own += [replace(plan, kernels=True) for plan in (plain[0], *own)]
    return plain + own


def fastest(ways: list[Plan], recipe: Recipe, trials: Trials, said: list[str]) -> Found | None:
    """The fastest plan without compiling; None when none works.

    The first precision that works is tried in all ways, the others in those that came close to the fastest. fp16 comes
    first, as torch has slow programs for norms in bf16: there ours would be compared with those alone.
    """
    mode = without_compiling(recipe)
    seconds: dict[Plan, float] = {}
    for precision in precisions(recipe, trials.facts):
        took: dict[Plan, float] = {}
        for way in ways:
            plan = replace(way, mode=mode, precision=precision, card=trials.facts.name)
            failure = _try(plan, trials, seconds)
            if failure and failure.stage == "graph":
                mode, higher, plan = "eager", plan, replace(plan, mode="eager")
                _say(said, step_down(failure, higher, plan), failure)
                failure = _try(plan, trials, seconds)
            if failure:
                _say(said, f"{plan.in_words()} does not work here ({failure.reason})", failure)
            else:
                took[way] = seconds[plan]
            if failure and failure.is_for_lack_of_memory:
                return None
        ways = [way for way in took if took[way] <= NEAR * min(took.values())] or ways
    best = min(seconds, key=_cost(seconds), default=None)
    return Found(plan=best, seconds=seconds[best]) if best else None


def _try(plan: Plan, trials: Trials, seconds: dict[Plan, float]) -> Unprepared | None:
    trials.tidy()
    try:
        seconds[plan], _ = trials.seconds(plan)
    except Unprepared as failure:
        return failure
    return None


def _cost(seconds: dict[Plan, float]) -> Callable[[Plan], float]:
    """Less precision must be clearly faster to be preferred; fp16 has a scale to mind besides."""
    handicap = {"fp32": CLEARLY**2, "bf16": CLEARLY, "fp16": 1.0}
    return lambda plan: seconds[plan] * handicap[plan.precision]


def with_compiler(found: Found, trials: Trials, said: list[str]) -> Found:
    """What is known once compiling was tried, too."""
    trials.tidy()
    try:
        seconds, preparing = trials.seconds(compiled(found.plan))
    except Unprepared as failure:
        _say(said, step_down(failure, compiled(found.plan), found.plan), failure)
        return replace(found, tried=True)
    return replace(found, tried=True, compiled=seconds, compiling=preparing)


def compiled(plan: Plan) -> Plan:
    """The same with its network compiled."""
    return replace(plan, mode="graph+compile" if plan.mode == "graph" else "compile")


def is_worth_trying(found: Found, network: nn.Module, steps: int) -> bool:
    """Would a run of so many steps win back what compiling is expected to cost?"""
    layers = sum(not list(module.children()) for module in network.modules())
    saving = SAVING_BESIDE_OURS if found.plan.kernels else SAVING
    return saving * found.seconds * steps > WORTH * (FOR_A_NETWORK + FOR_A_LAYER * layers)


def is_worth_compiling(found: Found, steps: int, cost: float) -> bool:
    """Does a run of so many steps win back the seconds that compiling costs?"""
    if found.compiled is None or found.compiled > CLEARLY * found.seconds:
        return False
    return (found.seconds - found.compiled) * steps > WORTH * cost


def _say(said: list[str], line: str, failure: Unprepared) -> None:
    """Once: trials that fail alike need no second line. The traceback goes to the program's log."""
    if line not in said:
        said.append(line)
    log.warning("%s", line, exc_info=failure.error)
    failure.forget()
