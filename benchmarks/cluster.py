"""What one head carries: 200 trainings elsewhere that tell at 4 Hz each, in the real app and through a real Ray.

python benchmarks/cluster.py [--workers 200] [--keys 100] [--seconds 20] [--without-ray]

1. The app in a pseudo-terminal with one queue thread for each worker and a real store. The workers are made up: each
   tells a step every quarter of a second, and every ten seconds an epoch with a checkpoint, as trainer/remote_worker.py
   does. Measured: the time from a key to its answer, beside an app with no run; news that the head heard in a second,
   and what it wrote.
2. The same news through Ray on this machine: a few processes tell what 200 would, as fast as the head can hear it.

Only ratios and percentiles say something: the machine is shared. Linux and macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import app as harness  # benchmarks/app.py: the pseudo-terminal and its keys
from msgspec.structs import replace

from store.records import Epoch, Recipe, Run, Step
from store.runs import RunStore
from trainer.queue import JobQueue
from trainer.remote import RemoteTraining
from trainer.remote_worker import Facts, Record, Saved

PERIOD = 0.25  # seconds from one step to the next
EPOCH = 10.0  # seconds that an epoch takes
EPOCHS = 1000
CHECKPOINT = 750_000  # bytes: LeNet's, about
FACTS = Facts(
    device="CPU", plan="made up", params=62_006, notice=None, environment={}, epochs=[], weights=248_024, damaged=[]
)  # fmt: skip
APP = "from cluster import show_app; show_app()"
IDLE = "from cluster import show_app; show_app(0)"


class MadeUp:
    """The far end of a training that learns nothing, at the rate of a real one."""

    heard = 0  # records that all of them have told

    def __init__(self) -> None:
        self.stopping = threading.Event()

    def news(self) -> Iterator[Record]:
        yield FACTS
        steps = int(EPOCH / PERIOD)
        self.stopping.wait(random.uniform(0, EPOCH))  # they did not all begin at once
        for number in range(1, EPOCHS + 1):
            for step in range(1, steps + 1):
                if self.stopping.wait(PERIOD):
                    return
                yield Step(epoch=number, phase="train", step=step, steps=steps, loss=1.5, accuracy=0.4)
                MadeUp.heard += 1
            yield epoch(number)
            yield Saved(epochs=number, content=bytes(CHECKPOINT))
            MadeUp.heard += 2

    def stop(self) -> None:
        self.stopping.set()

    def weights(self) -> tuple[bytes, bytes | None]:
        return b"", None

    def end(self) -> None:
        self.stopping.set()


def epoch(number: int) -> Epoch:
    return Epoch(
        epoch=number, train_loss=1.5, train_accuracy=0.4, test_loss=1.4, test_accuracy=min(0.9, number / 100),
        learning_rate=0.01, seconds=EPOCH, images_per_second=5000.0,
    )  # fmt: skip


def show_app(workers: int | None = None) -> None:
    """The app around made-up workers, in the terminal that called; it writes what it heard to $HEARD each second."""
    from tui.app import run
    from tui.session import Session

    home, count = Path(sys.argv[1]), int(sys.argv[2]) if workers is None else workers

    def open(one: Run, folder: Path, device: str) -> RemoteTraining:
        return RemoteTraining(MadeUp(), folder, one.recipe, "checkpoint.made-up.pt")

    def report() -> None:
        while True:
            heard = {"heard": MadeUp.heard, "cpu": time.process_time(), "at": time.monotonic()}
            Path(os.environ["HEARD"]).write_text(json.dumps(heard))
            time.sleep(1)

    threading.Thread(target=report, daemon=True).start()
    with RunStore.open(home) as store:
        slots = [f"box:gpu{number}" for number in range(max(count, 1))]
        run(Session(home, data="synthetic"), store, lambda tell: JobQueue(store, open, slots, tell))
    os._exit(0)


def fill(home: Path, count: int) -> None:
    """As many runs as there are workers wait in this home."""
    with RunStore.open(home) as store:
        for number in range(count):
            run = harness.waiting_run(store)
            store.add(replace(run, seed=number, position=float(number), recipe=Recipe(epochs=EPOCHS)))


def in_the_app(workers: int, presses: int, seconds: float) -> None:
    print(f"milliseconds from a key to its answer, {presses} keys: median, 95th percentile, longest")
    names = [harness.model_name(id, 26) for id in harness.MODELS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        heard = folder / "heard"
        variables = {"HEARD": str(heard), "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[1]}"}
        (folder / "empty").mkdir()
        with harness.terminal(IDLE, [str(folder / "empty"), "0"], variables) as program:
            program.read_until(names[-1])
            program.drain(2.0)
            harness.show("no runs, the catalogue", harness.keys(program, names, presses))
            harness.show("no runs, queue to catalogue", away_from_the_queue(program, presses))
        home = folder / "home"
        fill(home, workers)
        with harness.terminal(APP, [str(home), str(workers)], variables) as program:
            program.read_until(names[-1])
            program.drain(EPOCH + 5)  # all have begun
            before = json.loads(heard.read_text())
            program.drain(seconds)
            after = json.loads(heard.read_text())
            harness.show(f"{workers} runs, the catalogue", harness.keys(program, names, presses))
            harness.show(f"{workers} runs, queue to catalogue", away_from_the_queue(program, presses))
            harness.show(f"{workers} runs, the results", harness.results_keys(program, presses))
        passed = after["at"] - before["at"]
        rate = (after["heard"] - before["heard"]) / passed
        print(f"  news heard: {rate:,.0f} a second, of {workers / PERIOD:,.0f} told")
        print(f"  CPU of the head: {(after['cpu'] - before['cpu']) / passed:.2f} cores")
        print(f"  results.json: {(home / 'results.json').stat().st_size / workers:,.0f} bytes a run", flush=True)


def away_from_the_queue(program: harness.Terminal, presses: int) -> list[float]:
    """From the key that leaves the queue, whose cards change all the time, until the catalogue stands there."""
    waits = []
    for _ in range(presses):
        program.press("2")
        program.drain(random.uniform(0.5, 1.0))
        program.press("1")
        waits.append(program.read_until("AlexNet"))
        program.drain(0.2)
    return waits


def through_ray(seconds: float, processes: int = 2, streams: int = 50) -> None:
    """How fast this head hears what comes from Ray: each of a few processes tells what many trainings would, without
    any pause; one thread here listens to each, as the queue does."""
    from trainer.cluster import UNHEARD, connect

    cluster = connect("local")
    ray = cluster._ray

    class Talker:
        def news(self) -> Iterator[Record]:
            while True:
                yield Step(epoch=1, phase="train", step=1, steps=391, loss=1.5, accuracy=0.4)

    talkers = [ray.remote(num_cpus=0, max_concurrency=streams)(Talker).remote() for _ in range(processes)]
    heard, over = [0] * (processes * streams), threading.Event()

    def listen(number: int) -> None:
        news = talkers[number % processes].news.options(
            num_returns="streaming", _generator_backpressure_num_objects=UNHEARD
        )
        for reference in news.remote():
            ray.get(reference)
            heard[number] += 1
            if over.is_set():
                return

    listeners = [threading.Thread(target=listen, args=(number,), daemon=True) for number in range(len(heard))]
    for listener in listeners:
        listener.start()
    time.sleep(3.0)
    before, cpu, at = sum(heard), time.process_time(), time.monotonic()
    time.sleep(seconds)
    count, cpu, passed = sum(heard) - before, time.process_time() - cpu, time.monotonic() - at
    over.set()
    for listener in listeners:
        listener.join(2.0)
    print(f"through Ray, {len(heard)} streams of {processes} processes on this machine, no pause:")
    print(
        f"  {count / passed:,.0f} news a second; {1e6 * cpu / max(count, 1):,.0f} µs of the head's CPU for each",
        flush=True,
    )
    cluster.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--without-ray", action="store_true")
    options = parser.parse_args()
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    in_the_app(options.workers, options.keys, options.seconds)
    if not options.without_ray:
        through_ray(options.seconds)
    os._exit(0)


if __name__ == "__main__":
    main()
