"""Rows to objects: the files of CTAS, INSERT and UNLOAD.

A query that writes partitions runs once, into a temporary table; its distinct partition values are
numbered, and DuckDB writes one directory per number, so that a value is never read back from a
path.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import urllib.parse
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from minilab_local.athena.catalog import HIVE_DEFAULT_PARTITION, Column, Partition
from minilab_local.athena.context import Context
from minilab_local.athena.errors import QueryError, not_supported
from minilab_local.athena.scan import HIVE_JSON, LAZY_SIMPLE, PARQUET, literal
from minilab_local.athena.store import split
from minilab_local.athena.types import Type, quoted

MAX_PARTITIONS = 100


# One file or many


@dataclass(frozen=True)
class Written:
    """One file that DuckDB wrote: ``part`` is the number of its partition."""

    path: Path
    part: int
    rows: int


def copy(context: Context, sql: str, options: Mapping[str, str], folder: Path) -> list[Written]:
    """Write a query to one file; none when it has no rows."""
    target = folder / "data"
    settings = ", ".join(f"{k} {v}" for k, v in options.items())
    done = context.duck.execute(f"COPY ({sql}) TO {literal(str(target))} ({settings})").fetchall()
    rows = done[0][0] if done else 0
    return [Written(target, 0, rows)] if rows else []


def copy_partitioned(
    context: Context,
    table: str,
    columns: Sequence[str],
    keys: Sequence[str],
    options: Mapping[str, str],
    folder: Path,
    *,
    limit: int | None = MAX_PARTITIONS,
) -> tuple[list[Written], list[tuple[object, ...]]]:
    """Write a temporary table to one file per distinct value of ``keys`` (SQL expressions).
    Returns the files, and the key values by partition number.

    Raises:
        QueryError: more partitions than Athena opens at once.
    """
    duck = context.duck
    named = ", ".join(f"{key} AS k{i}" for i, key in enumerate(keys))
    duck.execute(f"CREATE OR REPLACE TEMP TABLE parts__ AS SELECT DISTINCT {named} FROM {table}")
    values = duck.execute("SELECT * FROM parts__ ORDER BY ALL").fetchall()
    if limit is not None and len(values) > limit:
        raise QueryError(
            "HIVE_TOO_MANY_OPEN_PARTITIONS",
            f"Exceeded limit of {limit} open writers for partitions/buckets",
        )
    if not values:
        return [], []
    ordinals = ", ".join(f"k{i}" for i in range(len(keys)))
    duck.execute(
        "CREATE OR REPLACE TEMP TABLE numbered__ AS "
        f"SELECT *, row_number() OVER (ORDER BY {ordinals}) - 1 AS n__ FROM parts__"
    )
    values = [r[:-1] for r in duck.execute("SELECT * FROM numbered__ ORDER BY n__").fetchall()]
    same = " AND ".join(f"({key}) IS NOT DISTINCT FROM q.k{i}" for i, key in enumerate(keys))
    chosen = ", ".join([*columns, "q.n__ AS n__"])
    sql = f"SELECT {chosen} FROM {table} JOIN numbered__ AS q ON {same}"
    target = folder / "parts"
    settings = {**options, "PARTITION_BY": "(n__)", "RETURN_STATS": "true"}
    if options.get("FORMAT") != "parquet":
        settings.pop("RETURN_STATS")
    text = ", ".join(f"{k} {v}" for k, v in settings.items())
    duck.execute(f"COPY ({sql}) TO {literal(str(target))} ({text})").fetchall()
    counts = dict(
        duck.execute(
            f"SELECT q.n__, count(*) FROM {table} JOIN numbered__ AS q ON {same} GROUP BY 1"
        ).fetchall()
    )
    written = []
    for path in sorted(target.glob("n__=*/*")):
        number = int(path.parent.name.partition("=")[2])
        written.append(Written(path, number, counts.pop(number, 0)))
    return written, values


class Scratch:
    """A folder for files on their way to the store."""

    def __enter__(self) -> Path:
        self._path = Path(tempfile.mkdtemp(prefix="minilab-athena-"))
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


# Hive tables


@dataclass(frozen=True)
class Format:
    """How a Hive table's files are written, and how Glue describes it."""

    name: str
    compression: str | None
    delimiter: str = "\x01"

    @property
    def copy_options(self) -> dict[str, str]:
        if self.name == "parquet":
            return {"FORMAT": "parquet", "COMPRESSION": self.compression or "zstd"}
        packed = {"COMPRESSION": self.compression or "uncompressed"}
        if self.name == "json":
            return {"FORMAT": "json", **packed}
        return {
            "FORMAT": "csv",
            "HEADER": "false",
            "DELIMITER": literal(self.delimiter),
            "QUOTE": "''",
            "ESCAPE": "''",
            "NULLSTR": literal("\\N"),
            **packed,
        }

    @property
    def suffix(self) -> str:
        if self.name == "parquet":
            return ""
        return {"gzip": ".gz", "zstd": ".zst"}.get(self.compression or "", "")

    @property
    def descriptor(self) -> dict[str, object]:
        text = {
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        }
        if self.name == "parquet":
            return {
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": PARQUET, "Parameters": {}},
            }
        if self.name == "json":
            return {**text, "SerdeInfo": {"SerializationLibrary": HIVE_JSON, "Parameters": {}}}
        shown = "1" if self.delimiter == "\x01" else self.delimiter
        parameters = {"field.delim": self.delimiter, "serialization.format": shown}
        if self.delimiter == "\x01":
            parameters = {"serialization.format": "1"}
        return {
            **text,
            "SerdeInfo": {"SerializationLibrary": LAZY_SIMPLE, "Parameters": parameters},
        }


_COMPRESSIONS = {"snappy": "snappy", "gzip": "gzip", "zstd": "zstd", "none": "uncompressed"}


def format_for(properties: Mapping[str, object]) -> Format:
    """What CTAS's or UNLOAD's WITH says of the files.

    Raises:
        QueryError: a format or compression that Athena or this engine does not write.
    """
    name = str(properties.get("format", "parquet")).lower()
    asked = (
        properties.get("write_compression")
        or properties.get("parquet_compression")
        or properties.get("compression")
    )
    compression = None
    if asked is not None:
        compression = _COMPRESSIONS.get(str(asked).lower())
        if compression is None or (name != "parquet" and compression == "snappy"):
            raise not_supported(f"Compression {asked} for {name} is not written by this engine")
    if name not in ("parquet", "json", "textfile"):
        raise not_supported(
            f"Format {name.upper()} is not written by this engine (PARQUET, JSON, TEXTFILE are)"
        )
    delimiter = str(properties.get("field_delimiter", "\x01"))
    if name == "json" and compression is None:
        compression = "gzip"
    if name == "textfile" and compression is None:
        compression = "gzip"
    return Format(name, compression, delimiter)


def file_name(suffix: str) -> str:
    """A name as Athena gives its files: when, and something unique."""
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y%m%d_%H%M%S}_00000_{uuid.uuid4().hex[:5]}_{uuid.uuid4()}{suffix}"


def partition_text(value: object) -> str:
    """A partition value as Hive writes it in a path and Glue keeps it."""
    if value is None:
        return HIVE_DEFAULT_PARTITION
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        text = value.strftime("%Y-%m-%d %H:%M:%S")
        return f"{text}.{value.microsecond // 1000:03d}" if value.microsecond else text
    if value == "":
        return HIVE_DEFAULT_PARTITION
    return str(value)


def escape_path(text: str) -> str:
    """Hive's escaping of a path's part: what is special becomes ``%XX``."""
    special = set("\"#%'*/:=?\\\x7f{[]^") | {chr(i) for i in range(1, 32)}
    return "".join(f"%{ord(c):02X}" if c in special else c for c in text)


def unescape_path(text: str) -> str:
    return urllib.parse.unquote(text)


def partition_path(keys: Sequence[Column], values: Sequence[str]) -> str:
    pairs = zip(keys, values, strict=True)
    return "/".join(f"{k.name}={escape_path(v)}" for k, v in pairs) + "/"


@dataclass(frozen=True)
class HiveOutput:
    rows: int
    partitions: tuple[Partition, ...]
    uris: tuple[str, ...]


def hive(
    context: Context,
    sql: str,
    columns: Sequence[Column],
    keys: Sequence[Column],
    format: Format,
    location: str,
) -> HiveOutput:
    """Run a query whose columns are ``columns`` and then ``keys``, and store its rows below
    ``location``, in a folder per partition."""
    base = location if location.endswith("/") else location + "/"
    with Scratch() as folder:
        if not keys:
            files = copy(context, sql, format.copy_options, folder)
            values: list[tuple[object, ...]] = [()]
        else:
            context.duck.execute(f"CREATE OR REPLACE TEMP TABLE rows__ AS {sql}")
            files, values = copy_partitioned(
                context,
                "rows__",
                [f"rows__.{quoted(c.name)}" for c in columns],
                [f"rows__.{quoted(k.name)}" for k in keys],
                format.copy_options,
                folder,
            )
            context.duck.execute("DROP TABLE rows__")
        texts = [tuple(partition_text(v) for v in row) for row in values]
        folders = [base + (partition_path(keys, t) if keys else "") for t in texts]
        uris = []
        for file in files:
            uri = folders[file.part] + file_name(format.suffix)
            context.store.put(*split(uri), file.path)
            uris.append(uri)
    partitions = tuple(Partition(t, f) for t, f in zip(texts, folders, strict=True)) if keys else ()
    return HiveOutput(sum(f.rows for f in files), partitions, tuple(uris))


def cast_select(sql: str, sources: Sequence[Column], targets: Sequence[tuple[str, Type]]) -> str:
    """``sql``'s columns, by position, under the names and in the types of ``targets``."""
    chosen = ", ".join(
        f"CAST({quoted(source.name)} AS {kind.duckdb()}) AS {quoted(name)}"
        for source, (name, kind) in zip(sources, targets, strict=True)
    )
    return f"SELECT {chosen} FROM ({sql})"
