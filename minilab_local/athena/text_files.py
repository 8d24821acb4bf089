"""Text files that DuckDB reads otherwise than Hive's serdes do, made plain first.

Most files need nothing. A CSV with backslashes is read as opencsv reads it; JSON lines whose keys
have capitals are matched to the columns without regard to case, as Hive's JSON serdes do. The copy
says the same in a form that leaves nothing to interpret.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from minilab_local.athena.types import Type

_CHUNK = 1 << 20
_CAPITAL_KEY = re.compile(rb'"[^"\n]*[A-Z][^"\n]*"\s*:')


def open_text(path: Path, *, packed: bool) -> IO[bytes]:
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def has_backslash(path: Path, *, packed: bool) -> bool:
    with open_text(path, packed=packed) as stream:
        while chunk := stream.read(_CHUNK):
            if b"\\" in chunk:
                return True
    return False


def plain_csv(
    source: Path, target: Path, *, packed: bool, separator: str, quote: str, escape: str
) -> None:
    """Rewrite what opencsv would read as a CSV with doubled quotes and no escapes."""
    with (
        open_text(source, packed=packed) as stream,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        writer = csv.writer(
            out, delimiter=separator, quotechar=quote, quoting=csv.QUOTE_ALL, lineterminator="\n"
        )
        text = stream.read().decode("utf-8")
        for row in _opencsv_rows(text, separator, quote, escape):
            writer.writerow(row)


def _opencsv_rows(text: str, separator: str, quote: str, escape: str) -> Iterator[list[str]]:
    """opencsv's own reading: inside quotes an escape stands for the quote or escape after it, and
    vanishes before anything else; a doubled quote is a quote."""
    row: list[str] = []
    value: list[str] = []
    quoted, at = False, 0
    while at < len(text):
        char = text[at]
        following = text[at + 1 : at + 2]
        if char == escape and escape != quote:
            if quoted and following in (quote, escape):
                value.append(following)
                at += 1
        elif char == quote:
            if quoted and following == quote:
                value.append(quote)
                at += 1
            else:
                quoted = not quoted
        elif char == separator and not quoted:
            row.append("".join(value))
            value = []
        elif char == "\n" and not quoted:
            row.append("".join(value).rstrip("\r"))
            yield row
            row, value = [], []
        else:
            value.append(char)
        at += 1
    if value or row:
        row.append("".join(value))
        yield row


def has_capital_keys(path: Path, *, packed: bool) -> bool:
    with open_text(path, packed=packed) as stream:
        return any(_CAPITAL_KEY.search(line) for line in stream)


def plain_json(source: Path, target: Path, columns: dict[str, Type], *, packed: bool) -> None:
    """Rewrite JSON lines so that keys are spelled as the columns and fields are."""
    row = Type("row", parts=tuple(columns.values()), names=tuple(columns))
    with open_text(source, packed=packed) as stream, target.open("wb") as out:
        for line in stream:
            try:
                value = json.loads(line)
            except ValueError:
                out.write(line)  # what is broken stays broken, so that the reader says so
                continue
            out.write(json.dumps(_spelled(value, row), ensure_ascii=False).encode() + b"\n")


def _spelled(value: Any, kind: Type) -> Any:
    if kind.name == "row" and isinstance(value, dict):
        by_name = {key.lower(): item for key, item in value.items()}
        return {
            name: _spelled(by_name[name.lower()], part)
            for name, part in zip(kind.names, kind.parts, strict=True)
            if name is not None and name.lower() in by_name
        }
    if kind.name == "array" and isinstance(value, list):
        return [_spelled(item, kind.parts[0]) for item in value]
    if kind.name == "map" and isinstance(value, dict):
        return {key: _spelled(item, kind.parts[1]) for key, item in value.items()}
    return value
