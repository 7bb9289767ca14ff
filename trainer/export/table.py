"""A table as CSV, JSON, Markdown, LaTeX or HTML. What stands in it is for the caller to say."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Format = Literal["csv", "json", "markdown", "latex", "html"]
FORMATS: tuple[str, ...] = get_args(Format)


class Column(NamedTuple):
    """A column: its heading, its key in JSON, and whether it holds numbers."""

    name: str
    key: str
    right: bool = False
    published: bool = False  # a column of the published table, which is there even when nothing is in it


class Cell(NamedTuple):
    """A value: as a person reads it (empty for nothing), and as a program does."""

    text: str
    value: object = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, one for each column, and what must be known to read them."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    def without_empty_columns(self) -> Table:
        """For people: a column of ours in which no row has anything says nothing."""
        kept = [
            place
            for place, column in enumerate(self.columns)
            if column.published or any(row[place].text for row in self.rows)
        ]
        rows = [[row[place] for place in kept] for row in self.rows]
        return Table(self.title, [self.columns[place] for place in kept], rows, self.notes)


def written(table: Table, format: Format) -> str:
    """The table as text of that format. CSV and JSON, for programs, always have every column."""
    return _WRITERS[format](table)


def as_csv(table: Table) -> str:
    """RFC 4180: lines end with CR LF, and a cell with a comma, a quote or a line end is quoted."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([column.name for column in table.columns])
    writer.writerows([cell.text for cell in row] for row in table.rows)
    return text.getvalue()


def as_json(table: Table) -> str:
    """An array with an object for each row; fractions, seconds and counts as numbers, null for nothing."""
    keys = [column.key for column in table.columns]
    rows = [dict(zip(keys, (cell.value for cell in row), strict=True)) for row in table.rows]
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_markdown(table: Table) -> str:
    """A table of GitHub's Markdown whose source is aligned, too."""
    table = table.without_empty_columns()
    lines = [[_markdown(column.name) for column in table.columns]]
    lines += [[_markdown(cell.text) for cell in row] for row in table.rows]
    widths = [max(3, *(len(line[place]) for line in lines)) for place in range(len(table.columns))]
    rule = [
        "-" * (width - 1) + (":" if column.right else "-") for column, width in zip(table.columns, widths, strict=True)
    ]
    aligned = [
        [
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(line, widths, table.columns, strict=True)
        ]
        for line in lines
    ]
    body = [f"| {' | '.join(line)} |" for line in (aligned[0], rule, *aligned[1:])]
    return "\n".join([*body, "", *(f"{_markdown(note)}  " for note in table.notes)]).rstrip() + "\n"


def as_latex(table: Table) -> str:
    r"""A tabular with the rules of booktabs, for \input."""
    table = table.without_empty_columns()
    lines = [
        f"% {table.title}",
        *(f"% {note}" for note in table.notes),
        r"% It needs \usepackage{booktabs}; \resizebox{\textwidth}{!}{...} of graphicx makes it fit the page.",
        rf"\begin{{tabular}}{{{''.join('r' if column.right else 'l' for column in table.columns)}}}",
        r"\toprule",
        " & ".join(_latex(column.name) for column in table.columns) + r" \\",
        r"\midrule",
        # {} in front: a row that begins with [ would be read as an option of the \\ before it.
        *("{}" + " & ".join(_latex(cell.text) for cell in row) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def as_html(table: Table) -> str:
    """A document of its own, light or dark as the reader's system is."""
    from trainer.export.page import page

    notes = "".join(f"<p class=quiet>{html.escape(note)}</p>" for note in table.notes)
    return page(table.title, f"<h1>{html.escape(table.title)}</h1>{html_table(table)}{notes}")


def html_table(table: Table) -> str:
    """The element alone, in a frame that scrolls sideways where it is too wide."""
    table = table.without_empty_columns()
    kinds = [' class="number"' if column.right else "" for column in table.columns]
    head = "".join(
        f'<th scope="col"{kind}>{html.escape(column.name)}</th>'
        for kind, column in zip(kinds, table.columns, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{kind}>{html.escape(cell.text)}</td>" for kind, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in table.rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def _markdown(text: str) -> str:
    """Plain text in a cell: nothing in it is markup."""
    for special in "\\`*_[]<>|~":
        text = text.replace(special, f"\\{special}")
    return text.replace("\n", " ")


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text.replace("\n", " "))


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "–": "--",
    "[": "{[}",
    "]": "{]}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}

_WRITERS: dict[str, Callable[[Table], str]] = {
    "csv": as_csv,
    "json": as_json,
    "markdown": as_markdown,
    "latex": as_latex,
    "html": as_html,
}
