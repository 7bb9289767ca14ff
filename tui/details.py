"""Everything that is stored about a run besides its epochs: what it ran with, its whole recipe, its files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from store.records import Run
from trainer.recipes import FIELDS, difference
from tui import words

MEANINGS = {
    "checkpoint.pt": "from which it goes on",
    "checkpoint.before.pt": "the checkpoint before",
    "best.safetensors": "the weights after its best epoch",
    "last.safetensors": "the weights after its last epoch",
    "epochs.jsonl": "a line for each epoch",
    "run.json": "what is known of it",
    "log.txt": "what went wrong, with tracebacks",
}


def details_of(run: Run, folder: Path) -> list[tuple[str, str]]:
    """Pairs of a name and a value, in the order in which one asks for them."""
    facts = [
        ("tags", " ".join(f"#{tag}" for tag in run.tags)),
        ("note", run.note),
        ("created", moment(run.created)),
        ("finished", moment(run.finished)),
        ("device", words.device(run)),
        ("plan", run.plan),
        *run.environment.items(),
        ("images", images_of(run)),
        ("own model", run.model_file or ""),
        ("imported", run.imported or ""),
        ("folder", str(folder)),
        *files_in(folder),
    ]
    changed = difference(run.recipe)
    for field in FIELDS:
        value = getattr(run.recipe, field)
        before = f"  ({run.recipe.name}: {changed[field][0]})" if field in changed else ""
        facts.append((field.replace("_", " "), f"{value}{before}"))
    return [(name, value) for name, value in facts if value]


def images_of(run: Run) -> str:
    if run.dataset == "synthetic":
        return "synthetic, not CIFAR-10"
    return f"CIFAR-10 in {run.data_folder}" if run.data_folder else "CIFAR-10"


def moment(when: datetime | None) -> str:
    """In the time of this computer."""
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}" if when else ""


def files_in(folder: Path) -> Iterator[tuple[str, str]]:
    """The files of a run with their sizes."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        try:
            size = words.size(path.stat().st_size)
        except OSError:  # removed meanwhile, as a checkpoint is
            continue
        meaning = MEANINGS.get(path.name, "")
        yield path.name, f"{size:>9}  {meaning}".rstrip()
