"""Compiles our kernels for an H100, which takes none, and prints of each how many of its accesses are of 16 bytes."""

from __future__ import annotations

import re
import sys

from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from trainer.kernels import channels, norm, pool

TILE = {"ALIGN": 8, "ROWS": 64, "CHANNELS": 64}
HALF, INT8 = "*fp16", "*i8"
KINDS = {
    **dict.fromkeys(("images", "added", "result", "gradient", "of_added", "passing", "changes"), HALF),
    **dict.fromkeys(("partial", "found", "totals", "weight", "bias", "running_mean", "running_variance"), "*fp32"),
    "chosen": INT8,
    "batches": "*i64",
    "momentum": "fp32",
    "eps": "fp32",
}  # of the arguments; all others are sizes
WINDOW = {"SIZE": 3, "STRIDE": 1, "PADDING": 1}
KERNELS = [
    (norm.add_up, TILE),
    (norm.statistics, {"PARTS": 128, "CHANNELS": 8}),
    (norm.normalise, TILE | {"ADDS": True, "ACTIVATION": 1}),
    (norm.normalise, TILE | {"ADDS": False, "ACTIVATION": 2}),
    (norm.add_up_gradients, TILE | {"ADDS": True, "ACTIVATION": 1}),
    (norm.add_up_gradients, TILE | {"ADDS": False, "ACTIVATION": 2}),
    (norm.total_gradients, {"PARTS": 128, "CHANNELS": 8}),
    (norm.gradient_of_images, TILE | {"ACTIVATION": 2, "PASSES": True}),
    (norm.gradient_of_images, TILE | {"ACTIVATION": 1, "PASSES": False}),
    (channels.put, TILE | {"ADDS": True, "ACTIVATION": 1}),
    (channels.through_relu, TILE),
    (pool.largest, TILE | WINDOW),
    (pool.gradient_of_images, TILE | WINDOW),
]

for kernel, constants in KERNELS:
    names = kernel.arg_names
    signature = {name: "constexpr" if name in constants else KINDS.get(name, "i32") for name in names}
    source = ASTSource(
        fn=kernel,
        signature=signature,
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if signature[name].startswith("*")},
    )
    code = compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]
    accesses = re.findall(r"(?:ld|st)\.global\S*", code)
    sys.stdout.write(f"{kernel.__name__} {sum('.v4.b32' in access for access in accesses)} {len(accesses)}\n")
