"""External (Hive) tables as DuckDB scans over the objects' files.

Columns come by name from Glue, never from the files: a column that an older file lacks is NULL.
Partition values come from Glue too, typed as Glue says, whatever the path looks like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from minilab_local.athena.catalog import HIVE_DEFAULT_PARTITION, Column, Partition, Table
from minilab_local.athena.errors import QueryError, not_supported
from minilab_local.athena.store import Store, StoredObject
from minilab_local.athena.types import quoted

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
    paths = [str(store.path(f.bucket, f.key)) for f in files]
    source = _source(kind, table, paths)
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


def _source(kind: str, table: Table, paths: Sequence[str]) -> _Source:
    listed = "[" + ", ".join(literal(p) for p in paths) + "]"
    columns = table.columns
    if kind == "parquet":
        return _Source(
            f"read_parquet({listed}, schema=MAP{{{_parquet_schema(columns)}}})",
            [f"s.{quoted(c.name)}" for c in columns],
        )
    if kind == "json":
        return _json(table, listed)
    if kind == "orc":
        raise not_supported(f"Table {table.name} is ORC, which this engine cannot read yet")
    return _csv(kind, table, listed)


def _parquet_schema(columns: Sequence[Column]) -> str:
    """read_parquet's ``schema``: what a file lacks is NULL, what it has otherwise is cast."""
    return ", ".join(
        f"{literal(c.name)}: {{name: {literal(c.name)}, type: {literal(c.type.duckdb())}, "
        f"default_value: NULL}}"
        for c in columns
    )


def serde_parameters(table: Table) -> dict[str, str]:
    return dict((table.descriptor.get("SerdeInfo") or {}).get("Parameters") or {})


def _json(table: Table, listed: str) -> _Source:
    columns = table.columns
    renamed = {
        key[len("mapping.") :].lower(): value
        for key, value in serde_parameters(table).items()
        if key.startswith("mapping.")
    }
    schema = ", ".join(
        f"{literal(renamed.get(c.name, c.name))}: {literal(c.type.duckdb())}" for c in columns
    )
    ignore = serde_parameters(table).get("ignore.malformed.json", "false").lower() == "true"
    reader = (
        f"read_json({listed}, format='newline_delimited', columns={{{schema}}}, "
        f"maximum_object_size=33554432, ignore_errors={str(ignore).lower()})"
    )
    return _Source(
        reader,
        [f"s.{quoted(renamed.get(c.name, c.name))} AS {quoted(c.name)}" for c in columns],
    )


def _csv(kind: str, table: Table, listed: str) -> _Source:
    columns, parameters = table.columns, serde_parameters(table)
    skip = int(
        table.parameters.get("skip.header.line.count")
        or parameters.get("skip.header.line.count")
        or 0
    )
    options = {
        "auto_detect": "false",
        "header": "false",
        "skip": str(skip),
        "null_padding": "true",
        "strict_mode": "false",
        "nullstr": literal("\\N") if kind == "text" else "NULL",
        "max_line_size": "33554432",
    }
    if kind == "opencsv":
        options["delim"] = literal(parameters.get("separatorChar", ","))
        options["quote"] = literal(parameters.get("quoteChar", '"'))
        escape = parameters.get("escapeChar", "\\")
        options["escape"] = literal(escape)
        options.pop("nullstr")
    else:
        delimiter = parameters.get("field.delim") or parameters.get("serialization.format") or "1"
        options["delim"] = literal("\x01" if delimiter == "1" else delimiter)
        options["quote"] = "''"
        options["escape"] = literal(parameters.get("escape.delim", ""))
        options["nullstr"] = literal(parameters.get("serialization.null.format", "\\N"))
    schema = ", ".join(f"{literal(c.name)}: 'VARCHAR'" for c in columns)
    settings = ", ".join(f"{k}={v}" for k, v in options.items())
    reader = f"read_csv({listed}, columns={{{schema}}}, {settings})"
    convert = _open_csv_value if kind == "opencsv" else _text_value
    return _Source(reader, [f"{convert(c)} AS {quoted(c.name)}" for c in columns])


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


def _text_value(column: Column) -> str:
    """LazySimpleSerDe turns what it cannot parse into NULL."""
    source, kind = f"s.{quoted(column.name)}", column.type
    if kind.name == "varchar":
        return source
    if kind.name in ("row", "array", "map"):
        raise not_supported(
            f"Column '{column.name}': nested types in delimited text are not supported"
        )
    if kind.name == "varbinary":
        return f"from_base64({source})"
    return f"TRY_CAST({source} AS {kind.duckdb()})"
