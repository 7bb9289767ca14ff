"""How far a long work is, on stderr: a bar on a terminal, nothing where it is piped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from store.records import Step
from tui.products import Watch


@contextmanager
def watching(*, lines: bool = False) -> Iterator[Watch]:
    """Makes a listener for a work. With `lines`, a pipe gets a line for each part of it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        told: set[str] = set()

        def tell(what: str, step: Step | None) -> None:
            if lines and what not in told:
                told.add(what)
                console.print(f"evaluating {what}", highlight=False, soft_wrap=True)

        yield tell
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(what: str, step: Step | None) -> None:
            done, total = (step.step, step.steps) if step else (0, None)
            progress.update(task, description=f"evaluating {what}", completed=done, total=total)

        yield show
