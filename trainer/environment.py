"""What a run is computed with: versions by name, as they are stored with it and shown on its page."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PATIENCE = 5.0  # seconds for each answer of git
SOURCE = Path(__file__).resolve().parent.parent


@cache
def environment() -> dict[str, str]:
    """Versions of cifar-tui, Python, torch, CUDA and cuDNN, the system, and the commit where the source has one.

    What is not there has no entry.
    """
    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None
    facts = {
        "cifar-tui": _own_version(),
        "commit": commit_of(SOURCE),
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # which is a class of its own
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "cudnn": str(cudnn) if cudnn and torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    return {name: value for name, value in facts.items() if value}


def commit_of(folder: Path) -> str | None:
    """The commit of a checkout, with `+ changes` where files differ from it; None for what is no checkout."""
    if not (folder / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.run(
                ["git", "-C", str(folder), *words],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
            ).stdout.strip()
            for words in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit} + changes" if changes else commit


def _own_version() -> str | None:
    try:
        return version("cifar-tui")
    except PackageNotFoundError:
        return None
