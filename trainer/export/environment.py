"""What a product was made with. No folder and no name of a user or a machine is told, for products are passed on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from trainer.device import gpu_names

LIBRARIES = ("torch", "torchvision", "numpy", "safetensors")


def versions() -> dict[str, str | None]:
    """Of the program, of Python and of the libraries; the program's commit where that can be known."""
    found: dict[str, str | None] = {"cifar-tui": _version("cifar-tui"), "commit": commit()}
    return found | {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES}


def machine() -> dict[str, str]:
    """The computer, in words."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": f"{os.cpu_count()} cores",
        "gpu": ", ".join(gpu_names()) or "no NVIDIA GPU",
    }


def commit() -> str | None:
    """The commit of this program: of the checkout that it runs from, or of the repository that pip took it from."""
    root = Path(__file__).resolve().parents[2]
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return None
    try:
        origin = json.loads(distribution("cifar-tui").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    found: str | None = origin.get("vcs_info", {}).get("commit_id")
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
