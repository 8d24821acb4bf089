"""Results as Athena stores and pages them (Amazon Athena User Guide, "Work with query results").

A SELECT's result is a CSV with every value quoted and NULL as nothing at all; what DDL and SHOW
print is plain text. Beside each lies a ``.metadata`` file that describes the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, Any

from minilab_local.athena import types
from minilab_local.athena.translate import render

Row = Sequence[str | None]


@dataclass(frozen=True)
class ResultColumn:
    """A column of a result: ``trino`` is its full Trino type."""

    name: str
    trino: str

    def info(self) -> dict[str, Any]:
        """As GetQueryResults describes it."""
        kind, precision, scale = athena_type(self.trino)
        return {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": self.name,
            "Label": self.name,
            "Type": kind,
            "Precision": precision,
            "Scale": scale,
            "Nullable": "UNKNOWN",
            "CaseSensitive": kind in ("varchar", "char", "string"),
        }


@dataclass(frozen=True)
class Answer:
    """What a statement answers. ``rows`` are texts, lazily; ``header`` says whether the column
    names are the first row, as for SELECT; ``written`` are the files that a CTAS, INSERT or
    UNLOAD made."""

    columns: Sequence[ResultColumn] = ()
    rows: Iterable[Row] = ()
    header: bool = False
    update_count: int | None = None
    bytes: int = 0
    written: Sequence[str] = ()
    close: Callable[[], None] | None = field(default=None, compare=False)


@lru_cache(maxsize=4096)
def athena_type(trino: str) -> tuple[str, int, int]:
    """Athena's name of a type, its precision and its scale, as ColumnInfo has them."""
    if trino in ("string", "unknown"):
        return trino, 0, 0
    kind = types.parse(trino)
    fixed = {
        "boolean": 0,
        "tinyint": 3,
        "smallint": 5,
        "integer": 10,
        "bigint": 19,
        "double": 17,
        "varbinary": 1073741824,
        "timestamp": 3,
        "timestamp with time zone": 3,
    }
    if kind.name == "decimal":
        precision, scale = kind.size or (38, 0)
        return "decimal", precision, scale
    if kind.name in ("varchar", "char"):
        return kind.name, kind.size[0] if kind.size else 2147483647, 0
    if kind.name == "real":
        return "float", 17, 0
    return kind.name, fixed.get(kind.name, 0), 0


def texts(rows: Iterable[Sequence[Any]], columns: Sequence[ResultColumn]) -> Iterator[Row]:
    """DuckDB's values as Athena prints them."""
    printers = [_printer(c.trino) for c in columns]
    for row in rows:
        yield [
            None if value is None else printer(value)
            for printer, value in zip(printers, row, strict=True)
        ]


def _printer(trino: str) -> Callable[[Any], str | None]:
    if trino.startswith("varchar") or trino in ("tinyint", "smallint", "integer", "bigint"):
        return str
    if trino == "boolean":
        return lambda value: "true" if value else "false"
    return lambda value: render(value, trino)


# CSV


def csv_line(row: Row) -> str:
    return ",".join("" if v is None else '"' + v.replace('"', '""') + '"' for v in row) + "\n"


def text_line(row: Row) -> str:
    return "\t".join("" if v is None else v for v in row) + "\n"


def write(answer: Answer, target: IO[bytes], *, keep: int) -> tuple[list[Row] | None, int]:
    """Write a result's file. Returns its rows (header included) when there are at most ``keep``
    of them, else None; and how many rows there are."""
    line = csv_line if answer.header else text_line
    kept: list[Row] | None = []
    count = 0
    header = [[c.name for c in answer.columns]] if answer.header else []
    for source in (header, answer.rows):
        for row in source:
            target.write(line(row).encode())
            count += 1
            if kept is not None:
                kept.append(row)
                if len(kept) > keep:
                    kept = None
    return kept, count


def read_csv(text: str) -> Iterator[list[str | None]]:
    """The rows of a stored result: a quoted value is text, nothing is NULL."""
    at, row = 0, []
    while at < len(text):
        if text[at] == '"':
            parts = []
            while True:
                end = text.index('"', at + 1)
                parts.append(text[at + 1 : end])
                at = end + 1
                if text[at : at + 1] != '"':
                    break
            row.append('"'.join(parts))
        else:
            row.append(None)
        if text[at : at + 1] == ",":
            at += 1
            if text[at : at + 1] == "\n":
                row.append(None)
        if text[at : at + 1] == "\n":
            yield row
            at, row = at + 1, []


def read_text(text: str) -> Iterator[list[str | None]]:
    for line in text.splitlines():
        yield [*line.split("\t")]


# The .metadata file: a protocol-buffer message that drivers read


def metadata_file(columns: Sequence[ResultColumn], update_count: int | None) -> bytes:
    """The column descriptions in the wire format that Athena's own drivers parse."""
    message = b""
    for column in columns:
        info = column.info()
        inner = b"".join(
            _text(number, info[key])
            for number, key in enumerate(
                ("CatalogName", "SchemaName", "TableName", "Name", "Label", "Type"), 1
            )
        )
        inner += _number(7, info["Precision"]) + _number(8, info["Scale"]) + _number(9, 3)
        inner += _number(10, int(info["CaseSensitive"]))
        message += _bytes(4, inner)
    if update_count is not None:
        message += _number(5, update_count)
    return message


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _bytes(tag: int, value: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(value)) + value


def _text(tag: int, value: str) -> bytes:
    return _bytes(tag, value.encode())
