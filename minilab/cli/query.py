"""``minilab query``: ask Athena from the command line."""

from __future__ import annotations

import csv
import json
import sys
import time
from datetime import date, datetime
from datetime import time as clock
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from minilab.cli.output import note, print_table, progress

if TYPE_CHECKING:
    from minilab.lake.athena import QueryResult


@click.command()
@click.argument("sql")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How rows are printed on stdout.",
)
@click.option("--database", help="What unqualified names refer to. Default: the marts.")
def query(sql: str, layout: str, database: str | None) -> None:
    """Run one SQL statement on Athena and print its rows (SQL - reads standard input).

    Rows go to stdout, a line about rows, seconds and bytes scanned to stderr. Ctrl-C cancels the
    query.

    \b
    Example:
      minilab query "select stream, count(*) as events from minilab_raw.events group by 1"
      minilab query --format csv - < churn.sql > churn.csv
    """
    from minilab.lake import athena
    from minilab.settings import Settings

    text = sys.stdin.read() if sql == "-" else sql
    started = time.monotonic()
    try:
        with progress("Asking Athena") as bar:
            result = athena.query(
                Settings.from_env(),
                text,
                database=database,
                on_progress=lambda state: bar.message(f"Athena: {state.lower()}"),
            )
    except KeyboardInterrupt:
        note("Cancelled.")
        sys.exit(130)
    _print(result, layout)
    count = len(result.rows) if result.updated is None else result.updated
    rows = f"{count:,} {'row' if count == 1 else 'rows'}"
    rows += " written" if result.updated is not None else ""
    seconds = time.monotonic() - started
    note(f"{rows}, {seconds:.1f} s, {_size(result.bytes_scanned)} scanned ({result.query_id})")


def _print(result: QueryResult, layout: str) -> None:
    names = [column.name for column in result.columns]
    if layout == "json":
        rows = [{n: _plain(v) for n, v in row.items()} for row in result.as_dicts()]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False))
    elif layout == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        if names:
            writer.writerow(names)
        writer.writerows(
            ["" if value is None else _text(value) for value in row] for row in result.rows
        )
    elif names:
        print_table(names, [[_cell(value) for value in row] for row in result.rows])


def _plain(value: Any) -> Any:
    """A value that JSON has; decimals and times become text, so that nothing of them is lost."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    return _text(value)


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime() | date() | clock():
            return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _cell(value: Any) -> Any:
    """Numbers stay what they are, to stand on the right."""
    return value if value is None or isinstance(value, int | float | Decimal) else _text(value)


def _size(count: int) -> str:
    """Bytes as people read them: ``1.5 MB``."""
    size = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
