"""CREATE TABLE and CREATE TABLE AS for Iceberg."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from pyiceberg.exceptions import TableAlreadyExistsError, ValidationError
from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.types import NestedField

from minilab_local.athena import parse
from minilab_local.athena import statements as s
from minilab_local.athena.catalog import Column, TableName, already_exists
from minilab_local.athena.context import Run
from minilab_local.athena.errors import QueryError
from minilab_local.athena.iceberg.catalog import IcebergCatalog
from minilab_local.athena.iceberg.commit import discard, stage_append
from minilab_local.athena.iceberg.write import write_rows
from minilab_local.athena.store import split

_CTAS_PROPERTIES = {
    *("table_type", "is_external", "location", "format", "partitioning", "write_compression"),
    *("vacuum_min_snapshots_to_keep", "vacuum_max_snapshot_age_seconds", "compression_level"),
    *("vacuum_max_metadata_files_to_keep", "optimize_rewrite_delete_file_threshold"),
    *("optimize_rewrite_data_file_threshold", "optimize_rewrite_min_data_file_size_bytes"),
    *("optimize_rewrite_max_data_file_size_bytes", "format_version", "sorted_by"),
}
_NOT_KEPT = {"table_type", "is_external", "location", "format", "partitioning", "format_version"}


def schema_of(columns: Sequence[Column]) -> Schema:
    ids = itertools.count(1)
    numbered = [(next(ids), c) for c in columns]
    return Schema(
        *(
            NestedField(i, c.name.lower(), c.type.iceberg(lambda: next(ids)), doc=c.comment)
            for i, c in numbered
        )
    )


def spec_of(schema: Schema, transforms: Sequence[s.Transform]) -> PartitionSpec:
    """The partition spec of Athena's transforms.

    Raises:
        QueryError: a transform names no column.
    """
    fields = []
    for offset, item in enumerate(transforms):
        try:
            source = schema.find_field(item.column, case_sensitive=False)
        except ValueError as e:
            raise QueryError(
                "INVALID_TABLE_PROPERTY", f"Cannot find source column: {item.column}"
            ) from e
        made, name = _transform(item)
        fields.append(
            PartitionField(source.field_id, PARTITION_FIELD_ID_START + offset, made, name)
        )
    return PartitionSpec(*fields)


def _transform(item: s.Transform) -> tuple[Transform, str]:
    simple = {
        "year": YearTransform,
        "month": MonthTransform,
        "day": DayTransform,
        "hour": HourTransform,
    }
    if item.name in simple:
        return simple[item.name](), f"{item.column}_{item.name}"
    if item.name == "bucket":
        return BucketTransform(item.argument or 1), f"{item.column}_bucket"
    if item.name == "truncate":
        return TruncateTransform(item.argument or 1), f"{item.column}_trunc"
    return IdentityTransform(), item.column


def create_as(
    run: Run,
    name: TableName,
    sql: str,
    columns: Sequence[Column],
    properties: Mapping[str, object],
) -> tuple[int, list[str]]:
    """Make a table of a query's rows in one commit; returns how many, and the files."""
    unknown = set(properties) - _CTAS_PROPERTIES
    if unknown:
        raise QueryError(
            "INVALID_TABLE_PROPERTY", f"Table property '{sorted(unknown)[0]}' does not exist"
        )
    location = str(properties.get("location") or "")
    if not location:
        raise QueryError(
            "INVALID_TABLE_PROPERTY", "Iceberg tables need the table property 'location'"
        )
    _check_format(properties.get("format"))
    partitioning = properties.get("partitioning") or []
    transforms = parse.partitioning(
        partitioning if isinstance(partitioning, list) else [partitioning]
    )
    kept = {k: str(v) for k, v in properties.items() if k not in _NOT_KEPT}
    if "write_compression" in kept:
        kept["write.parquet.compression-codec"] = kept["write_compression"].lower()
    lowered = [Column(c.name.lower(), c.type, c.comment) for c in columns]
    return _create(run, name, lowered, transforms, location, kept, sql)


def create_empty(
    run: Run,
    name: TableName,
    columns: Sequence[Column],
    transforms: Sequence[s.Transform],
    location: str,
    properties: Mapping[str, str],
) -> None:
    _check_format(properties.get("format"))
    kept = {k: v for k, v in properties.items() if k.lower() not in _NOT_KEPT}
    if "write_compression" in kept:
        kept["write.parquet.compression-codec"] = kept["write_compression"].lower()
    _create(run, name, columns, transforms, location, kept, None)


def _check_format(format: object) -> None:
    if format and str(format).lower() != "parquet":
        raise QueryError(
            "NOT_SUPPORTED", f"Iceberg data files in {format} are not written by this engine"
        )


def _create(
    run: Run,
    name: TableName,
    columns: Sequence[Column],
    transforms: Sequence[s.Transform],
    location: str,
    properties: Mapping[str, str],
    sql: str | None,
) -> tuple[int, list[str]]:
    context = run.context
    split(location)
    schema = schema_of(columns)
    spec = spec_of(schema, transforms)
    try:
        spec.check_compatible(schema)
    except ValidationError as e:
        raise QueryError("INVALID_TABLE_PROPERTY", str(e)) from e
    catalog = IcebergCatalog(context.realm, rerun=False)
    transaction = catalog.create_table_transaction(
        (name.database, name.table),
        schema,
        location=location.rstrip("/"),
        partition_spec=spec,
        properties=dict(properties),
    )
    files = []
    if sql is not None:
        files = write_rows(context, sql, transaction.table_metadata)
        if files:
            stage_append(transaction, files)
    try:
        transaction.commit_transaction()
    except TableAlreadyExistsError as e:
        discard(context, files)
        raise already_exists(name) from e
    return sum(f.record_count for f in files), [f.file_path for f in files]
