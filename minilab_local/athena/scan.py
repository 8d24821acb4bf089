"""External (Hive) tables as DuckDB scans over the objects' files.

Columns come by name from Glue, never from the files: a column that an older file lacks is NULL.
Partition values come from Glue too, typed as Glue says, whatever the path looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from minilab_local.athena import text_files
from minilab_local.athena.catalog import HIVE_DEFAULT_PARTITION, Column, Partition, Table
from minilab_local.athena.errors import QueryError, not_supported
from minilab_local.athena.store import Store, StoredObject
from minilab_local.athena.types import Type, quoted

OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
LAZY_SIMPLE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
ORC = "org.apache.hadoop.hive.ql.io.orc.OrcSerde"
OPENX_JSON = "org.openx.data.jsonserde.JsonSerDe"
HIVE_JSON = "org.apache.hive.hcatalog.data.JsonSerDe"
HADOOP_JSON = "org.apache.hadoop.hive.serde2.JsonSerDe"

_FORMATS = {
    OPEN_CSV: "opencsv",
    LAZY_SIMPLE: "text",
    PARQUET: "parquet",
    "parquet.hive.serde.ParquetHiveSerDe": "parquet",
    ORC: "orc",
    OPENX_JSON: "json",
    HIVE_JSON: "json",
    HADOOP_JSON: "json",
}


@dataclass(frozen=True)
class Relation:
    """A named DuckDB query that stands for a table: ``sql`` yields ``columns`` (name -> Trino
    type). ``before`` are relations that it is built on; ``bytes`` is what reading it scans."""

    name: str
    columns: Mapping[str, str]
    sql: str
    bytes: int = 0
    before: tuple[Relation, ...] = field(default=())


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def format_of(table: Table) -> str:
    """``parquet``, ``opencsv``, ``text``, ``json`` or ``orc``.

    Raises:
        QueryError: the engine cannot read this serde.
    """
    serde = (table.descriptor.get("SerdeInfo") or {}).get("SerializationLibrary") or ""
    known = _FORMATS.get(serde)
    if known:
        return known
    input_format = (table.descriptor.get("InputFormat") or "").lower()
    for name in ("parquet", "orc"):
        if not serde and name in input_format:
            return name
    if not serde and "textinputformat" in input_format:
        return "text"
    raise not_supported(
        f"Table {table.name} has the serde '{serde or 'none'}', which this engine cannot read. "
        f"It reads {', '.join(sorted(_FORMATS))}"
    )


def typed_values(keys: Sequence[Column], values: Sequence[str]) -> list[str]:
    """Glue's texts of one partition as SQL of their columns' types."""
    if len(keys) != len(values):
        raise QueryError(
            "HIVE_INVALID_METADATA",
            f"Partition {list(values)} does not match the keys {[k.name for k in keys]}",
        )
    result = []
    for key, value in zip(keys, values, strict=True):
        if value == HIVE_DEFAULT_PARTITION:
            result.append(f"CAST(NULL AS {key.type.duckdb()})")
        elif key.type.name in ("varchar", "char"):
            result.append(literal(value))
        else:
            result.append(f"CAST({literal(value)} AS {key.type.duckdb()})")
    return result


def empty(columns: Sequence[Column]) -> str:
    parts = ", ".join(f"CAST(NULL AS {c.type.duckdb()}) AS {quoted(c.name)}" for c in columns)
    return f"SELECT {parts or 'NULL AS nothing'} WHERE false"


def hive(store: Store, table: Table, partitions: Sequence[Partition] | None) -> tuple[str, int]:
    """DuckDB's query for a table, and the bytes it reads. ``partitions`` are those that the
    statement's predicates leave; None for an unpartitioned table."""
    keys = table.partition_keys
    kind = format_of(table)
    files: list[StoredObject] = []
    of_file: list[int] = []
    if partitions is None:
        files = store.list_data(table.location)
    else:
        for index, partition in enumerate(partitions):
            found = store.list_data(partition.location)
            files += found
            of_file += [index] * len(found)
    if not files:
        return empty(table.all_columns), 0
    source = _source(kind, table, _readable(store, kind, table, files))
    size = sum(f.size for f in files)
    if not keys or partitions is None:
        return source.select([]), size
    if len(partitions) == 1:
        values = typed_values(keys, partitions[0].values)
        named = [f"{v} AS {quoted(k.name)}" for k, v in zip(keys, values, strict=True)]
        return source.select(named), size
    rows = ", ".join(
        f"({i}::UBIGINT, {', '.join(typed_values(keys, partitions[p].values))})"
        for i, p in enumerate(of_file)
    )
    names = ", ".join(["f", *(quoted(k.name) for k in keys)])
    chosen = [f"p.{quoted(k.name)}" for k in keys]
    return (
        f"{source.select(chosen)} JOIN (VALUES {rows}) AS p({names}) ON p.f = s.file_index",
        size,
    )


@dataclass(frozen=True)
class _Source:
    """``reader`` is a DuckDB table function's call; ``columns`` are the expressions over it."""

    reader: str
    columns: Sequence[str]

    def select(self, more: Sequence[str]) -> str:
        return f"SELECT {', '.join([*self.columns, *more])} FROM {self.reader} AS s"


@dataclass(frozen=True)
class _File:
    """``compression`` is DuckDB's name for it: none, gzip or zstd."""

    path: str
    compression: str


def _source(kind: str, table: Table, files: Sequence[_File]) -> _Source:
    listed = "[" + ", ".join(literal(f.path) for f in files) + "]"
    columns = table.columns
    if kind == "parquet":
        return _Source(
            f"read_parquet({listed}, schema=MAP{{{_parquet_schema(columns)}}})",
            [parquet_column(c.name, c.type) for c in columns],
        )
    if kind == "orc":
        raise not_supported(f"Table {table.name} is ORC, which this engine cannot read yet")
    reader = {"json": _json, "opencsv": _open_csv, "text": _text}[kind]
    kinds = {f.compression for f in files}
    if len(kinds) > 1:
        return _mixed(reader, table, files)
    return reader(table, listed, kinds.pop())


def _mixed(
    reader: Callable[[Table, str, str], _Source], table: Table, files: Sequence[_File]
) -> _Source:
    """Files that are compressed in different ways, each read by itself."""
    parts = []
    for index, file in enumerate(files):
        part = reader(table, f"[{literal(file.path)}]", file.compression)
        parts.append(part.select([f"{index}::UBIGINT AS file_index"]))
    return _Source(f"({' UNION ALL '.join(parts)})", [f"s.{quoted(c.name)}" for c in table.columns])


def parquet_column(name: str, kind: Type) -> str:
    """A column of a Parquet scan ``s``. DuckDB 2.0 fails on a field of a row that a file lacks
    when it reads that field alone, so a row is made to be read whole."""
    column = f"s.{quoted(name)}"
    return f"coalesce({column}, NULL) AS {quoted(name)}" if kind.name == "row" else column


def _parquet_schema(columns: Sequence[Column]) -> str:
    """read_parquet's ``schema``: what a file lacks is NULL, what it has otherwise is cast."""
    return ", ".join(
        f"{literal(c.name)}: {{name: {literal(c.name)}, type: {literal(c.type.duckdb())}, "
        f"default_value: NULL}}"
        for c in columns
    )


def serde_parameters(table: Table) -> dict[str, str]:
    return dict((table.descriptor.get("SerdeInfo") or {}).get("Parameters") or {})


def _readable(store: Store, kind: str, table: Table, files: Sequence[StoredObject]) -> list[_File]:
    """The files as DuckDB can read them, each with how it is compressed."""
    made = []
    for item in files:
        path = store.path(item.bucket, item.key)
        if kind == "parquet":
            made.append(_File(str(path), "none"))
            continue
        packed = _compression(path)
        if kind == "opencsv" and text_files.has_backslash(path, packed=packed == "gzip"):
            separator, quote, escape = _csv_signs(table)
            plain = store.derived(
                item,
                f"csv{separator}{quote}{escape}",
                partial(
                    text_files.plain_csv,
                    packed=packed == "gzip",
                    separator=separator,
                    quote=quote,
                    escape=escape,
                ),
            )
            path, packed = plain, "none"
        if kind == "json" and text_files.has_capital_keys(path, packed=packed == "gzip"):
            columns = {_json_key(table, c.name): c.type for c in table.columns}
            plain = store.derived(
                item,
                f"json{columns}",
                partial(text_files.plain_json, columns=columns, packed=packed == "gzip"),
            )
            path, packed = plain, "none"
        made.append(_File(str(path), packed))
    return made


_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_UNREAD = {b"BZh": "bzip2", b"\x04\x22\x4d\x18": "lz4", b"\xff\x06\x00\x00sNaPpY": "snappy"}


def _compression(path: Path) -> str:
    with path.open("rb") as stream:
        start = stream.read(10)
    for magic, name in _UNREAD.items():
        if start.startswith(magic):
            raise not_supported(f"Text files compressed with {name} are not read by this engine")
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "none")


def _json_key(table: Table, column: str) -> str:
    """The key that a column is read from: the OpenX serde can map it to another."""
    return serde_parameters(table).get(f"mapping.{column}", column)


def _json(table: Table, listed: str, compression: str) -> _Source:
    columns = table.columns
    keys = {c.name: _json_key(table, c.name) for c in columns}
    schema = ", ".join(f"{literal(keys[c.name])}: {literal(c.type.duckdb())}" for c in columns)
    ignore = serde_parameters(table).get("ignore.malformed.json", "false").lower() == "true"
    reader = (
        f"read_json({listed}, format='newline_delimited', columns={{{schema}}}, "
        f"maximum_object_size=33554432, ignore_errors={str(ignore).lower()}, "
        f"compression={literal(compression)})"
    )
    return _Source(reader, [f"s.{quoted(keys[c.name])} AS {quoted(c.name)}" for c in columns])


def _skipped_lines(table: Table) -> int:
    name = "skip.header.line.count"
    return int(table.parameters.get(name) or serde_parameters(table).get(name) or 0)


def _csv_signs(table: Table) -> tuple[str, str, str]:
    """Separator, quote and escape of a table with the OpenCSVSerde."""
    parameters = serde_parameters(table)
    return (
        parameters.get("separatorChar", ","),
        parameters.get("quoteChar", '"'),
        parameters.get("escapeChar", "\\"),
    )


def _open_csv(table: Table, listed: str, compression: str) -> _Source:
    columns = table.columns
    separator, quote, _ = _csv_signs(table)
    schema = ", ".join(f"{literal(c.name)}: 'VARCHAR'" for c in columns)
    reader = (
        f"read_csv({listed}, columns={{{schema}}}, delim={literal(separator)}, "
        f"quote={literal(quote)}, escape={literal(quote)}, skip={_skipped_lines(table)}, "
        "auto_detect=false, header=false, null_padding=true, strict_mode=false, "
        f"max_line_size=33554432, compression={literal(compression)})"
    )
    return _Source(reader, [f"{_open_csv_value(c)} AS {quoted(c.name)}" for c in columns])


_NO_SEPARATOR, _NO_NULL = "\x02\x07\x02\x07", "\x03\x07\x03"


def _text(table: Table, listed: str, compression: str) -> _Source:
    """LazySimpleSerDe: a line, split; what is too much is ignored, what lacks is NULL."""
    parameters, columns = serde_parameters(table), table.columns
    if parameters.get("escape.delim"):
        raise not_supported(f"Table {table.name}: ESCAPED BY is not read by this engine")
    delimiter = parameters.get("field.delim") or parameters.get("serialization.format") or "1"
    delimiter = "\x01" if delimiter == "1" else delimiter
    null = parameters.get("serialization.null.format", "\\N")
    reader = (
        f"(SELECT string_split(line, {literal(delimiter)}) AS v, file_index FROM "
        f"read_csv({listed}, columns={{'line': 'VARCHAR'}}, delim={literal(_NO_SEPARATOR)}, "
        f"quote='', escape='', nullstr={literal(_NO_NULL)}, skip={_skipped_lines(table)}, "
        "auto_detect=false, header=false, strict_mode=false, max_line_size=33554432, "
        f"compression={literal(compression)}))"
    )
    values = [
        _text_value(c, f"nullif(s.v[{position}], {literal(null)})")
        for position, c in enumerate(columns, 1)
    ]
    return _Source(
        reader, [f"{v} AS {quoted(c.name)}" for v, c in zip(values, columns, strict=True)]
    )


def _open_csv_value(column: Column) -> str:
    """OpenCSVSerde reads all as text and then parses it; an empty field is no number (NULL),
    a DATE is days and a TIMESTAMP milliseconds since 1970 (Athena User Guide, "CSV SerDe")."""
    source, kind = f"s.{quoted(column.name)}", column.type
    if kind.name in ("varchar", "char"):
        return f"coalesce({source}, '')"
    filled = f"nullif({source}, '')"
    if kind.name == "date":
        return f"(DATE '1970-01-01' + CAST({filled} AS INTEGER))"
    if kind.name == "timestamp":
        return f"CAST(make_timestamp(CAST({filled} AS BIGINT) * 1000) AS TIMESTAMP)"
    return f"CAST({filled} AS {kind.duckdb()})"


def _text_value(column: Column, source: str) -> str:
    """LazySimpleSerDe turns what it cannot parse into NULL."""
    kind = column.type
    if kind.name == "varchar":
        return source
    if kind.name in ("row", "array", "map"):
        raise not_supported(
            f"Column '{column.name}': nested types in delimited text are not supported"
        )
    if kind.name == "varbinary":
        return f"from_base64({source})"
    return f"TRY_CAST({source} AS {kind.duckdb()})"
