"""The report: one HTML file that says everything, and asks for nothing."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trainer.export.charts import Line, Point, line_chart, scatter_chart
from trainer.export.page import page
from trainer.export.table import Table, html_table


@dataclass(frozen=True, slots=True)
class Curves:
    """One run's lines, in per cent or as they are."""

    title: str
    caption: str
    lines: Sequence[Line]
    low: float | None = None  # where the picture begins: what lies below is cut off


@dataclass(frozen=True, slots=True)
class Scatter:
    """Accuracy in per cent against a cost."""

    title: str
    axis: str
    points: Sequence[Point]
    ticks: Mapping[float, str]  # of the cost


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How well one run knows each class: fractions, None where there is no image."""

    name: str
    whole: float
    classes: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Runs of one data set, class by class."""

    title: str
    names: Sequence[str]
    rows: Sequence[ClassRow]


@dataclass(frozen=True, slots=True)
class Report:
    """What stands in a report. All of it comes in words and numbers as they are shown."""

    title: str
    summary: Sequence[str]  # paragraphs
    tables: Sequence[Table]
    overview: Curves | None  # the best runs in one picture
    curves: Sequence[Curves]
    scatters: Sequence[Scatter]
    classes: Sequence[ClassTable]
    environment: Sequence[tuple[str, str]]
    remarks: dict[str, str] = field(default_factory=dict)  # below a heading: why something is not there


def written(report: Report) -> str:
    """The report as one document."""
    parts = [f"<h1>{html.escape(report.title)}</h1>", *(f"<p>{html.escape(text)}</p>" for text in report.summary)]
    for table in report.tables:
        notes = "".join(f'<p class="quiet">{html.escape(note)}</p>' for note in table.notes)
        parts.append(f"<h2>{html.escape(table.title)}</h2>{html_table(table)}{notes}")
    parts.append(_section(report, "Curves", _curves(report)))
    parts.append(_section(report, "Accuracy against cost", _scatters(report.scatters)))
    parts.append(_section(report, "Class by class", "".join(map(_class_table, report.classes))))
    facts = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in report.environment)
    parts.append(_section(report, "Environment", f"<dl>{facts}</dl>"))
    return page(report.title, "\n".join(parts))


def _section(report: Report, title: str, body: str) -> str:
    remark = report.remarks.get(title)
    if not body and not remark:
        return ""
    return f"<h2>{title}</h2>{f'<p class=quiet>{html.escape(remark)}</p>' if remark else ''}{body}"


def _curves(report: Report) -> str:
    parts = []
    if report.overview:
        key = "".join(
            f'<span><i style="background:var(--s{line.colour})"></i>{html.escape(line.name)}</span>'
            for line in report.overview.lines
        )
        parts.append(
            f'<figure class="overview"><h3>{html.escape(report.overview.title)}</h3>'
            f"{line_chart(report.overview.lines, report.overview.title, 480, 260, report.overview.low)}"
            f'<div class="key">{key}</div></figure>'
        )
    if report.curves:
        small = "".join(
            f"<figure><h3>{html.escape(one.title)}</h3>{line_chart(one.lines, one.title)}"
            f"<figcaption>{html.escape(one.caption)}</figcaption></figure>"
            for one in report.curves
        )
        parts.append(f'<div class="grid">{small}</div>')
    return "".join(parts)


def _scatters(scatters: Sequence[Scatter]) -> str:
    pictures = "".join(map(_scatter, scatters))
    return f'<div class="grid large">{pictures}</div>' if pictures else ""


def _scatter(scatter: Scatter) -> str:
    if not scatter.points:
        return ""
    key = [("border:2px solid var(--s0)", "published"), ("background:var(--s1)", "own runs")]
    shown = key if any(point.own for point in scatter.points) else key[:1]
    spans = "".join(f'<span><i style="{style}"></i>{word}</span>' for style, word in shown)
    chart = scatter_chart(scatter.points, scatter.axis, scatter.ticks)
    return f'<figure><h3>{html.escape(scatter.title)}</h3>{chart}<div class="key">{spans}</div></figure>'


def _class_table(table: ClassTable) -> str:
    head = "".join(f'<th scope="col" class="number">{html.escape(name)}</th>' for name in ("all", *table.names))
    rows = "".join(
        f"<tr><td>{html.escape(row.name)}</td>" + "".join(map(_heat, (row.whole, *row.classes))) + "</tr>"
        for row in table.rows
    )
    return (
        f"<h3>{html.escape(table.title)}</h3>"
        f'<div class="wide"><table><thead><tr><th scope="col">Run</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _heat(fraction: float | None) -> str:
    """A cell that is the fuller the better the class is known."""
    if fraction is None:
        return '<td class="number">–</td>'
    return (
        f'<td class="number" style="background:rgba(var(--heat), {0.45 * fraction**2:.3f})">{100 * fraction:.1f}</td>'
    )
