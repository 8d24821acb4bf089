"""What commands share: JSON or tables on stdout, progress on stderr.

Stdout carries results and nothing else, so that it can be piped. Progress is drawn on stderr, only
where that is a terminal, and is gone when the work is done.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import IO, Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

_WIDE = 10_000
"""Columns of a "terminal" that is a pipe or a file: nothing is cut off there."""


def json_option(command: _Command) -> _Command:
    """Add ``--json``; the command gets it as ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(
        command
    )


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str | None = None,
    file: IO[str] | None = None,
) -> None:
    """Print rows as a table on stdout (or ``file``); numbers stand to the right, None is empty."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    rows = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numbers = [row[index] for row in rows if row[index] is not None]
        right = bool(numbers) and all(map(_is_number, numbers))
        table.add_column(
            _escape(column), justify="right" if right else "left", overflow="fold", no_wrap=False
        )
    for row in rows:
        table.add_row(*(_escape(format_value(value)) for value in row))
    out = file or sys.stdout
    width = None if out.isatty() else _WIDE
    console = Console(file=out, width=width, highlight=False)
    if title:  # not the table's own: that would be broken to the table's width
        console.print(_escape(title), style="bold", soft_wrap=True)
    console.print(table)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def format_value(value: Any) -> str:
    """A value as people read it: thousands separated, floats short, None empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def note(message: str) -> None:
    """Say something to the person on stderr."""
    click.echo(message, err=True)


class Progress:
    """Draws nothing: where stderr is no terminal, and the base of what does draw."""

    def advance(self, steps: int = 1) -> None:
        """``steps`` more are done."""

    def message(self, text: str) -> None:
        """Say what is being done now."""


class _Bar(Progress):
    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task

    def advance(self, steps: int = 1) -> None:
        self._bar.advance(self._task, steps)

    def message(self, text: str) -> None:
        self._bar.update(self._task, description=_escape(text))


@contextmanager
def progress(message: str, *, total: int | None = None) -> Iterator[Progress]:
    """A progress bar on stderr (a spinner without ``total``), which vanishes at the end.

    Draws nothing where stderr is not a terminal.
    """
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich import progress as rich_progress
    from rich.console import Console

    columns: list[Any] = [
        rich_progress.SpinnerColumn(),
        rich_progress.TextColumn("{task.description}"),
    ]
    if total is not None:
        columns += [
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeRemainingColumn(),
        ]
    with rich_progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar, bar.add_task(_escape(message), total=total))
