"""Every format of a table, with what is special to it in the cells."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser

import pytest

from trainer.export.table import FORMATS, Cell, Column, Table, written

NASTY = 'a,"b"|<i>&_%$#{}~^\\ ±×−–'
TABLE = Table(
    title="Results & more",
    columns=(
        Column("Model", "model", published=True),
        Column("Test Accuracy", "test_accuracy", right=True, published=True),
        Column("Nothing", "nothing"),
        Column("Note", "note"),
    ),
    rows=(
        (Cell("LeNet", "LeNet"), Cell("74.74%", 0.7474), Cell(""), Cell(NASTY, NASTY)),
        (Cell("[3,3,3]", "[3,3,3]"), Cell(""), Cell(""), Cell("two\nlines", "two\nlines")),
    ),
    notes=("Read with care.",),
)


def test_csv_reads_back_with_every_column() -> None:
    text = written(TABLE, "csv")
    assert text.startswith("Model,Test Accuracy,Nothing,Note\r\n")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[1] == ["LeNet", "74.74%", "", NASTY]
    assert rows[2] == ["[3,3,3]", "", "", "two\nlines"]


def test_json_has_numbers_and_null() -> None:
    rows = json.loads(written(TABLE, "json"))
    assert rows[0] == {"model": "LeNet", "test_accuracy": 0.7474, "nothing": None, "note": NASTY}
    assert rows[1]["test_accuracy"] is None


def test_markdown_is_aligned_and_nothing_in_it_is_markup() -> None:
    lines = written(TABLE, "markdown").splitlines()
    assert len({len(line) for line in lines[:4]}) == 1, "the bars stand below each other"
    assert "Nothing" not in lines[0]
    assert lines[1].split("|")[2].strip().endswith("-:")
    assert r"\|\<i\>&\_%$#{}\~^\\" in lines[2]
    assert lines[-1] == "Read with care."


def test_latex_escapes_everything_special() -> None:
    text = written(TABLE, "latex")
    row = next(line for line in text.splitlines() if line.startswith("{}LeNet"))
    assert r"74.74\% & a,\"b\"".replace('\\"', '"') in row
    assert (
        r"\textbar{}\textless{}i\textgreater{}\&\_\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in row
    )
    assert r"$\pm$$\times$$-$--" in row
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lrl}"))
    assert "{}{[}3,3,3{]}" in text, "a bracket after a line's end would be its option"


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "img", "br"}:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


def test_html_is_a_document_of_its_own() -> None:
    text = written(TABLE, "html")
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert text.startswith("<!DOCTYPE html>") and reader.open == []
    assert reader.cells == ["LeNet", "74.74%", NASTY, "[3,3,3]", "", "two\nlines"]
    assert reader.addresses == [] and "prefers-color-scheme: dark" in text and 'name="viewport"' in text


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_without_rows_can_be_written(form: str) -> None:
    assert written(Table("Empty", TABLE.columns, ()), form)  # type: ignore[arg-type]
