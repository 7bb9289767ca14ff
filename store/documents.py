"""How a run lies on the disk: a document of results.json and the run.json of its own folder, from which the document
can be made again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from store import files, schema
from store.errors import StoreError, UnknownRun
from store.history import check_finite
from store.ids import is_id
from store.records import Run
from store.storage import Damaged, Tables, read_tables

NAME = "run.json"
SHOWN = ("model", "device", "error", "notice", "plan", "note")  # texts of a run that people are shown
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def to_document(run: Run) -> dict[str, Any]:
    """The document of a run. Raises StoreError when the run could not be read back."""
    check_finite(run)
    document: dict[str, Any] = msgspec.to_builtins(run)
    from_document(document)
    return document


def from_document(document: Any) -> Run:
    """The run of a document; keys that we do not know are dropped. Raises StoreError when a value is not valid."""
    try:
        run = msgspec.convert(document, Run)
    except msgspec.ValidationError as error:
        raise StoreError(str(error)) from error
    if not is_id(run.id):
        raise StoreError(f"{run.id!r} cannot be the id of a run")
    return without_control_characters(run)


def without_control_characters(run: Run) -> Run:
    """The run with texts that are safe to show: a terminal would obey escape sequences in a file from elsewhere."""
    texts = {name: getattr(run, name) for name in SHOWN}
    if not any(_CONTROL.search(text) for text in texts.values() if text):
        return run
    return replace(run, **{name: text and _CONTROL.sub(" ", text) for name, text in texts.items()})


def folder_of(home: Path, id: str) -> Path:
    """Where a run keeps what is its own. Raises UnknownRun for what cannot be an id."""
    if not is_id(id):
        raise UnknownRun(f"{id!r} cannot be the id of a run")
    return home / "runs" / id


def write_run(folder: Path, document: dict[str, Any]) -> None:
    """Write run.json. Raises OSError."""
    files.replace(folder / NAME, msgspec.json.encode({"schema": schema.SCHEMA, "run": document}))


def read_run(folder: Path) -> Run:
    """The run that a folder belongs to, from its run.json. Raises StoreError when there is none that can be read."""
    path = folder / NAME
    try:
        content = read_tables(path)
    except FileNotFoundError:
        raise StoreError(f"{folder} has no {NAME}") from None
    except (OSError, Damaged) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict) or "run" not in content:
        raise StoreError(f"{path} does not hold a run")
    tables: Tables = schema.new_tables() | {"runs": {"1": content["run"]}}
    tables["meta"]["1"]["schema"] = content.get("schema")
    schema.bring_forward(tables, path)
    run = from_document(tables["runs"]["1"])
    if run.id != folder.name:
        raise StoreError(f"{path} is of run {run.id}")
    return run


def run_folders(home: Path) -> list[Path]:
    """The folders of all runs, by name."""
    folder = home / "runs"
    return sorted(inside for inside in folder.iterdir() if inside.is_dir()) if folder.is_dir() else []
