"""Chart descriptions for plotly.js, made from rows.

A figure is the JSON document that ``Plotly.react`` takes (``data`` and ``layout``). It is built as
plain data, so that a report needs no plotting library at run time. Colours are CSS variables of
the page (``var(--series-1)``); the page resolves them, which is how one figure serves a light and
a dark screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

Row = Mapping[str, Any]
Figure = dict[str, Any]

SERIES = tuple(f"var(--series-{number})" for number in range(1, 7))
GOOD, BAD, TOTAL = "var(--good)", "var(--bad)", "var(--total)"


def stacked_bars(rows: Sequence[Row], *, x: str, series: str, y: str, unit: str) -> Figure:
    """One bar per ``x``, split by ``series``; ``rows`` hold one value ``y`` per pair."""
    names = sorted({str(row[series]) for row in rows})
    xs = sorted({row[x] for row in rows})
    values = {(row[x], str(row[series])): row[y] for row in rows}
    return {
        "data": [
            {
                "type": "bar",
                "name": name,
                "x": [_plain(at) for at in xs],
                "y": [_plain(values.get((at, name), 0)) for at in xs],
                "marker": {"color": SERIES[index % len(SERIES)]},
                "hovertemplate": f"%{{y:,}} {unit}<extra>{name}</extra>",
            }
            for index, name in enumerate(names)
        ],
        "layout": {"barmode": "stack", "bargap": 0.15, "hovermode": "x unified"},
    }


def lines(rows: Sequence[Row], *, x: str, ys: Mapping[str, str]) -> Figure:
    """One line per entry of ``ys`` (column → name) over ``x``."""
    mode = "lines+markers" if len(rows) <= 40 else "lines"
    return {
        "data": [
            {
                "type": "scatter",
                "mode": mode,
                "name": name,
                "x": [_plain(row[x]) for row in rows],
                "y": [_plain(row[column]) for row in rows],
                "line": {"color": SERIES[index], "width": 2},
                "hovertemplate": f"%{{y:,}}<extra>{name}</extra>",
            }
            for index, (column, name) in enumerate(ys.items())
        ],
        "layout": {"yaxis": {"rangemode": "tozero"}, "hovermode": "x unified"},
    }


def ranked_bars(rows: Sequence[Row], *, label: str, value: str, colour: str = SERIES[0]) -> Figure:
    """Horizontal bars, the largest on top, with the number beside each."""
    ranked = sorted(rows, key=lambda row: row[value])
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "y": [str(row[label]) for row in ranked],
                "x": [_plain(row[value]) for row in ranked],
                "text": [_plain(row[value]) for row in ranked],
                "texttemplate": "%{x:,}",
                "textposition": "auto",
                "cliponaxis": False,
                "marker": {"color": colour},
                "hovertemplate": "%{y}: %{x:,}<extra></extra>",
            }
        ],
        "layout": {"yaxis": {"type": "category"}, "bargap": 0.3},
    }


def grouped_bars(rows: Sequence[Row], *, x: str, ys: Mapping[str, str], unit: str) -> Figure:
    """Bars side by side: one group per row, one bar per entry of ``ys`` (column → name)."""
    return {
        "data": [
            {
                "type": "bar",
                "name": name,
                "x": [str(row[x]) for row in rows],
                "y": [_plain(row[column]) for row in rows],
                "marker": {"color": SERIES[index]},
                "hovertemplate": f"%{{y:,.2f}} {unit}<extra>{name}</extra>",
            }
            for index, (column, name) in enumerate(ys.items())
        ],
        "layout": {"barmode": "group", "bargap": 0.3, "yaxis": {"ticksuffix": f" {unit}"}},
    }


def funnel(rows: Sequence[Row], *, step: str, value: str) -> Figure:
    """A funnel; ``rows`` are its steps in order."""
    return {
        "data": [
            {
                "type": "funnel",
                "y": [str(row[step]) for row in rows],
                "x": [_plain(row[value]) for row in rows],
                "textinfo": "value+percent initial",
                "marker": {"color": SERIES[0]},
                "connector": {"visible": False},
                "hovertemplate": "%{y}: %{x:,}<extra></extra>",
            }
        ],
        "layout": {"yaxis": {"type": "category"}},
    }


def waterfall(steps: Sequence[tuple[str, float, bool]]) -> Figure:
    """A waterfall of ``(label, amount, is_total)``; a total stands on zero."""
    return {
        "data": [
            {
                "type": "waterfall",
                "x": [label for label, _, _ in steps],
                "y": [_plain(amount) for _, amount, _ in steps],
                "measure": ["absolute" if total else "relative" for _, _, total in steps],
                "text": [
                    f"{amount:+,.0f}" if not total else f"{amount:,.0f}"
                    for _, amount, total in steps
                ],
                "textposition": "outside",
                "cliponaxis": False,
                "increasing": {"marker": {"color": GOOD}},
                "decreasing": {"marker": {"color": BAD}},
                "totals": {"marker": {"color": TOTAL}},
                "connector": {"line": {"color": "var(--grid)", "width": 1}},
                "hovertemplate": "%{x}: %{text}<extra></extra>",
            }
        ],
        "layout": {"xaxis": {"type": "category"}},
    }


def _plain(value: Any) -> Any:
    """A value as JSON carries it: dates as ISO 8601, other numbers as float."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return float(value)
