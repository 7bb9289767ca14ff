"""A page of HTML that needs nothing else: no script, no font, no address."""

from __future__ import annotations

import html

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2129; --quiet: #646b78; --rule: #d9dde3; --soft: #f3f5f8;
  --good: #1a7f37; --bad: #b3261e; --s0: #0b66c3; --s1: #c2570c; --s2: #1a7f37; --s3: #8a3fb0;
  --s4: #0e7c86; --s5: #b3261e; --s6: #7a6a00; --s7: #56606e; --heat: 11, 102, 195; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171c; --ink: #e4e7ec; --quiet: #98a1ae; --rule: #333a44;
  --soft: #1d2229; --good: #57c271; --bad: #ff8a80; --s0: #6fb1f7; --s1: #f2a15f; --s2: #6fce87; --s3: #cf97ec;
  --s4: #62cbd5; --s5: #ff8a80; --s6: #d8c650; --s7: #aab3bf; --heat: 111, 177, 247; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; -webkit-text-size-adjust: 100%; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: .95rem; margin: 0; }
p { margin: .5rem 0; max-width: 46rem; }
.quiet { color: var(--quiet); font-size: .9rem; }
.wide { overflow-x: auto; border: 1px solid var(--rule); border-radius: .4rem; margin: .75rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: left; white-space: nowrap; }
th { border-bottom: 1px solid var(--rule); background: var(--soft); font-weight: 600; }
tbody tr + tr td { border-top: 1px solid var(--rule); }
th.number, td.number { text-align: right; }
td:first-child, th:first-child { position: sticky; left: 0; background: var(--paper); }
th:first-child { background: var(--soft); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 1rem; }
.grid.large { grid-template-columns: repeat(auto-fill, minmax(min(100%, 28rem), 1fr)); }
figure.overview { max-width: 46rem; }
figure { margin: .75rem 0; border: 1px solid var(--rule); border-radius: .4rem; padding: .75rem; min-width: 0; }
figcaption { color: var(--quiet); font-size: .85rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--quiet); font: 13px system-ui, sans-serif; }
svg .name { fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 3px;
  stroke-opacity: .7; }
svg .rule { stroke: var(--rule); fill: none; }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .thin { stroke-width: 1.25; stroke-dasharray: 4 3; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .85rem; color: var(--quiet); margin: .25rem 0; }
.key i { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin-right: .35em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; font-size: .9rem; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
@media print { body { max-width: none; } figure, tr { break-inside: avoid; } }
""".strip()


def page(title: str, body: str) -> str:
    """A whole document. `body` is HTML, the title is text."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{html.escape(title)}</title>
<style>
{STYLE}
</style>
</head>
<body>
{body}
</body>
</html>
"""
