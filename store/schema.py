"""The shape of results.json and its versions. An older one is brought forward, a newer or foreign one is refused.

When the shape changes: raise SCHEMA by one and add to MIGRATIONS the function that takes the tables of the version
before and changes them in place. A new field of a record needs neither: it has a default.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from store.errors import StoreError
from store.storage import Tables

SCHEMA = 1

Migration = Callable[[Tables], None]
MIGRATIONS: dict[int, Migration] = {}
"""From the version that is the key to the next one."""

_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def new_tables() -> Tables:
    """An empty store of the present version."""
    return {"meta": {"1": {"schema": SCHEMA}}, "runs": {}}


def version_of(tables: Any) -> int | None:
    """The schema version, or None when this is not a store of ours."""
    if not isinstance(tables, dict) or not all(_is_table(tables.get(name)) for name in ("meta", "runs")):
        return None
    meta: dict[str, Any] = next(iter(tables["meta"].values()), {})
    version = meta.get("schema")
    return version if type(version) is int and version >= 1 else None


class _Object(Struct):
    """Any JSON object; what it holds is passed over."""


class _Outline(Struct):
    """A results file without what its runs say."""

    meta: dict[str, dict[str, Any]]
    runs: dict[str, _Object]


def is_present(data: bytes) -> bool:
    """Whether the text of a results file is whole and of the present version. Takes a fifth of the time of reading it
    all; False says only that one has to look closer."""
    try:
        outline = msgspec.json.decode(data, type=_Outline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return version_of({"meta": outline.meta, "runs": {key: {} for key in outline.runs}}) == SCHEMA


def bring_forward(tables: Any, path: Path) -> bool:
    """Migrate the tables of `path`, in place, to the present version. Returns whether that changed them.

    Raises StoreError, and names the file, when it is of a newer version or not ours at all.
    """
    version = version_of(tables)
    if version is None:
        raise StoreError(f"{path} is not a results file of cifar-tui; move it away or name another --home")
    if version > SCHEMA:
        raise StoreError(
            f"{path} was written by a newer cifar-tui (schema {version}, this one knows {SCHEMA}); upgrade to open it"
        )
    for older in range(version, SCHEMA):
        try:
            MIGRATIONS[older](tables)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"{path} could not be brought from schema {older} to {older + 1}: {error!r}") from error
    next(iter(tables["meta"].values()))["schema"] = SCHEMA
    return version < SCHEMA


def _is_table(table: Any) -> bool:
    """Whether this is a table as TinyDB writes it: documents under whole numbers, written in the plain way."""
    return isinstance(table, dict) and all(
        _NUMBER.fullmatch(key) and isinstance(document, dict) for key, document in table.items()
    )
