"""Which plan a run on a GPU gets, and what happens when one does not work: with trials that a test makes up."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from store.records import Recipe
from tests.trainer.fake_gpu import H100, OutOfMemoryError
from trainer.cuda import Facts
from trainer.ladder import (
    MODES,
    Found,
    Stage,
    Unprepared,
    compiled,
    descend,
    gpu_plan,
    is_worth_compiling,
    is_worth_trying,
    precisions,
    step_down,
)
from trainer.plan import Layout, Mode, Plan, Precision

LONG, SHORT = 78_200, 10  # steps


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.Linear(64, 10))


def failure(stage: Stage, words: str = "no such thing") -> Unprepared:
    return Unprepared(stage, RuntimeError(words))


@dataclass
class Table:
    """Trials with seconds from a table; what is not in it takes 10 ms. A failure in place of seconds is raised."""

    seconds_of: dict[tuple[Any, ...], float | Unprepared] = field(default_factory=dict)
    facts: Facts = H100
    tried: list[Plan] = field(default_factory=list)
    tidied: int = 0

    def seconds(self, plan: Plan) -> tuple[float, float]:
        assert self.tidied > len(self.tried), "what was tried before still holds its memory"
        self.tried.append(plan)
        for key, found in self.seconds_of.items():
            own = {word for word in ("kernels", "merged") if getattr(plan, word)}
            if set(key) <= {plan.mode, plan.precision, plan.layout, *own}:
                if isinstance(found, Unprepared):
                    raise found
                return found, 20.0
        return 0.010, 1.0

    def tidy(self) -> None:
        self.tidied = len(self.tried) + 1


def choose(
    table: Table,
    recipe: Recipe | None = None,
    steps: int = SHORT,
    file: Path | None = None,
    of: nn.Module | None = None,
) -> tuple[Plan, list[str]]:
    said: list[str] = []
    return gpu_plan(of or network(), recipe or Recipe(), steps, table, file, said), said


@pytest.mark.parametrize(
    ("seconds_of", "expected"),
    [
        ({}, ("fp32", "channels_last")),
        ({("contiguous",): 0.008}, ("fp32", "contiguous")),
        ({("bf16",): 0.005, ("bf16", "contiguous"): 0.005}, ("bf16", "channels_last")),
        ({("fp16",): 0.004, ("bf16",): 0.005}, ("fp16", "channels_last")),
        ({("fp16",): 0.0099}, ("fp32", "channels_last")),  # hardly faster
    ],
)
def test_layout_and_precision_are_the_fastest_of_what_was_tried(
    seconds_of: dict[tuple[Any, ...], float | Unprepared], expected: tuple[Precision, Layout]
) -> None:
    table = Table(seconds_of)
    plan, said = choose(table)
    assert (plan.precision, plan.layout) == expected
    assert plan.mode == "graph" and plan.card == "NVIDIA H100" and not said
    assert [(one.precision, one.layout) for one in table.tried[:2]] == [
        ("fp16", "channels_last"),
        ("fp16", "contiguous"),
    ]


def test_later_precisions_are_tried_only_where_the_first_came_close() -> None:
    table = Table({("contiguous",): 0.012})
    choose(table)
    assert [(one.precision, one.layout) for one in table.tried] == [
        ("fp16", "channels_last"),
        ("fp16", "contiguous"),
        ("bf16", "channels_last"),
        ("fp32", "channels_last"),
    ]
    table = Table({("contiguous",): 0.0105})
    choose(table)
    assert len(table.tried) == 6


def with_norms_and_groups() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8), nn.ReLU())


@pytest.mark.parametrize(
    ("seconds_of", "kernels", "merged"),
    [
        ({}, False, False),
        ({("kernels",): 0.005}, True, False),
        ({("merged",): 0.005}, False, True),
        ({("kernels", "merged"): 0.004, ("kernels",): 0.005}, True, True),
        ({("merged", "kernels"): failure("step"), ("kernels",): 0.005}, True, False),
    ],
)
def test_our_own_ways_are_tried_beside_torchs(
    seconds_of: dict[tuple[Any, ...], float | Unprepared], kernels: bool, merged: bool
) -> None:
    table = Table(seconds_of)
    plan, _ = choose(table, of=with_norms_and_groups())
    assert (plan.kernels, plan.merged) == (kernels, merged)
    assert len([one for one in table.tried if one.precision == "fp16"]) == 5
    assert compiled(plan).kernels == kernels  # for the last, shorter batch, and should compiling fail


@pytest.mark.parametrize("differs", [{"no_compiler": "triton is not installed"}, {"capability": (6, 1)}])
def test_there_are_no_own_kernels_where_nothing_can_be_compiled(differs: dict[str, Any]) -> None:
    table = Table(facts=H100._replace(**differs))
    choose(table, of=with_norms_and_groups())
    assert {(one.kernels, one.merged) for one in table.tried} == {(False, False), (False, True)}


@pytest.mark.parametrize(
    ("capability", "recipe", "expected"),
    [
        ((9, 0), Recipe(), ["fp16", "bf16", "fp32"]),
        ((8, 6), Recipe(), ["fp16", "bf16", "fp32"]),
        ((7, 5), Recipe(), ["fp16", "fp32"]),  # bf16 only in software
        ((6, 1), Recipe(), ["fp32"]),
        ((9, 0), Recipe(precision="fp32"), ["fp32"]),
        ((7, 5), Recipe(precision="bf16"), ["bf16"]),  # as the recipe says
        ((9, 0), Recipe(optimizer="muon"), ["bf16", "fp32"]),
        ((7, 5), Recipe(optimizer="muon"), ["fp32"]),
    ],
)
def test_only_precisions_of_the_recipe_and_of_the_card_are_tried(
    capability: tuple[int, int], recipe: Recipe, expected: list[str]
) -> None:
    facts = H100._replace(capability=capability)
    assert precisions(recipe, facts) == expected
    table = Table(facts=facts)
    choose(table, recipe)
    assert list(dict.fromkeys(one.precision for one in table.tried)) == expected


def test_where_no_graph_can_be_captured_everything_is_tried_without_one_and_said_once() -> None:
    plan, said = choose(Table({("graph",): failure("graph"), ("bf16",): 0.005}))
    assert (plan.mode, plan.precision) == ("eager", "bf16")
    assert said == [
        "capturing a CUDA graph failed (no such thing); it trains with fp16, channels_last instead: slower, most of "
        "all for small networks: Python asks for each operation"
    ]


def test_a_precision_or_layout_that_does_not_work_is_left_out() -> None:
    table = Table({("fp16",): failure("step", "fp16 is not for this"), ("bf16", "channels_last"): failure("step")})
    plan, said = choose(table)
    assert (plan.precision, plan.layout) == ("fp32", "contiguous")
    assert [one.precision for one in table.tried] == ["fp16", "fp16", "bf16", "bf16", "fp32"]
    assert said[0] == "graph, fp16, channels_last does not work here (fp16 is not for this)"
    assert len(said) == 3


def test_on_a_gpu_with_too_little_memory_for_trials_the_run_begins_without_them() -> None:
    """It has no copy beside it: it may fit, or else say itself what would."""
    table = Table({(): Unprepared("step", OutOfMemoryError("CUDA out of memory"))})
    assert choose(table)[0] == Plan(precision="fp16", card="NVIDIA H100") and len(table.tried) == 1
    plan, _ = choose(Table({("graph",): Unprepared("graph", OutOfMemoryError("CUDA out of memory"))}))
    assert plan.mode == "eager"  # which needs less


def test_when_nothing_works_the_run_itself_will_say_why(tmp_path: Path) -> None:
    plan, said = choose(Table({(): failure("step")}), file=tmp_path / "plans.json")
    assert plan.mode == "eager" and said and not list(tmp_path.iterdir())


def test_muon_is_tried_without_graphs() -> None:
    table = Table()
    assert choose(table, Recipe(optimizer="muon"))[0].mode == "eager"
    assert {one.mode for one in table.tried} == {"eager"}
    assert choose(Table({("compile",): 0.001}), Recipe(optimizer="muon"), LONG)[0].mode == "compile"


def test_compiling_is_tried_only_when_the_run_is_long_enough_and_kept_only_when_it_is_faster() -> None:
    faster: dict[tuple[Any, ...], float | Unprepared] = {("graph+compile",): 0.007}
    assert choose(Table(faster), steps=LONG)[0].mode == "graph+compile"
    short = Table(faster)
    assert choose(short, steps=SHORT)[0].mode == "graph"
    assert "graph+compile" not in {one.mode for one in short.tried}
    slower = Table({("graph+compile",): 0.0099})
    assert choose(slower, steps=LONG)[0].mode == "graph" and slower.tried[-1].mode == "graph+compile"


def test_a_compiler_that_fails_or_is_missing_costs_only_the_speed_and_a_line() -> None:
    plan, said = choose(Table({("graph+compile",): failure("compile", "InductorError: out of luck")}), steps=LONG)
    assert plan.mode == "graph"
    assert said == [
        "compiling failed (InductorError: out of luck); it trains with graph, fp32, channels_last instead: slower by "
        "what fused operations would save"
    ]
    table = Table(facts=H100._replace(no_compiler="there is no C compiler"))
    plan, said = choose(table, steps=LONG)
    assert plan.mode == "graph" and "graph+compile" not in {one.mode for one in table.tried}
    assert said == ["not compiled, because there is no C compiler: slower by what fused operations would save"]


def test_what_was_found_is_remembered_for_this_network_recipe_card_and_driver(tmp_path: Path) -> None:
    file = tmp_path / "plans.json"
    first = choose(Table({("bf16",): 0.005}), file=file)[0]
    again = Table()
    assert choose(again, file=file)[0] == first and not again.tried
    for other in (H100._replace(driver="601.0"), H100._replace(name="NVIDIA A100"), H100._replace(cudnn=1)):
        table = Table(facts=other)
        choose(table, file=file)
        assert table.tried
    for recipe in (Recipe(precision="fp32"), Recipe(batch_size=64), Recipe(optimizer="adamw")):
        table = Table()
        choose(table, recipe, file=file)
        assert table.tried


def test_compiling_is_tried_once_and_then_weighed_by_what_it_cost(tmp_path: Path) -> None:
    file = tmp_path / "plans.json"
    choose(Table(), file=file)  # short: compiling is not tried
    table = Table({("graph+compile",): 0.007})
    assert choose(table, steps=LONG, file=file)[0].mode == "graph+compile" and len(table.tried) == 1
    silent = Table()
    assert choose(silent, steps=LONG, file=file)[0].mode == "graph+compile"
    assert choose(silent, steps=10_001, file=file)[0].mode == "graph+compile"  # 3 ms a step against 1.5 × 20 s
    assert choose(silent, steps=9_999, file=file)[0].mode == "graph" and not silent.tried


def test_a_compiler_that_failed_is_not_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "plans.json"
    choose(Table({("graph+compile",): failure("compile")}), steps=LONG, file=file)
    table = Table({("graph+compile",): 0.001})
    assert choose(table, steps=LONG, file=file)[0].mode == "graph" and not table.tried


@pytest.mark.parametrize("content", [b'{"half a fi', b'{"a": "layout"}', b"[]"])
def test_a_file_that_cannot_be_read_only_costs_other_trials(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "plans.json"
    file.write_bytes(content)
    choose(Table(), file=file)
    again = Table()
    choose(again, file=file)
    assert not again.tried


def test_what_compiling_saves_is_weighed_against_the_length_of_the_run() -> None:
    found = Found(plan=Plan(mode="graph"), seconds=0.010)
    assert is_worth_trying(found, network(), LONG) and not is_worth_trying(found, network(), SHORT)
    ours = Found(plan=Plan(mode="graph", kernels=True), seconds=0.010)
    assert is_worth_trying(found, network(), 12_000) and not is_worth_trying(ours, network(), 12_000)
    deep = nn.Sequential(*(nn.ReLU() for _ in range(400)))
    assert is_worth_trying(found, network(), 9_000) and not is_worth_trying(found, deep, 9_000)
    assert not is_worth_compiling(found, LONG, 0.0)  # it was never tried
    assert compiled(Plan(mode="graph")).mode == "graph+compile" and compiled(Plan()).mode == "compile"


@pytest.mark.parametrize("place", range(len(MODES)))
def test_a_run_climbs_down_to_the_first_plan_that_works(place: int) -> None:
    """Injected failures at every rung."""
    broken = set(MODES[:place])
    seen: list[Mode] = []

    def attempt(plan: Plan) -> Plan:
        seen.append(plan.mode)
        if plan.mode in broken:
            raise failure("compile" if plan.mode == "compile" else "graph")
        return plan

    said: list[str] = []
    tidied: list[int] = []
    plan = Plan(mode="graph+compile", precision="bf16")
    assert descend(plan, attempt, said, lambda: tidied.append(len(seen))).mode == MODES[place]
    assert seen == list(MODES[: place + 1]) and len(said) == place
    assert tidied == list(range(1, place + 1))  # each is cleared away before the next


def test_what_is_known_to_be_broken_is_not_tried_again() -> None:
    seen: list[Mode] = []

    def attempt(plan: Plan) -> Plan:
        seen.append(plan.mode)
        if "compile" in plan.mode:
            raise failure("compile")
        if "graph" in plan.mode:
            raise failure("graph")
        return plan

    descend(Plan(mode="graph+compile"), attempt, [], lambda: None)
    assert seen == ["graph+compile", "graph", "eager"]


def test_a_run_that_was_not_worth_compiling_is_not_compiled_either_when_its_graph_fails() -> None:
    seen: list[Mode] = []

    def attempt(plan: Plan) -> Plan:
        seen.append(plan.mode)
        if plan.mode == "graph":
            raise failure("graph")
        return plan

    descend(Plan(mode="graph"), attempt, [], lambda: None)
    assert seen == ["graph", "eager"]


def test_the_last_rung_is_fp32_and_below_it_the_error_is_raised_as_it_was() -> None:
    said: list[str] = []

    def only_fp32(plan: Plan) -> Plan:
        if plan.precision != "fp32":
            raise failure("step", "not in half precision")
        return plan

    assert descend(Plan(mode="eager", precision="fp16"), only_fp32, said, lambda: None) == Plan()
    assert said == [
        "a step in half precision failed (not in half precision); it trains with fp32, contiguous instead: slower, and "
        "it needs more memory"
    ]

    def never(plan: Plan) -> Plan:
        raise failure("step", "broken")

    with pytest.raises(RuntimeError, match=r"^broken$"):
        descend(Plan(precision="bf16"), never, said, lambda: None)


def test_own_kernels_are_given_up_before_half_precision_is() -> None:
    said: list[str] = []

    def without(plan: Plan) -> Plan:
        if plan.kernels:
            raise failure("step", "no such program")
        return plan

    plan = Plan(mode="graph", precision="fp16", kernels=True, merged=True)
    assert descend(plan, without, said, lambda: None) == Plan(mode="graph", precision="fp16", merged=True)
    assert said == [
        "a step with our own kernels failed (no such program); it trains with graph, fp16, contiguous, merged groups "
        "instead: slower by what they save"
    ]


def test_a_step_that_needs_too_much_memory_is_not_tried_in_more() -> None:
    seen: list[Plan] = []

    def attempt(plan: Plan) -> Plan:
        seen.append(plan)
        raise Unprepared("step", OutOfMemoryError("CUDA out of memory"))

    with pytest.raises(OutOfMemoryError):
        descend(Plan(mode="graph", precision="bf16"), attempt, [], lambda: None)
    assert len(seen) == 1


def test_a_failed_attempt_holds_nothing() -> None:
    """Its frames held the network, its gradients and graphs: the next attempt needs the room."""
    alive: list[Any] = []

    class Big:
        pass

    def attempt(plan: Plan) -> Plan:
        if plan.mode == "eager":
            return plan
        big = Big()
        alive.append(weakref.ref(big))
        try:
            raise ValueError("inside")
        except ValueError as error:
            raise Unprepared("graph", error) from error

    gone: list[bool] = []
    descend(Plan(mode="graph"), attempt, [], lambda: gone.append(alive[0]() is None))
    assert gone == [True]


@pytest.mark.parametrize("words", ["", "\n\n  \n", "x" * 500 + "\nmore"])
def test_a_reason_is_one_line(words: str) -> None:
    line = step_down(failure("compile", words), Plan(mode="graph+compile"), Plan(mode="graph"))
    assert "\n" not in line and len(line) < 300 and "()" not in line


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            RuntimeError("backend='inductor' raised:\nLoweringException: no kernel\n\nmore"),
            "LoweringException: no kernel",
        ),
        (
            RuntimeError("CUDA error: operation not permitted\nCUDA kernel errors"),
            "CUDA error: operation not permitted",
        ),
        (KeyError("width"), "KeyError: 'width'"),
        (RuntimeError("raised:"), "RuntimeError"),
    ],
)
def test_a_reason_is_the_first_line_that_says_something(error: Exception, reason: str) -> None:
    assert Unprepared("compile", error).reason == reason


def test_other_errors_are_not_taken_for_a_plan_that_fails() -> None:
    def attempt(plan: Plan) -> Plan:
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        descend(Plan(mode="graph"), attempt, [], lambda: None)
