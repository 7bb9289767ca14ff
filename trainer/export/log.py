"""The training of a run as plain text, an epoch a line.

Lines that begin with # say what the run is; the others are a table that programs read, too:
pandas.read_csv(PATH, sep=r"\\s+", comment="#"). Accuracies are fractions, times are seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import asdict

from store.records import Epoch, Run
from zoo import CARDS

COLUMNS = (
    # column            width  written as
    ("epoch", 5, "d"),
    ("train_loss", 11, ".6f"),
    ("train_accuracy", 15, ".5f"),
    ("test_loss", 11, ".6f"),
    ("test_accuracy", 14, ".5f"),
    ("learning_rate", 14, ".6g"),
    ("seconds", 9, ".2f"),
)


def log_text(run: Run, epochs: Sequence[Epoch]) -> str:
    """The log of a run."""
    lines = [f"# {line}" for line in _head(run)]
    lines.append(" ".join(name.rjust(width) for name, width, _ in COLUMNS))
    for epoch in epochs:
        values = asdict(epoch)
        lines.append(" ".join(format(values[name], form).rjust(width) for name, width, form in COLUMNS))
    return "\n".join(lines) + "\n"


def _head(run: Run) -> list[str]:
    card = CARDS.get(run.model)
    recipe = ", ".join(f"{name} {value}" for name, value in asdict(run.recipe).items() if name != "name")
    data = "synthetic images, not CIFAR-10" if run.dataset == "synthetic" else "CIFAR-10"
    lines = [
        f"run {run.id}, model {run.model}" + (f" ({' '.join([card.name, card.config]).rstrip()})" if card else ""),
        f"{run.params} parameters, seed {run.seed}, {data}, {run.status} after {run.epochs_done} epochs",
        f"recipe {run.recipe.name}: {recipe}",
        f"device {run.device or 'none yet'}{', ' + run.plan if run.plan else ''}",
        f"begun {run.created:%Y-%m-%d %H:%M:%S} UTC",
    ]
    if run.best_accuracy is not None and run.best_epoch is not None:
        lines.append(
            f"best test accuracy {run.best_accuracy:.5f} (epoch {run.best_epoch}), last {run.last_accuracy:.5f}"
        )
    return [*lines, *filter(None, [run.notice, run.error])]
