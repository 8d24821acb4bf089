"""The lake's tables as Dagster shows them."""

from __future__ import annotations

import dagster as dg

from minilab.lake.tables import Table


def column_schema(table: Table) -> dg.TableSchema:
    """Columns and partition keys of a raw table, with their Glue types and descriptions."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(column.name, column.glue, description=column.comment)
            for column in (*table.columns, *table.partition_keys)
        ]
    )
