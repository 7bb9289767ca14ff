"""What the options before a subcommand say: home, data, device. One for every command and for the app."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from trainer.source import Source, locate


@dataclass(frozen=True, slots=True)
class Session:
    """The validated options of the program. Nothing here needs torch or Textual."""

    home: Path  # where results, checkpoints, weights and the default data folder live
    data: str | None = None  # --data: a folder, "synthetic", or None for $CIFAR_TUI_DATA, then `data` under the home
    device: str | None = None  # --device: cpu, cuda:0, …; None for what the machine has

    @property
    def source(self) -> Source:
        """Where the images come from."""
        return locate(self.data, self.home)


def default_home() -> Path:
    """`$CIFAR_TUI_HOME`, else the user's data folder of this system."""
    named = os.environ.get("CIFAR_TUI_HOME")
    return Path(named) if named else user_data_path("cifar-tui", appauthor=False)
