"""What the commands print, in a terminal of a given width and in a pipe."""

from __future__ import annotations

import click
import pytest
from rich.text import Text

from tui.commands.output import print_table, table_of

WHOLE = [
    "RUN   MODEL            BEST       SIZE  DIFFERS IN",
    "aaaa  [LeNet]        74.90%    0.25 MB",
    "bbbb  PreAct ResNet   9.00%  117.00 MB  epochs 300, optimizer nesterov, learning rate 0.1",
]


def shown(width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of a table, in a terminal that is `width` cells wide; in a pipe with 0."""
    for name, value in {"TTY_COMPATIBLE": "1" if width else "0", "COLUMNS": str(width or 40)}.items():
        monkeypatch.setenv(name, value)
    table = table_of("RUN", "MODEL", "BEST", "SIZE", "DIFFERS IN", right=("BEST", "SIZE"))
    table.add_row("aaaa", "[LeNet]", Text("74.90%", "bold"), "0.25 MB", "")
    table.add_row("bbbb", "PreAct ResNet", "9.00%", "117.00 MB", "epochs 300, optimizer nesterov, learning rate 0.1")
    print_table(table, gives_way=("SIZE", "BEST"), cut="DIFFERS IN")
    return [line.rstrip() for line in click.unstyle(capsys.readouterr().out).splitlines()]


@pytest.mark.parametrize("width", [0, 200, 89])
def test_a_table_is_whole_in_a_pipe_and_in_a_wide_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(width, capsys, monkeypatch) == WHOLE


def test_free_text_is_cut_before_a_column_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(60, capsys, monkeypatch) == [*WHOLE[:2], WHOLE[2][:59] + "…"]
    assert shown(58, capsys, monkeypatch) == [*WHOLE[:2], WHOLE[2][:57] + "…"]


def test_columns_that_give_way_are_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(50, capsys, monkeypatch) == [
        "RUN   MODEL            BEST  DIFFERS IN",
        "aaaa  [LeNet]        74.90%",
        "bbbb  PreAct ResNet   9.00%  epochs 300, optimize…",
        "Left out, for want of room: SIZE. --json has",
        "everything.",
    ]
    assert shown(40, capsys, monkeypatch) == [
        "RUN   MODEL          DIFFERS IN",
        "aaaa  [LeNet]",
        "bbbb  PreAct ResNet  epochs 300, optimi…",
        "Left out, for want of room: SIZE and",
        "BEST. --json has everything.",
    ]
