"""What the options before a subcommand say: home, data, devices, own models. One for every command and for the app."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from store.errors import UsageProblem
from store.records import Run
from trainer.source import Source, absolute, locate

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C, SIGTERM or SIGHUP ended."""


@dataclass(frozen=True, slots=True)
class Session:
    """The validated options of the program. Nothing here needs torch or Textual."""

    home: Path  # where results, checkpoints, weights and the default data folder live
    data: str | None = None  # --data: a folder, "synthetic", or None for $CIFAR_TUI_DATA, then `data` under the home
    devices: tuple[str, ...] = ("auto",)  # one worker thread each; see trainer.device.parse_devices
    cluster: str | None = None  # --cluster: local, auto or an address; its slots then take the place of the devices
    models: tuple[Path, ...] = ()  # --models: files whose models are in the catalogue, too
    notices: tuple[str, ...] = ()  # what there is to say about the start: a package whose models were left out

    @property
    def source(self) -> Source:
        """Where the images of new runs come from."""
        return locate(self.data, self.home)

    def source_of(self, run: Run) -> Source:
        """Where the images of a stored run come from: each goes on with its own data set.

        A folder named now comes first, then the one the run began with, then the usual one.
        """
        if run.dataset == "synthetic":
            return Source("synthetic")
        if self.data and self.source.name == "cifar10":
            return self.source
        if run.data_folder:
            return Source("cifar10", Path(run.data_folder))
        return self.source if self.source.name == "cifar10" else Source("cifar10", self.home / "data")


def find_home(named: str | None) -> Path:
    """`--home`, else `$CIFAR_TUI_HOME`, else the user's data folder of this system; absolute. Nothing is made.

    Raises UsageProblem for what cannot name a folder.
    """
    if named == "":
        raise UsageProblem("--home is empty: name a folder, or leave it away")
    named = named or os.environ.get("CIFAR_TUI_HOME") or str(user_data_path("cifar-tui", appauthor=False))
    return absolute(named, "the folder of results")
