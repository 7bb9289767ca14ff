"""Our kernels for a GPU, as far as they can be seen without one. What they compute: test_norm.py and test_pool.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="torch brings triton on Linux alone")

ROOT = Path(__file__).parents[2]


def test_they_compile_for_an_h100_and_fetch_sixteen_bytes_at_a_time(tmp_path: Path) -> None:
    """In a process of its own, as here they are interpreted. What is compiled is not taken from an earlier time."""
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/trainer/compiled_kernels.py")],
        capture_output=True,
        text=True,
        env=env | {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == 13
    wide = {name: int(count) for name, count, _ in lines if int(count)}
    assert set(wide) == {
        "add_up", "normalise", "add_up_gradients", "gradient_of_images", "largest", "put", "through_relu",
    }  # fmt: skip
