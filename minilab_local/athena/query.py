"""SELECT, CTAS, INSERT, UNLOAD, EXPLAIN: statements that are a query and a place for its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from minilab_local.athena import resolve, types, views, write
from minilab_local.athena import statements as s
from minilab_local.athena.catalog import Column, Table, TableName, already_exists
from minilab_local.athena.context import Context, Run
from minilab_local.athena.errors import QueryError, not_supported
from minilab_local.athena.iceberg import create as iceberg_create
from minilab_local.athena.iceberg import write as iceberg_write
from minilab_local.athena.iceberg.commit import append
from minilab_local.athena.resolve import DuckQuery
from minilab_local.athena.results import Answer, ResultColumn, texts
from minilab_local.athena.scan import format_of, serde_parameters
from minilab_local.athena.store import split
from minilab_local.athena.types import Type

_FETCH = 5_000


@dataclass(frozen=True)
class Prepared:
    """A query whose relations the connection knows; ``bytes`` is what it will scan."""

    query: DuckQuery
    bytes: int

    @property
    def sql(self) -> str:
        return self.query.sql


def prepare_query(context: Context, tree: exp.Expression) -> Prepared:
    """Resolve and translate a query, and make its relations known to the connection."""
    resolved = resolve.resolve(tree, context)
    resolve.define(resolved.relations, context.duck)
    return Prepared(resolve.to_duckdb(resolved.tree, resolved.columns), resolved.bytes)


def select(statement: s.Query, run: Run) -> Answer:
    prepared = prepare_query(run.context, statement.tree)
    duck = run.context.duck
    duck.execute(prepared.sql)
    names = [d[0] for d in duck.description or []]
    columns = [ResultColumn(*c) for c in zip(names, prepared.query.types, strict=True)]

    def rows() -> Iterator[Sequence[Any]]:
        while chunk := duck.fetchmany(_FETCH):
            yield from chunk

    return Answer(columns, texts(rows(), columns), header=True, bytes=prepared.bytes)


def written_answer(rows: int, size: int, uris: Sequence[str] = ()) -> Answer:
    return Answer((ResultColumn("rows", "bigint"),), (), False, rows, size, uris)


# CREATE TABLE AS


def create_table_as(statement: s.CreateTableAs, run: Run) -> Answer:
    context = run.context
    name = context.name(statement.name)
    context.catalog.require_database(name.database)
    if context.catalog.table(name) is not None:
        if statement.if_not_exists:
            return written_answer(0, 0)
        raise already_exists(name)
    prepared = prepare_query(context, statement.tree)
    kept, columns = prepared.query.stored(context.duck)
    sql, size = kept.sql, prepared.bytes
    if not statement.with_data:
        sql = f"SELECT * FROM ({sql}) WHERE false"
    _check_columns(statement.tree, columns)
    properties = statement.properties
    if str(properties.get("table_type", "HIVE")).upper() == "ICEBERG":
        rows, uris = iceberg_create.create_as(run, name, sql, columns, properties)
        return written_answer(rows, size, uris)
    return _create_hive(statement, run, name, sql, columns, size)


def _check_columns(tree: exp.Expression, columns: Sequence[Column]) -> None:
    """What is kept needs names, each once."""
    position = resolve.unnamed_column(tree)
    if position is not None:
        raise QueryError("MISSING_COLUMN_NAME", f"Column name not specified at position {position}")
    seen: set[str] = set()
    for column in columns:
        lowered = column.name.lower()
        if lowered in seen:
            raise QueryError(
                "DUPLICATE_COLUMN_NAME", f"Column name '{lowered}' specified more than once"
            )
        seen.add(lowered)


_CTAS_PROPERTIES = {
    *("table_type", "is_external", "external_location", "format", "partitioned_by"),
    *("write_compression", "parquet_compression", "orc_compression", "field_delimiter"),
    *("bucketed_by", "bucket_count", "compression_level", "s3_staging_dir"),
}


def _create_hive(
    statement: s.CreateTableAs,
    run: Run,
    name: TableName,
    sql: str,
    columns: Sequence[Column],
    size: int,
) -> Answer:
    context, properties = run.context, statement.properties
    unknown = set(properties) - _CTAS_PROPERTIES
    if unknown:
        raise QueryError(
            "INVALID_TABLE_PROPERTY",
            f"Table property '{sorted(unknown)[0]}' does not exist",
        )
    format = write.format_for(properties)
    partitioned_by = [str(k).lower() for k in _listed(properties.get("partitioned_by"))]
    lowered = [Column(c.name.lower(), c.type) for c in columns]
    tail = lowered[len(lowered) - len(partitioned_by) :] if partitioned_by else []
    if [c.name for c in tail] != partitioned_by:
        if set(partitioned_by) <= {c.name for c in lowered}:
            raise QueryError(
                "HIVE_COLUMN_ORDER_MISMATCH",
                "Partition keys must be the last columns in the table and in the same order as "
                f"the table properties: [{', '.join(partitioned_by)}]",
            )
        missing = next(k for k in partitioned_by if k not in {c.name for c in lowered})
        raise QueryError(
            "INVALID_TABLE_PROPERTY", f"Partition column '{missing}' not in table columns"
        )
    data = lowered[: len(lowered) - len(tail)]
    if not data:
        raise QueryError("NOT_SUPPORTED", "Table contains only partition columns")
    data = [_for_hive(c) for c in data]
    tail = [_for_hive(c) for c in tail]
    location = str(properties.get("external_location") or f"{run.output}tables/{run.id}/")
    bucket, key = split(location)
    prefix = key if not key or key.endswith("/") else key + "/"
    if context.store.list(bucket, prefix):
        raise QueryError(
            "HIVE_PATH_ALREADY_EXISTS",
            f"Target directory for table '{name}' already exists: {location}. You may need to "
            "manually clean the data at location before retrying.",
        )
    typed = write.cast_select(sql, columns, [(c.name, c.type) for c in [*data, *tail]])
    output = write.hive(context, typed, data, tail, format, location)
    table_input = _hive_input(name, data, tail, format, location, properties, statement.comment)
    try:
        context.catalog.create_table(name, table_input)
        table = context.catalog.require_table(name)
        context.catalog.add_partitions(table, output.partitions)
    except Exception:
        context.store.delete(bucket, [split(uri)[1] for uri in output.uris])
        raise
    return written_answer(output.rows, size, output.uris)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _for_hive(column: Column) -> Column:
    """The type that a Hive table keeps; what Hive has no word for is refused."""
    kind = column.type
    for part in kind.walk():
        if part.name in ("time", "timestamp with time zone", "uuid", "json", "unknown") or (
            part.name.startswith("interval")
        ):
            raise QueryError(
                "NOT_SUPPORTED", f"Unsupported Hive type: {part.trino()} (column '{column.name}')"
            )
    return Column(column.name, _without_precision(kind), column.comment)


def _without_precision(kind: Type) -> Type:
    parts = tuple(_without_precision(p) for p in kind.parts)
    size = () if kind.name == "timestamp" else kind.size
    return Type(kind.name, size, parts, kind.names)


def _hive_input(
    name: TableName,
    data: Sequence[Column],
    keys: Sequence[Column],
    format: write.Format,
    location: str,
    properties: Any,
    comment: str | None,
) -> dict[str, Any]:
    buckets = [str(c).lower() for c in _listed(properties.get("bucketed_by"))]
    table_input: dict[str, Any] = {
        "Name": name.table,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "has_encrypted_data": "false"},
        "PartitionKeys": [{"Name": c.name, "Type": c.type.hive()} for c in keys],
        "StorageDescriptor": {
            "Columns": [{"Name": c.name, "Type": c.type.hive()} for c in data],
            "Location": location,
            "Compressed": False,
            "NumberOfBuckets": int(properties.get("bucket_count") or (-1 if not buckets else 0)),
            "BucketColumns": buckets,
            "SortColumns": [],
            "StoredAsSubDirectories": False,
            **format.descriptor,
        },
    }
    if comment:
        table_input["Description"] = comment
        table_input["Parameters"]["comment"] = comment
    if format.name == "parquet":
        table_input["Parameters"]["parquet.compression"] = (format.compression or "zstd").upper()
    return table_input


# INSERT


def insert(statement: s.Insert, run: Run) -> Answer:
    context = run.context
    name = context.name(statement.name)
    table = context.catalog.require_table(name)
    if table.is_view:
        raise QueryError("NOT_SUPPORTED", f"Inserting into views is not supported: {name.full}")
    prepared = prepare_query(context, statement.tree)
    size = prepared.bytes
    if table.is_iceberg:
        from minilab_local.athena.iceberg import catalog

        loaded = catalog.load(context.realm, name, rerun=False)
        targets = [Column(f.name, types.from_iceberg(f.field_type)) for f in loaded.schema().fields]
    else:
        loaded, targets = None, table.all_columns
    typed = _assign(context, statement.columns, prepared.query, targets)
    if loaded is not None:
        files = iceberg_write.write_rows(context, typed, loaded.metadata)
        append(context, loaded, files)
        return written_answer(
            sum(f.record_count for f in files), size, [f.file_path for f in files]
        )
    format = _format_of(table)
    output = write.hive(context, typed, table.columns, table.partition_keys, format, table.location)
    known = {p.values for p in context.catalog.partitions(table)}
    context.catalog.add_partitions(table, [p for p in output.partitions if p.values not in known])
    return written_answer(output.rows, size, output.uris)


def _assign(
    context: Context, names: Sequence[str], query: DuckQuery, targets: Sequence[Column]
) -> str:
    """The query's columns under the table's names and types; columns left out are NULL."""
    by_name = {c.name: c for c in targets}
    unknown = [n for n in names if n not in by_name]
    if unknown:
        raise QueryError(
            "COLUMN_NOT_FOUND", f"Insert column name does not exist in target table: {unknown[0]}"
        )
    wanted = [by_name[n] for n in names] if names else list(targets)
    sources, zoned = query.described(context.duck)
    compatible = len(wanted) == len(sources) and all(
        types.assignable(source.type, target.type)
        for source, target in zip(sources, wanted, strict=True)
    )
    if not compatible:
        raise QueryError(
            "TYPE_MISMATCH",
            "Insert query has mismatched column types: "
            f"Table: [{', '.join(c.type.trino() for c in wanted)}], "
            f"Query: [{', '.join(c.type.trino() for c in sources)}]",
        )
    values = {
        target.name: types.converted(f"c{i}", source.type, target.type, zoned=i in zoned)
        for i, (source, target) in enumerate(zip(sources, wanted, strict=True))
    }
    listed = ", ".join(f"c{i}" for i in range(len(sources)))
    chosen = ", ".join(
        f"{values.get(c.name, f'CAST(NULL AS {c.type.duckdb()})')} AS {types.quoted(c.name)}"
        for c in targets
    )
    return f"SELECT {chosen} FROM ({query.sql}) AS q({listed})"


def _format_of(table: Table) -> write.Format:
    """How INSERT writes into a table that is there."""
    kind, parameters = format_of(table), serde_parameters(table)
    if kind == "parquet":
        asked = (table.parameters.get("parquet.compression") or "").lower()
        return write.Format("parquet", asked if asked in ("snappy", "gzip", "zstd") else "zstd")
    if kind == "json":
        return write.Format("json", "gzip")
    if kind == "text":
        delimiter = parameters.get("field.delim") or parameters.get("serialization.format") or "1"
        return write.Format("textfile", "gzip", "\x01" if delimiter == "1" else delimiter)
    raise not_supported(f"Inserting into {table.name}: its serde is read but not written")


# UNLOAD


def unload(statement: s.Unload, run: Run) -> Answer:
    context, properties = run.context, statement.properties
    if "format" not in properties:
        raise QueryError("INVALID_ARGUMENTS", "UNLOAD needs WITH (format = …)")
    partitioned_by = [str(k).lower() for k in _listed(properties.get("partitioned_by"))]
    bucket, key = split(statement.location)
    prefix = key if not key or key.endswith("/") else key + "/"
    if context.store.list(bucket, prefix):
        raise QueryError(
            "HIVE_PATH_ALREADY_EXISTS",
            f"Target directory for UNLOAD already exists: {statement.location}",
        )
    prepared = prepare_query(context, statement.tree)
    kept, columns = prepared.query.stored(context.duck)
    sql, size = kept.sql, prepared.bytes
    tail = columns[len(columns) - len(partitioned_by) :] if partitioned_by else []
    if [c.name.lower() for c in tail] != partitioned_by:
        raise QueryError(
            "HIVE_COLUMN_ORDER_MISMATCH", "Partition keys must be the last columns of the query"
        )
    data = columns[: len(columns) - len(tail)]
    format = write.format_for(properties)
    output = write.hive(context, sql, data, tail, format, statement.location)
    return written_answer(output.rows, size, output.uris)


# CREATE VIEW


def create_view(statement: s.CreateView, run: Run) -> Answer:
    context = run.context
    name = context.name(statement.name)
    context.catalog.require_database(name.database)
    there = context.catalog.table(name)
    if there is not None and not statement.replace:
        raise already_exists(name)
    if there is not None and not there.is_view:
        raise QueryError("TABLE_ALREADY_EXISTS", f"'{name.full}' is a table, not a view")
    _, columns = prepare_query(context, statement.tree).query.stored(context.duck)
    _check_columns(statement.tree, columns)
    made = views.table_input(name, statement.text, columns, context.database, statement.comment)
    if there is None:
        context.catalog.create_table(name, made)
    else:
        context.catalog.update_table(name, made)
    return Answer()


# EXPLAIN


def explain(statement: s.Explain, run: Run) -> Answer:
    """The plan: the engine's own, so DuckDB's, as text; or whether the query is valid."""
    context = run.context
    prepared = prepare_query(context, statement.tree)
    if statement.options.get("type", "").lower() == "validate":
        prepared.query.described(context.duck)
        return Answer((ResultColumn("Valid", "boolean"),), [["true"]], header=True)
    if statement.options:
        raise not_supported("EXPLAIN with options other than (TYPE VALIDATE)")
    analyze = "ANALYZE " if statement.analyze else ""
    found = context.duck.execute(f"EXPLAIN {analyze}{prepared.sql}").fetchall()
    lines = [line for _, text in found for line in text.splitlines()]
    return Answer((ResultColumn("Query Plan", "varchar"),), [["Query Plan"], *([x] for x in lines)])
