"""What the store costs: an epoch with few and with many stored runs, adding and saving a run, listing all of them.

python benchmarks/store_costs.py [RUNS]       10,000 runs unless said
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import msgspec

from store import documents, files, recovery
from store.records import Epoch, Run
from store.runs import RunStore
from store.schema import new_tables

FEW = 10
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LISTING = """
import sys
from pathlib import Path
from store.runs import RunStore
print(len(RunStore.open(Path(sys.argv[1]), write=False).runs()))
"""


def main() -> None:
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        few_home, many_home = Path(folder) / "few", Path(folder) / "many"
        fill(few_home, FEW)
        fill(many_home, many)
        with RunStore.open(few_home) as few_store, RunStore.open(many_home) as many_store:
            few_cpu, few_wall = epochs(few_store)
            many_cpu, many_wall = epochs(many_store)
            print(f"an epoch, {FEW} runs stored      {few_cpu:8.2f} ms of CPU {few_wall:8.2f} ms in all")
            print(f"an epoch, {many:,} runs stored  {many_cpu:8.2f} ms of CPU {many_wall:8.2f} ms in all")
            print(f"                           ratio {many_cpu / few_cpu:8.2f}        {many_wall / few_wall:8.2f}")
            show(f"add a run to {many:,}", *measured(lambda number: many_store.add(a_run(f"new-{number}")), 20))
            save = measured(lambda number: many_store.save(a_run(f"new-{number}", status="running")), 20)
            show(f"save a run of {many:,}", *save)
            show(f"runs() of {many:,}", *measured(lambda _: many_store.runs(), 10))
        show(f"open to read, {many:,}", *measured(lambda _: RunStore.open(many_home, write=False).runs(), 5))
        command = [sys.executable, "-c", LISTING, str(many_home)]
        _, wall = measured(lambda _: subprocess.run(command, check=True, capture_output=True), 5)
        print(f"a process that lists {many:,} runs, Python's start included: {wall / 1000:.2f} s in all")


def fill(home: Path, count: int) -> None:
    """A home with many finished runs and a hundred that wait, written at once rather than added one by one."""
    files.make_folder(home)
    tables = new_tables()
    for number in range(1, count + 1):
        run = a_run(f"run-{number}", status="done" if number > 100 else "queued", number=number)
        tables["runs"][str(number)] = documents.to_document(run)
        documents.folder_of(home, run.id).mkdir(parents=True)
    recovery.write(home, recovery.Loaded(tables, is_new=True))


def a_run(id: str, *, status: str = "queued", number: int = 0) -> Run:
    run = Run(id=id, model="resnet18", device="NVIDIA H100 80GB HBM3", created=BEGAN + timedelta(minutes=number))
    known = {"epochs_done": 200, "best_accuracy": 0.95, "best_epoch": 190, "last_accuracy": 0.949, "seconds": 900.0}
    return msgspec.convert(msgspec.to_builtins(run) | {"status": status} | (known if status == "done" else {}), Run)


def epochs(store: RunStore) -> tuple[float, float]:
    """Milliseconds to append an epoch: CPU and in all."""
    store.add(a_run("measured", status="running"))
    return measured(lambda number: store.append("measured", an_epoch(number + 1)), 200)


def an_epoch(number: int) -> Epoch:
    return Epoch(
        epoch=number,
        train_loss=0.1234,
        train_accuracy=0.9,
        test_loss=0.2345,
        test_accuracy=0.93,
        learning_rate=0.01,
        seconds=4.5,
        images_per_second=11_000.0,
    )


def measured(action: Callable[[int], object], times: int) -> tuple[float, float]:
    """The median of what an action costs, in milliseconds of CPU and in all."""
    cpu, wall = [], []
    for number in range(times):
        cpu_before, wall_before = time.process_time(), time.perf_counter()
        action(number)
        cpu.append(time.process_time() - cpu_before)
        wall.append(time.perf_counter() - wall_before)
    return 1000 * median(cpu), 1000 * median(wall)


def show(what: str, cpu: float, wall: float) -> None:
    print(f"{what:30}   {cpu:8.2f} ms of CPU {wall:8.2f} ms in all")


if __name__ == "__main__":
    main()
