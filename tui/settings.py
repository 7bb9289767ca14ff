"""What a user sets once: `config.toml` under the home, written by hand; and `layout.json`, where the app remembers.

[app]
theme = "cifar-clear"   # else the one that was chosen last
bell = false            # when a run ends

[keys]                  # an action from ACTIONS, and its key, or several with commas between them
delete = "d"
mark = "space,insert"
"""

from __future__ import annotations

import difflib
import logging
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import msgspec

from store import files

CONFIG_NAME = "config.toml"
LAYOUT_NAME = "layout.json"

ACTIONS = frozenset(
    (
        "quit", "help", "scroll-help-down", "scroll-help-up", "catalogue", "queue", "results",
        "up", "down", "page-up", "page-down", "first", "last", "open", "back", "mark", "mark-all", "filter", "to-rows",
        "reset", "sort", "turn-round", "export", "next", "previous", "confirm", "cancel",
        "add", "train", "plot", "preset", "source", "layers", "axis", "zoom",
        "pause", "stop", "go-on", "again", "sooner", "later", "pin", "clear", "log",
        "compare", "label", "delete", "undo", "columns", "usual", "next-page", "previous-page",
        "curves", "inside", "wrong", "details", "metric", "metric-back", "smooth", "log-axis",
    )
)  # fmt: skip
"""Every action whose key can be changed: the ids of the app's bindings."""

Kind = TypeVar("Kind")

log = logging.getLogger("cifar-tui")


@dataclass(frozen=True, slots=True)
class Config:
    """What config.toml says, as far as it can be understood."""

    theme: str | None = None
    bell: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)  # by action
    faults: tuple[str, ...] = ()  # what is wrong with the file, one line each, each naming the file


def read_config(home: Path) -> Config:
    """The configuration under a home. What is wrong in it is said and left out; nothing is ever raised."""
    path = home / CONFIG_NAME
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Config(faults=(f"{path}: {error}",))
    faults: list[str] = []
    app = _table(content, "app", faults)
    theme = _value(app, "theme", str, "the name of a theme", faults)
    bell = _value(app, "bell", bool, "true or false", faults)
    faults += [_unknown(name, "[app]", ("theme", "bell")) for name in app if name not in {"theme", "bell"}]
    faults += [_unknown(name, "the file", ("app", "keys")) for name in content if name not in {"app", "keys"}]
    keys = _keys(_table(content, "keys", faults), faults)
    return Config(theme, bell is not False, keys, tuple(f"{path}: {fault}" for fault in faults))


def _table(content: Mapping[str, Any], name: str, faults: list[str]) -> dict[str, Any]:
    table = content.get(name, {})
    if isinstance(table, dict):
        return table
    faults.append(f"[{name}] is a table of its own, not a value")
    return {}


def _value(table: dict[str, Any], name: str, kind: type[Kind], wanted: str, faults: list[str]) -> Kind | None:
    value = table.get(name)
    if value is None or isinstance(value, kind):
        return value
    faults.append(f"{name} cannot be {value!r}: it must be {wanted}")
    return None


def _keys(table: dict[str, Any], faults: list[str]) -> dict[str, str]:
    """The keys that can be used, by action."""
    keys: dict[str, str] = {}
    for action, value in table.items():
        if action not in ACTIONS:
            faults.append(_unknown(action, "[keys]", ACTIONS))
        elif not isinstance(value, str) or not (names := [name for part in value.split(",") if (name := part.strip())]):
            faults.append(f'{action} cannot be {value!r}: it must be a key, such as "d", "ctrl+d" or "f5"')
        elif wrong := [name for name in names if not _is_key(name)]:
            faults.append(f'{action} cannot be {wrong[0]!r}: a key is written as "d", "D", "ctrl+d", "f5" or "delete"')
        else:
            keys[action] = ",".join(names)
    return keys


def _is_key(name: str) -> bool:
    """Whether a terminal can send a key of this name."""
    from textual.keys import KEY_NAME_REPLACEMENTS, KEY_TO_UNICODE_NAME, Keys

    *modifiers, key = name.split("+") if name != "+" else [name]
    if not set(modifiers) <= {"ctrl", "shift", "alt"}:
        return False
    named = {one.value for one in Keys} | set(KEY_NAME_REPLACEMENTS.values()) | set(KEY_TO_UNICODE_NAME)
    if len(key) == 1 or key in named or name in named:
        return True
    try:  # `semicolon`, `left_square_bracket`
        return bool(unicodedata.lookup(key.replace("_", " ").upper()))
    except KeyError:
        return False


def _unknown(name: str, place: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(sorted(known))}"
    return f"{place} has no {name!r}: {hint}"


class Layout:
    """What the app remembers from one start to the next. Losing it is no misfortune: nothing is raised."""

    def __init__(self, home: Path) -> None:
        self._path = home / LAYOUT_NAME
        self._lock = Lock()  # held while the file is written
        self._is_new = False  # there is something to write
        try:
            self._values = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Any])
        except FileNotFoundError:
            self._values = {}
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s is left out: %s", self._path, error)
            self._values = {}

    def get(self, name: str, kind: type[Kind], default: Kind) -> Kind:
        """What is remembered under a name; `default` when that is nothing, or not of this kind."""
        try:
            return msgspec.convert(self._values[name], kind)
        except (KeyError, msgspec.ValidationError):
            return default

    def put(self, name: str, value: object) -> bool:
        """Remember something. Returns whether it is new; `save` writes it."""
        plain = msgspec.to_builtins(value)
        if self._values.get(name) == plain:
            return False
        self._values = self._values | {name: plain}
        self._is_new = True
        return True

    def save(self) -> None:
        """Write what is new, in any thread."""
        with self._lock:
            if not self._is_new:
                return
            self._is_new = False
            try:
                files.make_folder(self._path.parent)
                files.replace(self._path, msgspec.json.format(msgspec.json.encode(self._values)))
            except OSError as error:
                log.warning("%s cannot be written: %s", self._path, error)
