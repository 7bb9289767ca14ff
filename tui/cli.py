"""The command line: the options of the program, its commands, and what a user reads when something is wrong.

Neither torch nor Textual is imported here. A command is imported when it is asked for, and brings what it needs.
"""

from __future__ import annotations

import difflib
import keyword
import logging
import os
import shlex
import sys
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import cast

import click

from store.errors import Problem
from trainer.device import parse_devices, prepare_process
from tui.session import INTERRUPTED, Session, find_home
from tui.streams import prepare_streams
from zoo import UnfitModel, UnknownModel
from zoo.own import add_files, add_installed

log = logging.getLogger("cifar-tui")

COMMANDS = (
    "models", "train", "resume", "queue", "results", "show", "eval", "predict", "export", "import", "data", "bench",
    "doctor", "web",
)  # fmt: skip
"""In the order of the help. Each is the click command of that name in tui/commands/<name>.py; a word that Python keeps
for itself is written with an underscore behind it there."""


class Program(click.Group):
    """A group that imports a command only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        name = f"{name}_" if keyword.iskeyword(name) else name
        command: click.Command = getattr(import_module(f"tui.commands.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(COMMANDS)}"
            ctx.fail(f"there is no command {args[0]!r}: {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Program, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", metavar="DIR", help="Where results are kept.  [default: $CIFAR_TUI_HOME]")
@click.option("--data", metavar="DIR|synthetic", help="The folder of CIFAR-10, or a stand-in made in seconds.")
@click.option(
    "--device",
    metavar="cpu|cuda:0|all",
    help="What to train on, several with commas between.  [default: the first GPU, else the CPU]",
)
@click.option("--cluster", metavar="local|auto|HOST:PORT", help="Train on a Ray cluster; local starts one here.")
@click.option(
    "--models",
    "model_files",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A Python file with models of your own. It is run: name only what you trust. Repeatable.",
)
@click.version_option(package_name="cifar-tui", prog_name="cifar-tui")
@click.pass_context
def program(
    ctx: click.Context,
    home: str | None,
    data: str | None,
    device: str | None,
    cluster: str | None,
    model_files: tuple[Path, ...],
) -> None:
    """Train, watch and compare networks on CIFAR-10. Without a command: the app."""
    folder = find_home(home)
    log_under(folder)
    devices = tuple(parse_devices(device))
    if cluster is not None:
        from trainer.cluster import require_cluster  # and much that a program without one can do without

        require_cluster(cluster, device)
    prepare_process()  # own models bring torch
    add_files(model_files)  # before the packages: what is named now goes before what happens to be installed
    notices = tuple(add_installed())
    for notice in notices:
        click.echo(f"cifar-tui: {notice}", err=True)
    ctx.obj = session = Session(folder, data, devices, cluster, model_files, notices)
    if ctx.invoked_subcommand is None:
        from tui.start import start_app

        ctx.exit(start_app(session))


def main() -> None:
    """The console script. Ends the process at once: Python would take seconds to tear torch down, and would abort where
    a worker is still inside it. Everything is saved by now."""
    prepare_streams()
    status = status_of(sys.argv[1:])
    with suppress(OSError, ValueError):  # whoever reads our output may have gone
        sys.stdout.flush()
    logging.shutdown()
    os._exit(status)


def status_of(arguments: list[str]) -> int:
    """Run the program. Returns its exit status: 0 all well, 1 a run failed or data is bad, 2 wrong usage, 3 the store
    is in use, 130 interrupted."""
    try:
        status = program.main(arguments, prog_name="cifar-tui", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as error:
        return complain(in_one_line(error, arguments), error.exit_code)
    except (UnknownModel, UnfitModel) as error:
        return complain(str(error), 2)
    except Problem as problem:
        return complain(str(problem), problem.status)
    except BrokenPipeError:  # whoever read our output has seen enough
        return 0
    except OSError as error:  # the store's own are Problems: this is the output, or a file that a command writes
        log.exception("the system refused")
        what = f"cannot use {error.filename}" if error.filename else "cannot write the output"
        return complain(f"{what}: {error.strerror or error}", 1)
    except Exception as error:  # a mistake of ours: the user gets a line, the log gets the traceback
        log.exception("unexpected")
        return complain(f"unexpected {type(error).__name__}: {error}", 1)
    return status if isinstance(status, int) else 0


def log_under(home: Path) -> None:
    """Warnings and tracebacks go to a file under the home, once there is one, and never to the screen."""
    log.propagate = False
    log.addHandler(HomeLog(home / "cifar-tui.log", delay=True, encoding="utf-8", errors="backslashreplace"))


class HomeLog(logging.FileHandler):
    """Writes once the folder is there, for nobody else to read. A disk that refuses loses the log and nothing else."""

    def _open(self) -> TextIOWrapper:
        fd = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return cast("TextIOWrapper", os.fdopen(fd, self.mode, encoding=self.encoding, errors=self.errors))

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name that logging gave it
        """Say nothing: the screen, and stderr, are for what the user has to know."""


def complain(line: str, status: int) -> int:
    """One line on stderr."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(line.split()))  # a name may hold anything
    with suppress(OSError):  # it may be closed
        click.echo(f"cifar-tui: {line}", err=True)
    return status


def in_one_line(error: click.ClickException, arguments: list[str]) -> str:
    """What click found wrong. An option of the program that stands after the command is answered with the corrected
    line."""
    if isinstance(error, click.NoSuchOption):
        ours = {name: option for option in program.params for name in option.opts}
        if error.option_name in ours:
            return f"{error.option_name} stands before the command: {_corrected(error.option_name, arguments)}"
    message = error.format_message()
    return message[:1].lower() + message[1:].rstrip(".")


def _corrected(option: str, arguments: list[str]) -> str:
    """The command line with an option of the program (which takes one value) moved to the front."""
    place = next(i for i, word in enumerate(arguments) if word.split("=")[0] == option)
    end = place + (1 if "=" in arguments[place] else 2)
    words = [*arguments[place:end], *arguments[:place], *arguments[end:]]
    return shlex.join(["cifar-tui", *words])
