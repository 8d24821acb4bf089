"""The HTML page that carries a report: one file, no request to anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any

from minilab.reports.figures import Figure, Row


@dataclass(frozen=True)
class Tile:
    """One headline number."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """One chart with its rows as a table; or, with ``problem``, why there is none."""

    key: str
    title: str
    subtitle: str
    figure: Figure | None = None
    rows: Sequence[Row] = ()
    problem: str = ""
    wide: bool = False


def render_page(title: str, subtitle: str, tiles: Sequence[Tile], panels: Sequence[Panel]) -> str:
    """The whole document, plotly.js within. Deterministic for the same arguments."""
    figures = {panel.key: panel.figure for panel in panels if panel.figure is not None}
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>",
            f"<style>{_asset('page.css')}</style>",
            "</head><body><main>",
            f"<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></header>",
            '<section class="tiles">',
            *map(_tile, tiles),
            "</section>",
            '<section class="panels">',
            *map(_panel, panels),
            "</section></main>",
            f'<script type="application/json" id="figures">{_script_json(figures)}</script>',
            f"<script>{_plotly()}</script>" if figures else "",
            f"<script>{_asset('page.js')}</script>" if figures else "",
            "</body></html>",
        ]
    )


def _tile(tile: Tile) -> str:
    return (
        f'<div class="tile"><div class="label">{escape(tile.label)}</div>'
        f'<div class="value">{escape(tile.value)}</div>'
        f'<div class="note">{escape(tile.note)}</div></div>'
    )


def _panel(panel: Panel) -> str:
    classes = "panel wide" if panel.wide else "panel"
    head = f"<h2>{escape(panel.title)}</h2><p>{escape(panel.subtitle)}</p>"
    if panel.problem:
        body = f'<div class="missing">{escape(panel.problem)}</div>'
    else:
        body = f'<div class="chart" data-figure="{escape(panel.key)}"></div>' + _table(panel.rows)
    return f'<article class="{classes}" id="{escape(panel.key)}">{head}{body}</article>'


def _table(rows: Sequence[Row], limit: int = 200) -> str:
    if not rows:
        return ""
    columns = list(rows[0])
    head = "".join(f"<th>{escape(column.replace('_', ' '))}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(_cell(row[column]) for column in columns) + "</tr>" for row in rows[:limit]
    )
    more = f"<p>{len(rows) - limit:,} more rows.</p>" if len(rows) > limit else ""
    return (
        f"<details><summary>Numbers</summary><div class='scroll'><table><thead><tr>{head}</tr>"
        f"</thead><tbody>{body}</tbody></table></div>{more}</details>"
    )


def _cell(value: Any) -> str:
    number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    return f"<td{' class=number' if number else ''}>{escape(_text(value))}</td>"


def _text(value: Any) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float() | Decimal():
            return f"{value:,.2f}"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _script_json(document: Any) -> str:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@lru_cache(maxsize=1)
def _plotly() -> str:
    # Read as a file: importing plotly itself would cost a second and bring nothing.
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


@lru_cache(maxsize=8)
def _asset(name: str) -> str:
    return (files("minilab.reports") / name).read_text(encoding="utf-8")
