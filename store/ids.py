"""The ids of runs: short, typed by people, and names of folders."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from store.records import Run

LETTERS = "abcdefghjkmnpqrstuvwxyz"  # no i, l or o, which look like digits
DIGITS = "23456789"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_id(text: str) -> bool:
    """Whether a text may be the id of a run. It names a folder, so it can hold no separators or dots."""
    return _ID.fullmatch(text) is not None


def candidates() -> Iterator[str]:
    """Random ids: four characters (685,193 of them), and five should ten of those be taken.

    The first is a letter, so that no id is a number.
    """
    attempt = 0
    while True:
        length = 4 if attempt < 10 else 5
        yield secrets.choice(LETTERS) + "".join(secrets.choice(LETTERS + DIGITS) for _ in range(length - 1))
        attempt += 1


def near_misses(id: str, runs: Sequence[Run]) -> str:
    """Why `id` names none of `runs`, or too many, and what may have been meant: one line."""
    begin = [run.id for run in runs if id and run.id.startswith(id)]
    if begin:
        return f"{len(begin)} runs begin with {id!r}: {_listed(begin)}"
    of_model = [run.id for run in runs if run.model == id]
    if of_model:
        return f"no run {id!r}; the runs of model {id} are {_listed(of_model)}"
    near = get_close_matches(id, [run.id for run in runs], n=3, cutoff=0.5)
    return f"no run {id!r}" + (f": did you mean {' or '.join(near)}?" if near else "")


def _listed(ids: list[str]) -> str:
    """The newest few of many ids."""
    return ", ".join(ids[-5:]) + (f" and {len(ids) - 5} older" if len(ids) > 5 else "")
