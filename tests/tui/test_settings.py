"""config.toml and layout.json, whatever stands in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.settings import Config, Layout, read_config


def configured(home: Path, text: str) -> Config:
    (home / "config.toml").write_text(text, encoding="utf-8")
    return read_config(home)


def test_without_a_file_nothing_is_configured_and_nothing_is_wrong(tmp_path: Path) -> None:
    assert read_config(tmp_path) == Config()


def test_what_the_file_says_counts(tmp_path: Path) -> None:
    config = configured(tmp_path, '[app]\ntheme = "nord"\nbell = false\n[keys]\ndelete = "ctrl+d"\nmark = "space, m"\n')
    assert config == Config("nord", False, {"delete": "ctrl+d", "mark": "space,m"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[app", "Expected"),
        ('[app]\nbell = "no"', "bell cannot be 'no': it must be true or false"),
        ("[app]\ntheme = 3", "theme cannot be 3: it must be the name of a theme"),
        ('[app]\nthemes = "x"', "[app] has no 'themes': did you mean theme?"),
        ("[kesy]\nmark = 'm'", "the file has no 'kesy': did you mean keys?"),
        ("keys = 3", "[keys] is a table of its own"),
        ("[keys]\ndleete = 'd'", "[keys] has no 'dleete': did you mean delete?"),
        ("[keys]\ndelete = 3", "delete cannot be 3: it must be a key"),
        ("[keys]\ndelete = ''", "delete cannot be '': it must be a key"),
        ("[keys]\ndelete = 'entre'", "delete cannot be 'entre': a key is written as"),
        ("[keys]\ndelete = 'strg+d'", "delete cannot be 'strg+d'"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_file(tmp_path: Path, text: str, says: str) -> None:
    config = configured(tmp_path, text)
    assert len(config.faults) == 1
    assert config.faults[0].startswith(str(tmp_path / "config.toml"))
    assert says in config.faults[0]
    assert "\n" not in config.faults[0]


def test_what_is_right_beside_a_mistake_still_counts(tmp_path: Path) -> None:
    config = configured(tmp_path, "[keys]\nmark = 'm'\nnonsense = 'x'\n")
    assert config.keys == {"mark": "m"}
    assert len(config.faults) == 1


@pytest.mark.parametrize(
    "key", ["d", "D", "/", "+", "f5", "ctrl+d", "delete", "pagedown", "slash", "left_square_bracket"]
)
def test_every_way_to_write_a_key_is_understood(tmp_path: Path, key: str) -> None:
    assert configured(tmp_path, f"[keys]\nmark = '{key}'").keys == {"mark": key}


def test_a_file_that_is_no_text_is_said_not_raised(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe\x00")
    assert len(read_config(tmp_path).faults) == 1


def test_what_is_remembered_is_there_at_the_next_start(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    assert layout.put("results-columns", ("model", "best"))
    assert not layout.put("results-columns", ("model", "best")), "it is no news"
    layout.save()
    assert Layout(tmp_path / "home").get("results-columns", tuple[str, ...], ()) == ("model", "best")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"theme": 3}', b"\xff"])
def test_a_damaged_memory_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "layout.json").write_bytes(content)
    assert Layout(tmp_path).get("theme", str, "usual") == "usual"


def test_a_memory_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    layout = Layout(tmp_path / "home")
    layout.put("theme", "nord")
    layout.save()
    assert layout.get("theme", str, "usual") == "nord", "it holds until the app ends"
    assert (tmp_path / "home").read_text() == "a file where the folder should be"
