"""Iceberg tables as DuckDB scans: snapshots, pruning by metadata, and the metadata tables."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg import expressions as ie
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot
from sqlglot import exp

from minilab_local.athena import prune, types
from minilab_local.athena.catalog import Column, Table
from minilab_local.athena.context import Context
from minilab_local.athena.errors import QueryError
from minilab_local.athena.iceberg import catalog
from minilab_local.athena.scan import Relation, empty, literal, parquet_column
from minilab_local.athena.store import split


@dataclass(frozen=True)
class At:
    """A point of a table's history: a snapshot id (``version``) or a moment (``timestamp``)."""

    kind: str
    value: object


def columns_of(schema: Schema) -> list[Column]:
    return [Column(f.name, types.from_iceberg(f.field_type), f.doc) for f in schema.fields]


def trino_columns(schema: Schema) -> dict[str, str]:
    return {c.name: c.type.trino() for c in columns_of(schema)}


def relation(
    context: Context, table: Table, unique: str, *, part: str, at: At | None, node: exp.Table
) -> Relation:
    """An Iceberg table, or one of its metadata tables (``part``), as of ``at``."""
    loaded = catalog.load(context.realm, table.name)
    if part:
        return _metadata_table(context, loaded, table, part, unique)
    snapshot = _snapshot(loaded, at)
    schema = loaded.schema()
    if at is not None and snapshot is not None and snapshot.schema_id is not None:
        schema = loaded.schemas()[snapshot.schema_id]
    if snapshot is None:
        return Relation(unique, trino_columns(schema), empty(columns_of(schema)))
    wanted = filter_of(context, schema, prune.predicates(node))
    tasks = plan(loaded, wanted, snapshot)
    sql = scan_sql(context, loaded, schema, tasks, f"{unique}_arrow")
    return Relation(
        unique, trino_columns(schema), sql, sum(t.file.file_size_in_bytes for t in tasks)
    )


def _snapshot(table: IcebergTable, at: At | None) -> Snapshot | None:
    if at is None:
        return table.current_snapshot()
    if at.kind == "version":
        found = (
            table.snapshot_by_id(at.value)
            if isinstance(at.value, int)
            else table.snapshot_by_name(str(at.value))
        )
        if found is None:
            raise QueryError(
                "INVALID_ARGUMENTS", f"Iceberg snapshot ID does not exists: {at.value}"
            )
        return found
    moment = at.value
    if isinstance(moment, dt.date) and not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day)
    if not isinstance(moment, dt.datetime):
        raise QueryError("TYPE_MISMATCH", f"{moment!r} is no point in time")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    found = table.snapshot_as_of_timestamp(int(moment.timestamp() * 1000))
    if found is None:
        raise QueryError(
            "INVALID_ARGUMENTS",
            f"No version history table {table.name()[-1]} at or before {moment.isoformat()}",
        )
    return found


def plan(
    table: IcebergTable, wanted: ie.BooleanExpression, snapshot: Snapshot | None = None
) -> list[FileScanTask]:
    """The data files that may hold rows of ``wanted``, in the order of their paths."""
    snapshot = snapshot or table.current_snapshot()
    if snapshot is None:
        return []
    scan = table.scan(row_filter=wanted, snapshot_id=snapshot.snapshot_id, case_sensitive=False)
    return sorted(scan.plan_files(), key=lambda t: t.file.file_path)


def scan_sql(
    context: Context,
    table: IcebergTable,
    schema: Schema,
    tasks: Sequence[FileScanTask],
    arrow_name: str,
    more: Sequence[str] = (),
) -> str:
    """DuckDB's query for a set of data files. ``more`` are further columns over the scan ``s``
    (``s.file_index``, ``s.file_row_number``)."""
    if not tasks:
        nothing = [Column(f"n{i}", types.Type("bigint")) for i in range(len(more))]
        return empty([*columns_of(schema), *nothing])
    plain = all(not t.delete_files and t.file.file_format.name == "PARQUET" for t in tasks)
    if not plain or "schema.name-mapping.default" in table.metadata.properties:
        if more:
            raise QueryError(
                "NOT_SUPPORTED",
                f"Table {'.'.join(table.name())} has delete files or files without field ids, "
                "which this engine reads but cannot change",
            )
        from pyiceberg.io.pyarrow import ArrowScan

        arrow = ArrowScan(table.metadata, table.io, schema, ie.AlwaysTrue()).to_table(tasks)
        context.duck.register(arrow_name, _plain_strings(arrow))
        return f'SELECT * FROM "{arrow_name}"'
    paths = [str(context.store.path(*split(t.file.file_path))) for t in tasks]
    fields = ", ".join(
        f"{f.field_id}: {{name: {literal(f.name)}, "
        f"type: {literal(types.from_iceberg(f.field_type).duckdb())}, default_value: NULL}}"
        for f in schema.fields
    )
    listed = ", ".join(literal(p) for p in paths)
    columns = [parquet_column(f.name, types.from_iceberg(f.field_type)) for f in schema.fields]
    chosen = ", ".join([*columns, *more])
    return f"SELECT {chosen} FROM read_parquet([{listed}], schema=MAP{{{fields}}}) AS s"


def _plain_strings(table: pa.Table) -> pa.Table:
    return table


# Predicates to Iceberg's own, which its manifests are asked


def filter_of(
    context: Context, schema: Schema, conjuncts: Sequence[exp.Expression]
) -> ie.BooleanExpression:
    """What of the conjuncts Iceberg's metadata can decide; the rest is left to the scan."""
    wanted: ie.BooleanExpression = ie.AlwaysTrue()
    for conjunct in conjuncts:
        found = _convert(context, schema, conjunct)
        if found is not None:
            wanted = ie.And(wanted, found)
    return wanted


_COMPARISONS = {
    exp.EQ: ie.EqualTo,
    exp.GT: ie.GreaterThan,
    exp.GTE: ie.GreaterThanOrEqual,
    exp.LT: ie.LessThan,
    exp.LTE: ie.LessThanOrEqual,
}
_MIRRORED = {exp.EQ: exp.EQ, exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}


def _convert(context: Context, schema: Schema, node: exp.Expression) -> ie.BooleanExpression | None:
    node = node.unnest()
    if isinstance(node, (exp.And, exp.Or)):
        left = _convert(context, schema, node.this)
        right = _convert(context, schema, node.expression)
        if isinstance(node, exp.And):
            return ie.And(left, right) if left and right else left or right
        return ie.Or(left, right) if left and right else None
    if type(node) in _COMPARISONS:
        kind, column, value = type(node), node.this, node.expression
        if not isinstance(column, exp.Column):
            kind, column, value = _MIRRORED[kind], value, column
        if not isinstance(column, exp.Column) or value.find(exp.Column):
            return None
        known = _value(context, schema, column, value)
        return None if known is None else _COMPARISONS[kind](known[0], known[1])
    if isinstance(node, exp.Between) and isinstance(node.this, exp.Column):
        ends = [_value(context, schema, node.this, node.args[k]) for k in ("low", "high")]
        if None in ends:
            return None
        low, high = ends
        return ie.And(ie.GreaterThanOrEqual(*low), ie.LessThanOrEqual(*high))
    if isinstance(node, exp.In) and isinstance(node.this, exp.Column) and node.expressions:
        known = [_value(context, schema, node.this, v) for v in node.expressions]
        if None in known:
            return None
        return ie.In(known[0][0], tuple(value for _, value in known))
    return None


def _value(
    context: Context, schema: Schema, column: exp.Column, expression: exp.Expression
) -> tuple[str, object] | None:
    """The column's name and a literal of its very type; None where they cannot be compared."""
    field = next((f for f in schema.fields if f.name.lower() == column.name.lower()), None)
    if field is None or expression.find(exp.Column, exp.Query, exp.Placeholder):
        return None
    found = comparable(str(field.field_type), prune.constant(context, expression))
    return None if found is None else (field.name, found)


def comparable(kind: str, value: object) -> object | None:
    """A Python value as a literal for an Iceberg column of type ``kind``, if it is exactly one."""
    if kind in ("int", "long"):
        whole = isinstance(value, int) and not isinstance(value, bool)
        limit = 2**31 if kind == "int" else 2**63
        return value if whole and -limit <= value < limit else None
    if kind in ("float", "double"):
        return float(value) if isinstance(value, (int, float, decimal.Decimal)) else None
    if kind == "string":
        return value if isinstance(value, str) else None
    if kind == "date" and isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    if kind == "timestamp" and isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.isoformat()
    if kind == "timestamp" and type(value) is dt.date:
        return f"{value.isoformat()}T00:00:00"
    if kind == "timestamptz" and isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).isoformat()
    return None


# Metadata tables: "table$snapshots" and its kin (Athena User Guide, "Query Iceberg metadata")

_METADATA: Mapping[str, str] = {
    "snapshots": "snapshots",
    "files": "files",
    "history": "history",
    "manifests": "manifests",
    "refs": "refs",
    "partitions": "partitions",
}


def _metadata_table(
    context: Context, loaded: IcebergTable, table: Table, part: str, unique: str
) -> Relation:
    if part not in _METADATA:
        raise QueryError("TABLE_NOT_FOUND", f"Table '{table.name.full}${part}' does not exist")
    arrow = getattr(loaded.inspect, _METADATA[part])()
    if part == "snapshots":
        arrow = _zoned(arrow, ("committed_at",))
    if part == "history":
        arrow = _zoned(arrow, ("made_current_at",))
    if part == "files":
        wanted = [
            *("content", "file_path", "file_format", "record_count", "file_size_in_bytes"),
            *("column_sizes", "value_counts", "null_value_counts", "nan_value_counts"),
            *("lower_bounds", "upper_bounds", "key_metadata", "split_offsets", "equality_ids"),
        ]
        arrow = arrow.select([c for c in wanted if c in arrow.column_names])
    name = f"{unique}_metadata"
    context.duck.register(name, arrow)
    from minilab_local.athena.translate import trino_type

    described = context.duck.execute(f'DESCRIBE SELECT * FROM "{name}"').fetchall()
    return Relation(unique, {r[0]: trino_type(r[1]) for r in described}, f'SELECT * FROM "{name}"')


def _zoned(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Athena shows these moments as timestamps with time zone, in UTC."""
    for name in names:
        index = table.column_names.index(name)
        moments = table.column(index).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        table = table.set_column(index, name, moments)
    return table
