"""How long the gradients of each depthwise convolution of a network take on a CPU: torch's, and ours where they differ.

    python benchmarks/depthwise.py [MODEL...]

Milliseconds for a batch of 128 in channels_last, the best of `--rounds`, in which torch and ours take turns.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from trainer.device import cpu_threads, keep_freed_memory, prepare_process

BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", nargs="*", default=["mobilenetv2", "pnasnet_a"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    prepare_process()
    keep_freed_memory()
    import torch

    import zoo

    torch.set_num_threads(cpu_threads())
    print("gradients, in ms, of:        fp32 images      kernels | bf16 images      kernels   (torch's → ours)")
    for model in options.models:
        print(model)
        for layer, size in depthwise_layers(zoo.build(model)):
            kernel = "×".join(map(str, layer.kernel_size))
            name = f"{layer.in_channels:5} channels {size}×{size}, {kernel}, stride {layer.stride[0]}"
            cells = []
            for dtype in (torch.float32, torch.bfloat16):
                for asked in ("images", "kernels"):
                    theirs, ours = milliseconds(layer, size, dtype, asked, options.rounds)
                    cells.append(f"{theirs:6.2f} → {ours:5.2f}")
            print(f"{name:36}", " | ".join(" ".join(cells[at : at + 2]) for at in (0, 2)), flush=True)


def depthwise_layers(network: Any) -> list[tuple[Any, int]]:
    """Each kind of depthwise convolution of a network once, and the rows of the images that it is given."""
    import torch

    from trainer.depthwise import is_depthwise

    found: dict[tuple[Any, ...], tuple[Any, int]] = {}

    def note(layer: Any, given: Any, _: Any) -> None:
        size = given[0].shape[2]
        found[layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, size] = layer, size

    hooks = [layer.register_forward_hook(note) for layer in network.modules() if is_depthwise(layer)]
    with torch.no_grad():
        network(torch.zeros(2, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return list(found.values())


def milliseconds(layer: Any, size: int, dtype: Any, asked: str, rounds: int) -> tuple[float, float]:
    """The gradient of the images or of the kernels: torch's and ours, the best of so many."""
    import torch

    from trainer.depthwise import Depthwise

    generator = torch.Generator().manual_seed(0)
    shape = (BATCH, layer.in_channels, size, size)
    laps: list[list[float]] = [[], []]
    for _ in range(rounds + 1):  # the first one warms up
        for number, one in enumerate((layer, Depthwise(layer))):
            one.weight.requires_grad_(asked == "kernels")
            one.weight.grad = None
            images = torch.randn(shape, generator=generator).to(dtype, memory_format=torch.channels_last)
            images.requires_grad_(asked == "images")
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                result = one(images)
            gradient = torch.randn(result.shape, generator=generator)
            gradient = gradient.to(dtype, memory_format=torch.channels_last)
            begun = time.perf_counter()
            result.backward(gradient)
            laps[number].append(1000 * (time.perf_counter() - begun))
    theirs, ours = (min(some[1:]) for some in laps)
    return theirs, ours


if __name__ == "__main__":
    main()
