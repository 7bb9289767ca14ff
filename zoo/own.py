"""Own models: a user's file, or an installed package, offers networks to the catalogue.

A model is a public function at the top level of the file that takes exactly `classes`, with a default, and returns
the network. Its name is the id:

    def my_net(classes: int = 10) -> nn.Module: ...

Which models a file offers is read from its text, without running it. A file that is named by the user is then run and
each of its models tried (see zoo.fitness), so a bad one is refused before anything begins. The models of installed
packages, which nobody named now, are read only: their code runs when one of them is built.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterable
from importlib.util import decode_source, find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.catalogue import CARDS, OWN, Card, OwnFile, UnfitModel

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "cifar_tui.models"
"""The entry points by which a package offers models: each names a module, or one factory as `module:factory`."""

FACTORY = "def my_net(classes: int = 10)"


def add_files(paths: Iterable[Path]) -> None:
    """Take the models of these files into the catalogue. Runs the files, and imports torch.

    Raises UnfitModel when one cannot be taken in; then none is.
    """
    files = dict.fromkeys(path.absolute() for path in paths)
    cards = [card for path in files for card in cards_of(read(path))]
    _refuse_clashes(cards)
    _add_examined(cards)


def require_fit(ids: Iterable[str]) -> None:
    """Build and try those of these models that come from a package and were only read so far. Imports torch for them.

    Raises UnfitModel when one cannot be trained.
    """
    _add_examined([card for card in map(CARDS.__getitem__, ids) if card.own and card.params is None])


def _add_examined(cards: list[Card]) -> None:
    if cards:
        from zoo.fitness import examined  # imports torch

        CARDS.update({card.id: examined(card) for card in cards})


def add_installed() -> list[str]:
    """Take the models of installed packages into the catalogue, without importing any package.

    Returns a line about each package that cannot be read and was left out.
    """
    if not _is_offered():
        return []
    from importlib.metadata import entry_points  # as slow to import as all of the zoo

    try:
        offers = sorted(entry_points(group=GROUP), key=lambda offer: offer.value)
    except Exception as error:  # whatever a broken installation raises must not break ours
        return [f"the models of installed packages are left out: {_in_words(error)}"]
    notices = []
    for offer in offers:
        try:
            cards = cards_of(read(_origin(offer.module), offer.module), offer.attr or None)
            _refuse_clashes(cards)
        except Exception as error:
            reason = str(error) if isinstance(error, UnfitModel) else _in_words(error)
            notices.append(f"the models of {_package(offer)} ({offer.value}) are left out: {reason}")
        else:
            CARDS.update({card.id: card for card in cards})
    return notices


def _is_offered() -> bool:
    """Does the installation of any package name our group? A look at the files that decide it, for a quick start."""
    for folder in map(Path, sys.path):
        try:
            packages = [entry for entry in folder.iterdir() if entry.suffix in {".dist-info", ".egg-info"}]
        except OSError:  # a zip file, or a folder that is not there
            if folder.is_file():
                return True  # let importlib look into it
            continue
        for package in packages:
            try:
                if GROUP.encode() in (package / "entry_points.txt").read_bytes():
                    return True
            except OSError:
                continue
    return False


def read(path: Path, module: str | None = None) -> OwnFile:
    """The file's text. Raises UnfitModel when it is not a Python file that can be read."""
    if path.is_dir():
        raise UnfitModel(f"{path} is a folder; name a Python file in it")
    if path.suffix != ".py":
        raise UnfitModel(f"{path} is not a Python file, whose name ends in .py")
    try:
        return OwnFile(path, decode_source(path.read_bytes()), module)
    except FileNotFoundError:
        raise UnfitModel(f"there is no file {path}") from None
    except OSError as error:
        raise UnfitModel(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnfitModel(f"{path.name} is not UTF-8 text: byte {error.start} cannot be read") from error
    except SyntaxError as error:  # no encoding, or one that Python does not know, is declared
        raise UnfitModel(f"{path.name} is not UTF-8 text: {error.msg}") from error


def cards_of(file: OwnFile, only: str | None = None) -> list[Card]:
    """A card for each model that the file offers, or for `only` that one. Raises UnfitModel when there is none."""
    functions = [node for node in _parsed(file).body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
    found = dict.fromkeys(node.name for node in functions if _takes_only_classes(node.args))
    ids = [id for id in found if only in (None, id)]
    if not ids:
        others = [f"{node.name}({ast.unparse(node.args)})" for node in functions if only in (None, node.name)]
        there = f"; {others[0]} is not of this form" if others else ""
        raise UnfitModel(
            f"{file.path.name} offers no model{f' {only}' if only else ''}: define one as `{FACTORY}`{there}"
        )
    return [Card(id, id, OWN, "", None, None, None, OWN, paper=None, own=file) for id in ids]


def _parsed(file: OwnFile) -> ast.Module:
    try:
        with warnings.catch_warnings(action="ignore"):  # they are shown when the file is run
            return ast.parse(file.source)
    except SyntaxError as error:
        raise UnfitModel(f"{file.path.name}, line {error.lineno}: SyntaxError: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:  # bytes of zero; thousands of brackets
        raise UnfitModel(f"{file.path.name} is not a Python file: {_in_words(error)}") from error


def _takes_only_classes(arguments: ast.arguments) -> bool:
    """Is this `(classes=…)`, with or without a type?"""
    names = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    more = arguments.vararg or arguments.kwonlyargs or arguments.kwarg
    return names == ["classes"] and len(arguments.defaults) == 1 and not more


def _refuse_clashes(cards: list[Card]) -> None:
    """Raises UnfitModel when an id is taken. The same file may come again: its models are replaced."""
    taken = dict(CARDS)
    words = {card.family for card in CARDS.values()} | {"published", OWN}
    for card in cards:
        assert card.own is not None
        other = taken.get(card.id)
        if other and not (other.own and other.own.path == card.own.path):
            where = f"from {other.own.path}" if other.own else "under this id"
            raise UnfitModel(f"{card.own.path.name}: the catalogue already has a {card.id}, {where}; rename yours")
        if not other and card.id in words:
            raise UnfitModel(f"{card.own.path.name}: {card.id} already names several models; rename yours")
        taken[card.id] = card


def _origin(module: str) -> Path:
    """The file of a module, found without importing anything: not even the package that it is in."""
    top, *inner = module.split(".")
    spec = find_spec(top)
    if spec is None:
        raise UnfitModel(f"there is no module {top}")
    if not inner:
        if not spec.origin or not spec.origin.endswith(".py"):
            raise UnfitModel(f"{module} is not a Python file")
        return Path(spec.origin).absolute()
    for folder in spec.submodule_search_locations or []:
        place = Path(folder, *inner)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file.absolute()
    raise UnfitModel(f"there is no module {module}")


def _package(offer: EntryPoint) -> str:
    return f"the package {offer.dist.name}" if offer.dist else "an installed package"


def _in_words(error: BaseException) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
