"""`cifar-tui web`: the app in a browser on this computer."""

from __future__ import annotations

import shlex
import socket
import sys

import click

from store.errors import Problem
from tui.session import Session

HOST = "localhost"


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Where the browser finds it."
)
@click.pass_obj
def web(session: Session, port: int) -> None:
    """Show the app in a browser on this computer. Ctrl-C ends it.

    Each page is an app of its own. Runs train while the page that owns the home is open; what trained when it is closed
    is saved, and goes on when a page is opened again.
    """
    try:
        from tui.web import PageServer  # needs textual-serve
    except ModuleNotFoundError as error:
        raise Problem(f"the app in a browser needs {error.name}: pip install 'cifar-tui[web]'") from None
    check_free(port)
    PageServer(app_command(session), port).serve()


def app_command(session: Session) -> str:
    """The shell's command that shows the app with the options of this session."""
    words = [sys.executable, "-c", "from tui.cli import main; main()", "--home", str(session.home.absolute())]
    if session.data:
        words += ["--data", session.data]
    if session.devices != ("auto",):
        words += ["--device", ",".join(session.devices)]
    if session.cluster:
        words += ["--cluster", session.cluster]
    for path in session.models:
        words += ["--models", str(path.absolute())]
    return shlex.join(words)


def check_free(port: int) -> None:
    """Raises Problem when something else listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise Problem(f"port {port} cannot be used: {error.strerror}; name another one with --port") from None
