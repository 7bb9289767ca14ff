"""A model as a notebook (.ipynb) that trains it without us: nbformat 4.5, plain JSON, no magics.

The cells stand in notebook_cells.py. Here they get the model's story and source, the recipe's values and, for a run,
what it has shown.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import fields

from store.errors import UsageProblem
from store.records import Epoch, Recipe, Run
from trainer.export.place import place
from trainer.export.telling import curves, epoch_line, sparkline
from zoo import Card

CELLS = Path(__file__).with_name("notebook_cells.py")
MODEL_OF_THE_CELLS = "lenet"  # whose place every other model takes
SOURCES = {  # of the cells that import from these files
    "trainer.synthetic": Path(__file__).parents[1] / "synthetic.py",
    "trainer.export.telling": Path(__file__).with_name("telling.py"),
}

VALUES = {
    # of a recipe       in the notebook
    "epochs": "EPOCHS",
    "train_limit": "TRAIN_LIMIT",
    "test_limit": "TEST_LIMIT",
    "batch_size": "BATCH_SIZE",
    "learning_rate": "LEARNING_RATE",
    "schedule": "SCHEDULE",
    "momentum": "MOMENTUM",
    "weight_decay": "WEIGHT_DECAY",
    "label_smoothing": "LABEL_SMOOTHING",
    "augmentation": "AUGMENTATION",
}
CHOICES = {"schedule": {"cosine", "constant"}, "augmentation": {"crop-flip", "none"}}  # that the cells know
WITHOUT_EFFECT = {"name", "precision", "exact", "threads"}  # on what is learned, but for its last digits

Cell = dict[str, Any]


def export_notebook(
    card: Card,
    path: Path,
    *,
    data: str = "data",
    run: Run | None = None,
    epochs: Sequence[Epoch] = (),
    force: bool = False,
) -> Path:
    """Write the notebook of a model, or of a run of it with what its epochs showed. Returns the path. Raises Problem.

    `data` is the folder of the images, or "synthetic".
    """
    text = json.dumps(notebook(card, data, run, epochs), indent=1, ensure_ascii=False)
    return place(path, text + "\n", force=force)


def notebook(card: Card, data: str, run: Run | None = None, epochs: Sequence[Epoch] = ()) -> dict[str, Any]:
    """The notebook as nbformat 4.5 has it. Raises UsageProblem for a recipe that it could not follow."""
    recipe = run.recipe if run else Recipe()
    if unknown := beyond(recipe):
        raise UsageProblem(f"a notebook cannot train as run {run.id if run else ''} did: it does not know {unknown}")
    values = {name: getattr(recipe, field) for field, name in VALUES.items()}
    values |= {"DATA": data, "SEED": run.seed if run else 0}
    cells = [_cell(number, kind, text, card, values, run) for number, (kind, text) in enumerate(parts(CELLS))]
    if clash := _defined_twice(cells):
        raise UsageProblem(
            f"the file of {card.id} defines {clash}, which the notebook needs for itself: rename it there"
        )
    if run and epochs:
        _show(cells, run, epochs)
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def beyond(recipe: Recipe) -> str | None:
    """The first setting of a recipe that the cells do not know how to follow, in words."""
    published = Recipe()
    for field in fields(Recipe):
        name, value = field.name, getattr(recipe, field.name)
        known = name in WITHOUT_EFFECT or (name in VALUES and value in CHOICES.get(name, {value}))
        if not known and value != getattr(published, name):
            return f"{name.replace('_', ' ')} {value}"
    return None


def parts(path: Path) -> list[tuple[str, str]]:
    """The cells of a file: kind (markdown, hidden or empty for code that is seen) and text."""
    found = re.split(r"^# %%(?: \[(\w+)\])?\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [(kind or "", text.strip()) for kind, text in zip(found[1::2], found[2::2], strict=True)]


def code_of(source: str) -> str:
    """The source of a file without its docstring, which stands elsewhere in the notebook."""
    first = ast.parse(source).body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    lines = source.splitlines()[first.end_lineno if is_docstring else 0 :]
    return "\n".join(lines).strip()


def _cell(number: int, kind: str, text: str, card: Card, values: dict[str, Any], run: Run | None) -> Cell:
    if kind == "markdown":
        text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
        words = {"TITLE": f"{card.name} {card.config}".rstrip(), "FACTS": _facts(card, run), "STORY": _story(card)}
        for word, meaning in words.items():
            text = re.sub(rf"\b{word}\b", _put(meaning), text)
        return {"cell_type": "markdown", "id": f"cell-{number}", "metadata": {}, "source": _lines(text)}
    if brought := re.match(r"from ((?:zoo|trainer)\.\S+) import", text):
        module = brought[1]
        text = code_of(SOURCES[module].read_text(encoding="utf-8") if module in SOURCES else card.source)
    else:
        text = re.sub(rf"\b{MODEL_OF_THE_CELLS}\(", f"{card.id}(", text)
        for name, value in values.items():
            text = re.sub(rf"^{name} = \S+", _put(f"{name} = {_literal(value)}"), text, flags=re.MULTILINE)
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "metadata": {"jupyter": {"source_hidden": True}} if kind == "hidden" else {},
        "execution_count": None,
        "outputs": [],
        "source": _lines(text),
    }


def _put(text: str) -> Callable[[re.Match[str]], str]:
    """Replaces a match by a text in which no backslash means anything."""
    return lambda _: text


def _literal(value: object) -> str:
    """A value as Python source, text in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _facts(card: Card, run: Run | None) -> str:
    """What is known of the model, or of the run."""
    if run is None:
        if card.published is None:
            return f"It begins with the family's idea and ends with the curve of {card.name}."
        return (
            f"The published table reports a best test accuracy of {100 * card.published.accuracy:.2f}% for {card.name}"
            ", after 200 epochs of the recipe below."
        )
    data = "**synthetic images, not CIFAR-10**" if run.dataset == "synthetic" else "CIFAR-10"
    reached = ""
    if run.best_accuracy is not None and run.last_accuracy is not None and run.best_epoch:
        reached = (
            f" Best test accuracy: {100 * run.best_accuracy:.2f}% in epoch {run.best_epoch}; "
            f"last: {100 * run.last_accuracy:.2f}%. The outputs below are those of that run."
        )
    return (
        f"Run `{run.id}`: seed {run.seed}, {run.epochs_done} of {run.recipe.epochs} epochs on {data}, "
        f"on {run.device or 'no device yet'}{f' ({run.plan})' if run.plan else ''}.{reached}"
    )


def _story(card: Card) -> str:
    """The story of the family, one level below the notebook's own headings."""
    first, _, rest = card.story.partition("\n")
    return f"### {first}\n{rest}".strip()


def _defined_twice(cells: Sequence[Cell]) -> str | None:
    """A name that two cells define at their outermost level, where one would take the other's place."""
    owner: dict[str, int] = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            for node in ast.parse("".join(cell["source"])).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and owner.setdefault(node.name, number) != number:
                    return node.name
                targets = node.targets if isinstance(node, ast.Assign) else []
                for target in targets:
                    if isinstance(target, ast.Name) and owner.setdefault(target.id, number) != number:
                        return target.id
    return None


def _show(cells: Sequence[Cell], run: Run, epochs: Sequence[Epoch]) -> None:
    """Give the last two cells of code the outputs that the run would have given them."""
    lines = [
        epoch_line(
            epoch.epoch,
            run.recipe.epochs,
            epoch.train_loss,
            epoch.train_accuracy,
            epoch.test_loss,
            epoch.test_accuracy,
            epoch.seconds,
        )
        for epoch in epochs
    ]
    train, test = ([100 * getattr(epoch, f"{part}_accuracy") for epoch in epochs] for part in ("train", "test"))
    ended = f"best {max(test):.2f}%, last {test[-1]:.2f}%  {sparkline(test)}"
    picture = {
        "output_type": "display_data",
        "data": {
            "image/svg+xml": _lines(curves({"test": test, "train": train}, "accuracy, %")),
            "text/plain": [sparkline(test)],
        },
        "metadata": {},
    }
    training, curve = [cell for cell in cells if cell["cell_type"] == "code"][-2:]
    training["outputs"], curve["outputs"] = [_printed("\n".join(lines))], [_printed(ended), picture]


def _printed(text: str) -> Cell:
    return {"output_type": "stream", "name": "stdout", "text": _lines(text + "\n")}
