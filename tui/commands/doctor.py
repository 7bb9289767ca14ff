"""`cifar-tui doctor`: is everything in order here?"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version

import click
import psutil

from store.doctor import check, repair
from store.files import explained
from trainer.device import cpu_threads, gpu_names
from tui import words
from tui.session import Session

LIBRARIES = ("torch", "torchvision", "textual", "tinydb")


@click.command()
@click.option("--repair", "mend", is_flag=True, help="Mend what can be mended, and say what was done.")
@click.pass_context
def doctor(ctx: click.Context, mend: bool) -> None:
    """Say what the program stands on, and whether its files are in order.

    The exit status is 1 when something is wrong with the store.
    """
    session: Session = ctx.obj
    for name, value in surroundings(session):
        click.echo(f"{name:<12} {value}")
    if mend:
        for line in repair(session.home):
            click.echo(f"{'repair':<12} {line}")
    findings = check(session.home)
    for finding in findings:
        click.echo(f"{'wrong':<12} {finding.what}")
    if not findings:
        click.echo(f"{'store':<12} in order")
    ctx.exit(1 if findings else 0)


def surroundings(session: Session) -> list[tuple[str, str]]:
    """Versions, devices, folders and data, name and value."""
    with explained(session.home):
        home = next(folder for folder in (session.home, *session.home.parents) if folder.exists())
        disk = psutil.disk_usage(str(home))
    gpus = gpu_names()
    source = session.source
    images = source.missing() or (f"CIFAR-10 in {source.folder}" if source.folder else "synthetic, not CIFAR-10")
    return [
        ("cifar-tui", version("cifar-tui")),
        ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("libraries", ", ".join(f"{name} {version(name)}" for name in LIBRARIES)),
        ("cpu", f"{psutil.cpu_count()} cores, {cpu_threads()} threads for a training"),
        ("memory", f"{words.size(psutil.virtual_memory().available)} free"),
        ("gpu", ", ".join(gpus) if gpus else "no NVIDIA GPU"),
        ("home", f"{session.home}, {words.size(disk.free)} free"),
        ("data", images),
        ("terminal", f"encoding {sys.stdout.encoding}"),
    ]
