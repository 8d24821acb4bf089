"""Tables about tables: ``information_schema`` over Glue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minilab_local.athena.errors import QueryError
from minilab_local.athena.scan import Relation, literal
from minilab_local.athena.types import quoted

if TYPE_CHECKING:
    from minilab_local.athena.context import Context

_CATALOG = "awsdatacatalog"


def information_schema(context: Context, table: str, unique: str) -> Relation:
    """One of ``information_schema``'s tables, as a relation.

    Raises:
        QueryError: there is no such table.
    """
    if table == "schemata":
        names = ["catalog_name", "schema_name"]
        rows = [[_CATALOG, d] for d in [*context.catalog.databases(), "information_schema"]]
        return _strings(unique, names, rows)
    tables = [t for d in context.catalog.databases() for t in context.catalog.tables(d)]
    if table == "tables":
        names = ["table_catalog", "table_schema", "table_name", "table_type"]
        rows = [
            [_CATALOG, t.name.database, t.name.table, "VIEW" if t.is_view else "BASE TABLE"]
            for t in tables
        ]
        return _strings(unique, names, rows)
    if table == "views":
        from minilab_local.athena.resolve import view_definition

        names = ["table_catalog", "table_schema", "table_name", "view_definition"]
        rows = [
            [_CATALOG, t.name.database, t.name.table, view_definition(t)["originalSql"]]
            for t in tables
            if t.is_view
        ]
        return _strings(unique, names, rows)
    if table == "columns":
        names = [
            *("table_catalog", "table_schema", "table_name", "column_name"),
            *("ordinal_position", "column_default", "is_nullable", "data_type", "comment"),
            "extra_info",
        ]
        rows = []
        for t in tables:
            partition_names = {k.name for k in t.partition_keys}
            for position, column in enumerate(t.all_columns, 1):
                extra = "partition key" if column.name in partition_names else None
                kind = column.type.trino()
                if kind == "timestamp":
                    kind = "timestamp(6)" if t.is_iceberg else "timestamp(3)"
                rows.append(
                    [
                        *(_CATALOG, t.name.database, t.name.table, column.name),
                        *(str(position), None, "YES", kind, column.comment, extra),
                    ]
                )
        relation = _strings(unique, names, rows)
        number = "CAST(ordinal_position AS BIGINT) AS ordinal_position"
        sql = f"SELECT * REPLACE ({number}) FROM ({relation.sql})"
        return Relation(unique, {**relation.columns, "ordinal_position": "bigint"}, sql)
    raise QueryError(
        "TABLE_NOT_FOUND", f"Table '{_CATALOG}.information_schema.{table}' does not exist"
    )


def _strings(unique: str, names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Relation:
    columns = dict.fromkeys(names, "varchar")
    if not rows:
        nothing = ", ".join(f"CAST(NULL AS VARCHAR) AS {quoted(n)}" for n in names)
        return Relation(unique, columns, f"SELECT {nothing} WHERE false")
    values = ", ".join(
        "(" + ", ".join("NULL" if v is None else literal(v) for v in row) + ")" for row in rows
    )
    listed = ", ".join(quoted(n) for n in names)
    casts = ", ".join(f"CAST({quoted(n)} AS VARCHAR) AS {quoted(n)}" for n in names)
    return Relation(unique, columns, f"SELECT {casts} FROM (VALUES {values}) AS v({listed})")
