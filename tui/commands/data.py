"""`cifar-tui data`: are the images here, and if not, how they get here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from trainer.cifar10 import FILES, TOTAL_BYTES, Progress
from trainer.source import Source, import_from, verify
from tui import words
from tui.commands.output import print_json
from tui.session import INTERRUPTED, Session


@click.group(invoke_without_command=True)
@click.pass_context
def data(ctx: click.Context) -> None:
    """Look at the images, download or import them. Without a command: status."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(status)


@data.command()
@click.option("--json", "as_json", is_flag=True, help="An object for programs.")
@click.pass_context
def status(ctx: click.Context, as_json: bool = False) -> None:
    """Say which images are used, where they lie, and whether they are intact (all files are read).

    The exit status is 1 when they are not.
    """
    session: Session = ctx.obj
    source = session.source
    fault = verify(source)
    if as_json:
        print_json(_in_json(source, fault))
    elif fault:
        click.echo(fault)
        if begun := _begun(source):
            click.echo(f"a download stands at {words.size(begun)}: `cifar-tui data download` goes on from there")
    elif source.folder is None:
        click.echo("synthetic: made-up figures in the shapes of CIFAR-10, drawn anew at each start; not CIFAR-10")
    else:
        click.echo(f"CIFAR-10 in {source.folder}: intact, {len(FILES)} files, {words.size(TOTAL_BYTES)}")
    ctx.exit(1 if fault else 0)


@data.command()
@click.option("--url", help="Another address of cifar-10-python.tar.gz (https).")
@click.pass_context
def download(ctx: click.Context, url: str | None) -> None:
    """Download CIFAR-10 (170 MB), going on where an earlier download stopped, and check it."""
    from trainer.download import download as fetch  # brings http and tls

    source: Source = ctx.obj.source
    with _interruptible(ctx, "the same command goes on from there"), _progress() as progress:
        new = fetch(
            source,
            url,
            progress=progress("downloading"),
            unpacking=progress("unpacking"),
            say=lambda line: click.echo(line, err=True),
        )
    _say_done(source, new)


@data.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.pass_context
def import_(ctx: click.Context, path: Path) -> None:
    """Take CIFAR-10 from PATH: a cifar-10-python.tar.gz, or a folder that is or holds cifar-10-batches-py."""
    source: Source = ctx.obj.source
    with _interruptible(ctx, "nothing was imported"), _progress() as progress:
        new = import_from(path, source, progress("importing"))
    _say_done(source, new)


def _in_json(source: Source, fault: str | None) -> dict[str, Any]:
    """What `data status --json` gives. Scripts depend on these keys."""
    return {
        "dataset": source.name,
        "folder": str(source.folder) if source.folder else None,
        "intact": fault is None,
        "problem": fault,
        "downloaded": _begun(source),
    }


def _begun(source: Source) -> int:
    """The bytes of an unfinished download."""
    from trainer.download import partial

    try:
        return partial(source).stat().st_size if source.folder else 0
    except OSError:
        return 0


def _say_done(source: Source, new: bool) -> None:
    click.echo(f"CIFAR-10 is in {source.folder}, checked" if new else f"CIFAR-10 is already in {source.folder}, intact")


@contextmanager
def _interruptible(ctx: click.Context, then: str) -> Iterator[None]:
    """Ctrl-C ends the command with one line that says how things stand."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"interrupted: {then}", err=True)
        ctx.exit(INTERRUPTED)


@contextmanager
def _progress() -> Iterator[Callable[[str], Progress]]:
    """Makes a listener for each stage of the work: a bar on a terminal; where stderr is piped, a line every tenth."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines
        return
    with Bars(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        console=console,
    ) as bars:  # fmt: skip

        def bar(stage: str) -> Progress:
            task = bars.add_task(stage, visible=False, start=False, total=None)

            def hear(done: int, total: int) -> None:
                if not bars.tasks[task].started:
                    bars.start_task(task)
                bars.update(task, completed=done, total=total, visible=True)

            return hear

        yield bar


def _lines(stage: str) -> Progress:
    tenths = 0

    def hear(done: int, total: int) -> None:
        nonlocal tenths
        if done * 10 // total > tenths:
            tenths = done * 10 // total
            click.echo(f"{stage}: {10 * tenths}% of {words.size(total)}", err=True)

    return hear
