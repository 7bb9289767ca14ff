"""Runs that differ in nothing but their seed: how far chance alone spreads a result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from store.records import Recipe, Run
from tui.compare import OwnBest, own_best

Key = tuple[str, Recipe, str, str | None]


class SeedGroups:
    """Finds the groups among many runs again and again; what a run's group is, is worked out once."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[Run, Key]] = {}

    def among(self, runs: Iterable[Run]) -> dict[str, OwnBest]:
        """By run, what its group of finished runs has reached; of each seed the newest run counts.

        `runs` come oldest first. A run that is in no group of finished runs has no entry.
        """
        groups: defaultdict[Key, dict[int, Run]] = defaultdict(dict)
        members: list[tuple[str, Key]] = []
        for run in runs:
            if run.status == "done" and run.best_accuracy is not None and not run.imported:
                key = self._key(run)
                groups[key][run.seed] = run
                members.append((run.id, key))
        reached = {key: own_best(by_seed.values()) for key, by_seed in groups.items()}
        return {id: reached[key] for id, key in members}

    def _key(self, run: Run) -> Key:
        known = self._keys.get(run.id)
        if known is None or known[0] is not run:
            known = self._keys[run.id] = (run, (run.model, run.recipe, run.dataset, run.model_digest))
        return known[1]
