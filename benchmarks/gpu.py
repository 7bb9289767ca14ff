"""Everything that only a GPU can tell, in one command: is it right, and how fast is it?

    python benchmarks/gpu.py [--data DIR|synthetic] [--rows PATTERN,...] [--budget 600] [--plain lenet,resnet18,...]
                             [--compiled PATTERN,...] [--plan graph,fp16,channels_last,kernels] [--no-checks]
                             [--output gpu] [--device cuda:0]

First the checks (benchmarks/gpu_checks.py); then, for each row of the published table, the smallest first, the plan
that is found without compiling, or the given one, and whole epochs with it, evaluation included; then some rows with
the plain loop (benchmarks/plain.py) on the same card; then, as long as the budget of seconds lasts, each row's step
compiled.
"plain ÷ ours" is of whole epochs, "compiled ÷ not" of training steps. What was not reached is "not measured". After
each row the table so far is written: OUTPUT.md with the card's name, and OUTPUT.json. The exit status is 1 when a check
fails, or where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import torch
from gpu_checks import Pair, begun, checks, gpu_at_hand, news
from msgspec.structs import replace

from store.records import Epoch, Recipe
from trainer.bench import Task, peak_memory, plain_command
from trainer.cuda import Gpu
from trainer.data import DataSet, load
from trainer.fresh import fresh_state
from trainer.gpu import engine_for
from trainer.job import fresh_network
from trainer.ladder import Unprepared, compiled
from trainer.loop import train_step
from trainer.plan import Plan
from zoo import CARDS

EPOCHS = 200  # of the published recipe
WHOLE = 1.5  # seconds of epochs that are measured of each row, three epochs at most
PLAIN_SECONDS = 8.0  # of the plain loop
COMPILATION = 60.0  # seconds that must be left to begin another


@dataclass
class Row:
    """What was measured of a network; None is not measured."""

    model: str
    plan: str | None = None
    preparing: float | None = None  # seconds to try plans out, and to capture
    epoch: float | None = None  # seconds, evaluation included: the median
    images_per_second: float | None = None  # of the training part
    memory: int | None = None  # bytes allocated at most
    plain: float | None = None  # seconds of an epoch of the plain loop
    compiling: float | None = None  # seconds
    step: float | None = None  # seconds, without compiling
    step_compiled: float | None = None
    remarks: list[str] = field(default_factory=list)


@dataclass
class Report:
    """All of it."""

    card: str
    driver: str
    torch: str
    cudnn: int | None
    data: str
    began: str
    command: str
    checks: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    @property
    def hours(self) -> float:
        """200 epochs of every row that was measured."""
        return sum(row.epoch * EPOCHS for row in self.rows if row.epoch) / 3600

    def write(self, output: Path) -> None:
        output.with_suffix(".json").write_text(json.dumps(asdict(self) | {"hours": self.hours}, indent=1) + "\n")
        output.with_suffix(".md").write_text(self.markdown())

    def markdown(self) -> str:
        head = f"{self.card}, driver {self.driver}, torch {self.torch}, cuDNN {self.cudnn}; {self.data}; {self.began}"
        lines = [f"# {self.card}", "", head, "", f"`{self.command}`", ""]
        lines += [f"- {name}: {words}" for name, words in self.checks.items()]
        measured = sum(row.epoch is not None for row in self.rows)
        total = f"{measured} of {len(self.rows)} rows measured; {EPOCHS} epochs of each of these: {self.hours:.2f} h"
        lines += ["", total, "", *TABLE_HEAD]
        for row in self.rows:
            cells = [
                row.model,
                row.plan or NOT,
                in_seconds(row.preparing),
                in_seconds(row.epoch),
                f"{row.images_per_second:,.0f}" if row.images_per_second else NOT,
                f"{row.memory / 1e9:.2f} GB" if row.memory else NOT,
                f"{row.plain / row.epoch:.1f}×" if row.plain and row.epoch else NOT,
                f"{row.step_compiled / row.step:.2f}" if row.step and row.step_compiled else NOT,
                in_seconds(row.compiling),
                "; ".join(row.remarks),
            ]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"


NOT = "not measured"
TABLE_HEAD = (
    "| model | plan | preparing | epoch | images/s | memory | plain ÷ ours | compiled ÷ not | compiling | remarks |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def in_seconds(value: float | None) -> str:
    return NOT if value is None else f"{value:.3g} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="synthetic")
    parser.add_argument("--rows", default="*", help="ids or patterns of the published table, with commas; 'none'")
    parser.add_argument("--plain", default="lenet,mobilenetv2,resnet18", help="rows to compare with the plain loop")
    parser.add_argument("--compiled", default="*", help="rows whose steps are compiled, too, as far as the time goes")
    parser.add_argument("--plan", type=plan_in_words, help="such as graph,fp16,channels_last: nothing is tried out")
    parser.add_argument("--no-checks", action="store_true", help="measure only")
    parser.add_argument("--budget", type=float, default=600.0, help="seconds, about")
    parser.add_argument("--output", type=Path, default=Path("gpu"))
    parser.add_argument("--device", default="cuda:0")
    options = parser.parse_args()
    until = time.monotonic() + options.budget
    gpu = gpu_at_hand(options.device)
    data = load(locate_data(options.data)).to(gpu.device)
    return run(options, gpu, data, until)


def locate_data(word: str) -> Any:
    return Task(model="lenet", data="synthetic" if word == "synthetic" else str(Path(word).resolve())).source


def run(options: argparse.Namespace, gpu: Gpu, data: DataSet, until: float) -> int:
    """Check and measure. Returns the exit status."""
    facts = gpu.facts()
    report = Report(
        card=facts.name,
        driver=facts.driver,
        torch=str(torch.__version__),
        cudnn=facts.cudnn,
        data=f"{data.name}, {len(data.train):,} + {len(data.test):,} images",
        began=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        command=" ".join(["python", *sys.argv]),
        rows=[Row(id) for id in chosen(options.rows)],
    )
    failed = run_checks(report, {} if options.no_checks else checks(data, gpu))
    torch.use_deterministic_algorithms(False)  # which the exact runs among the checks have switched on
    gpu.tidy()
    kept: dict[str, Plan] = {}
    stages: list[tuple[str, str, Callable[[Row], None], float]] = [
        ("epochs", "*", lambda row: kept.update({row.model: measure(row, data, gpu, options.plan)}), 20.0),
        ("plain", options.plain, lambda row: measure_plain(row, options), 30.0),
        (
            "compiled",
            options.compiled,
            lambda row: measure_compiled(row, data, gpu, kept[row.model]),
            COMPILATION,
        ),
    ]
    for name, models, stage, needs in stages:
        for row in report.rows:
            if not matches(row.model, models):
                continue
            if time.monotonic() > until - needs:
                print(f"{name}: the budget is spent before {row.model}")
                break
            if name != "epochs" and row.epoch is None:
                continue
            try:
                stage(row)
            except Exception as error:
                row.remarks.append(f"{name}: {first_line(error)}")
                failed = failed or name == "epochs"
            gpu.tidy()
            report.write(options.output)
            print(f"{name:<9} {row}", flush=True)
    report.write(options.output)
    print(report.markdown())
    return 1 if failed else 0


def chosen(rows: str) -> list[str]:
    """Ids of the published table, the smallest network first."""
    cards = [card for card in CARDS.values() if card.published]
    cards = [card for card in cards if matches(card.id, rows)]
    return [card.id for card in sorted(cards, key=lambda card: card.macs or 0)]


def matches(model: str, patterns: str) -> bool:
    return any(fnmatchcase(model, pattern) for pattern in patterns.split(","))


def plan_in_words(words: str) -> Plan:
    """`graph,fp16,channels_last` as a plan; `,kernels` and `,merged` may follow."""
    try:
        mode, precision, layout, *own = words.split(",")
        if not {*own} <= {"kernels", "merged"}:
            raise ValueError
        plan = {"mode": mode, "precision": precision, "layout": layout}
        return msgspec.convert(plan | dict.fromkeys(own, True), Plan)
    except (ValueError, msgspec.ValidationError):
        raise argparse.ArgumentTypeError(f"{words!r} is no plan; graph,fp16,channels_last,kernels is one") from None


def run_checks(report: Report, checks: dict[str, Callable[[], str]]) -> bool:
    """Did one fail?"""
    failed = False
    for name, check in checks.items():
        began = time.perf_counter()
        try:
            report.checks[name] = f"{check()} ({time.perf_counter() - began:.0f} s)"
        except Exception as error:
            failed = True
            report.checks[name] = f"FAILED: {first_line(error)}"
        print(f"{name}: {report.checks[name]}", flush=True)
    return failed


def measure(row: Row, data: DataSet, gpu: Gpu, plan: Plan | None) -> Plan:
    """Whole epochs with this plan, or the one that is found; so few are planned that compiling is not worth it."""
    recipe = Recipe(epochs=3)
    began = time.perf_counter()
    pair: Pair = begun(row.model, recipe, data, gpu, plan and replace(plan, card=gpu.facts().name))
    row.preparing, row.plan = time.perf_counter() - began, pair[1].plan.in_words()
    row.remarks += pair[1].remarks
    epochs: list[Epoch] = []
    for one in news(pair, data, recipe):
        if isinstance(one, Epoch):
            epochs.append(one)
            if sum(epoch.seconds for epoch in epochs) > WHOLE:
                break
    row.epoch = median(epoch.seconds for epoch in epochs)
    row.images_per_second = median(epoch.images_per_second for epoch in epochs)
    row.memory = peak_memory(gpu.device)
    row.step = pair[1].seconds_per_step(pair[0])
    return pair[1].plan


def measure_plain(row: Row, options: argparse.Namespace) -> None:
    task = Task(model=row.model, data=options.data, device=options.device, seconds=PLAIN_SECONDS)
    done = subprocess.run(plain_command(task), capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no word of why")
    row.plain = json.loads(done.stdout.splitlines()[-1])["epoch_seconds"]


def measure_compiled(row: Row, data: DataSet, gpu: Gpu, plan: Plan) -> None:
    recipe = Recipe(epochs=1)
    engine = engine_for(gpu, compiled(plan), recipe)
    network = fresh_network(row.model, 0, len(data.classes)).to(gpu.device)
    state = fresh_state(network, recipe, data, engine.plan)
    began = time.perf_counter()
    engine.prepare_training(train_step, state, data, recipe)
    row.compiling = time.perf_counter() - began
    row.step_compiled = engine.seconds_per_step(state)


def first_line(error: BaseException) -> str:
    if isinstance(error, Unprepared):
        return f"{error.stage}: {error.reason}"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
