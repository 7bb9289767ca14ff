"""How near to the limits of this CPU a training step comes: those of its arithmetic and of its memory.

    python benchmarks/roofline.py [MODEL]... [--seconds 4]

First the limits, measured: a product of two large matrices in fp32 and in bf16, and copying 256 MB. Then, for each
network, how long its step would take at the least: its arithmetic (six operations for each multiply-add of a forward
pass: forward, and the gradients of inputs and of weights) at the speed of the matrix product, or its memory (what the
forward pass keeps is written and read once, and so are its gradients) at the speed of the copy, whichever is more; and
how many times as long it really takes. Like every roofline it knows no caches: what fits one moves faster.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

from tried import measured

from trainer.device import prepare_process
from zoo import select

BATCH = 128
SIZE = 4096  # of the matrices
BLOCK = 256 * 2**20  # bytes that are copied


def best_of(times: int, work: Callable[[], object]) -> float:
    """The shortest of so many, in seconds."""
    laps = []
    for _ in range(times + 1):  # the first warms up
        begun = time.perf_counter()
        work()
        laps.append(time.perf_counter() - begun)
    return min(laps[1:])


def limits() -> tuple[dict[str, float], float]:
    """Operations a second by precision, and bytes a second, of all cores."""
    import torch

    speeds = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        one, other = (torch.randn(SIZE, SIZE).to(dtype) for _ in range(2))
        product = torch.empty(SIZE, SIZE, dtype=dtype)
        speeds[name] = 2 * SIZE**3 / best_of(3, lambda a=one, b=other, out=product: torch.mm(a, b, out=out))
    here, there = (torch.zeros(BLOCK, dtype=torch.uint8) for _ in range(2))
    return speeds, 2 * BLOCK / best_of(5, lambda: there.copy_(here))  # read and written


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", nargs="*", default=["lenet", "mobilenetv2", "resnet18"])
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    options = parser.parse_args()
    prepare_process()
    speeds, bandwidth = limits()
    print(
        f"{os.cpu_count()} cores: {speeds['fp32'] / 1e9:.0f} GFLOP/s in fp32, {speeds['bf16'] / 1e9:.0f} in bf16, "
        f"{bandwidth / 1e9:.0f} GB/s"
    )
    for card in (card for word in options.models for card in select(word)):
        if card.macs is None or card.activations is None:
            continue  # an own model that was never measured
        step = measured(card.id, "ours", options.seconds)
        precision = step["plan"]["precision"]
        arithmetic = 6 * card.macs * BATCH / speeds[precision]
        memory = 4 * card.activations * BATCH / bandwidth / (2 if precision == "bf16" else 1)
        least, what = max((arithmetic, "arithmetic"), (memory, "memory"))
        print(
            f"{card.id:<18} {step['seconds'] * 1000:8.1f} ms a step in {precision}; at least {arithmetic * 1000:.1f} "
            f"of arithmetic, {memory * 1000:.1f} of memory: {step['seconds'] / least:.1f} times its limit, {what}",
            flush=True,
        )


if __name__ == "__main__":
    main()
