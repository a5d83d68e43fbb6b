"""A report as one HTML page that needs nothing else: no network, no scripts."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from hookpoint.commands._tables import safe
from hookpoint.title_report.plots import svg

if TYPE_CHECKING:
    from hookpoint.title_report.model import Chart, Report, Section

STYLE = """
:root { color-scheme: light dark;
  --ink: #1b1f24; --paper: #ffffff; --soft: #5b6470; --line: #d5dae0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --paper: #15181c; --soft: #a3abb5; --line: #363c44; }
}
body { color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif;
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.as-of, .note, figcaption, summary { color: var(--soft); }
dl { display: grid; grid-template-columns: minmax(10rem, max-content) 1fr; gap: .2rem 1.5rem; }
dt { color: var(--soft); } dd { margin: 0; }
figure { margin: 1.5rem 0; } svg { max-width: 100%; height: auto; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
.numbers { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .15rem .8rem .15rem 0; border-bottom: 1px solid var(--line); }
tr.marked { font-weight: bold; }
""".strip()
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Even what slips through can load nothing and run nothing."""


def html_page(report: Report) -> str:
    """The whole document."""
    heading = _text(report.heading)
    parts = "\n".join(_section(each) for each in report.sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}: the audience</title>
<style>
{STYLE}
</style>
</head>
<body>
<main>
<h1>{heading}</h1>
<p class="as-of">{_text(report.as_of)}</p>
{parts}
</main>
</body>
</html>
"""


def _section(section: Section) -> str:
    lines = ["<section>", f"<h2>{_text(section.heading)}</h2>"]
    if section.pairs:
        pairs = (f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in section.pairs)
        lines += ["<dl>", *pairs, "</dl>"]
    lines += [_figure(chart) for chart in section.charts if chart.rows]
    lines += [f'<p class="note">{_text(note)}</p>' for note in section.notes]
    return "\n".join([*lines, "</section>"])


def _figure(chart: Chart) -> str:
    # The second heading is of the drawing, which stands above the table here.
    heads = "".join(f"<th>{_text(text)}</th>" for text in (chart.headings[0], *chart.headings[2:]))
    rows = []
    for row in chart.rows:
        marked = ' class="marked"' if row.is_marked else ""
        cells = "".join(f"<td>{_text(text)}</td>" for text in (row.label, *row.cells))
        rows.append(f"<tr{marked}>{cells}</tr>")
    body = "\n".join(rows)
    drawn = svg(chart) if any(row.values for row in chart.rows) else ""
    return f"""<figure>
<figcaption>{_text(chart.caption)}</figcaption>
{drawn}
<details><summary>The numbers</summary>
<div class="numbers"><table>
<thead><tr>{heads}</tr></thead>
<tbody>
{body}
</tbody>
</table></div></details>
</figure>"""


def _text(text: str) -> str:
    return html.escape(safe(text))
