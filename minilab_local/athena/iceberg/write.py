"""Rows to Iceberg data files: Parquet with field ids, written by DuckDB, measured by pyiceberg."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg import types as it
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionKey, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.locations import load_location_provider
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import BucketTransform, TruncateTransform
from pyiceberg.typedef import Record

from minilab_local.athena.context import Context
from minilab_local.athena.errors import not_supported
from minilab_local.athena.store import split
from minilab_local.athena.types import from_iceberg, quoted
from minilab_local.athena.write import MAX_PARTITIONS, Scratch, Written, copy, copy_partitioned


def write_rows(
    context: Context, sql: str, metadata: TableMetadata, *, limit: int | None = MAX_PARTITIONS
) -> list[DataFile]:
    """Store a query's rows as data files of a table. The query has the table's columns, in its
    schema's order."""
    schema, spec = metadata.schema(), metadata.spec()
    options = _copy_options(schema, metadata.properties)
    names = [f.name for f in schema.fields]
    with Scratch() as folder:
        if spec.is_unpartitioned():
            files = copy(context, _typed(sql, schema), options, folder)
            values: list[tuple[object, ...]] = [()]
        else:
            context.duck.execute(f"CREATE OR REPLACE TEMP TABLE rows__ AS {_typed(sql, schema)}")
            files, values = copy_partitioned(
                context,
                "rows__",
                [f"rows__.{quoted(n)}" for n in names],
                [_partition_sql(context, schema, f) for f in spec.fields],
                options,
                folder,
                limit=limit,
            )
            context.duck.execute("DROP TABLE rows__")
        return [_store(context, f, values[f.part], metadata) for f in files]


def _typed(sql: str, schema: Schema) -> str:
    chosen = ", ".join(
        f"CAST({quoted(f.name)} AS {from_iceberg(f.field_type).duckdb()}) AS {quoted(f.name)}"
        for f in schema.fields
    )
    return f"SELECT {chosen} FROM ({sql})"


def _copy_options(schema: Schema, properties: dict[str, str]) -> dict[str, str]:
    compression = properties.get("write.parquet.compression-codec", "zstd").lower()
    if compression not in ("zstd", "snappy", "gzip", "uncompressed"):
        raise not_supported(f"Compression {compression} is not written by this engine")
    ids = ", ".join(f"{quoted(f.name)}: {_ids(f.field_id, f.field_type)}" for f in schema.fields)
    return {"FORMAT": "parquet", "COMPRESSION": compression, "FIELD_IDS": f"{{{ids}}}"}


def _ids(number: int, kind: it.IcebergType) -> str:
    """DuckDB's FIELD_IDS for one field and what is nested in it."""
    inside = ""
    if isinstance(kind, it.StructType):
        inside = "".join(
            f", {quoted(f.name)}: {_ids(f.field_id, f.field_type)}" for f in kind.fields
        )
    elif isinstance(kind, it.ListType):
        inside = f", element: {_ids(kind.element_id, kind.element_type)}"
    elif isinstance(kind, it.MapType):
        inside = (
            f", key: {_ids(kind.key_id, kind.key_type)}"
            f", value: {_ids(kind.value_id, kind.value_type)}"
        )
    return f"{{__duckdb_field_id: {number}{inside}}}" if inside else str(number)


def _partition_sql(context: Context, schema: Schema, field: PartitionField) -> str:
    """A partition transform as DuckDB computes it (Iceberg spec, "Partition Transforms")."""
    source = schema.find_field(field.source_id)
    column, kind = f"rows__.{quoted(source.name)}", str(source.field_type)
    name = str(field.transform)
    epoch = "TIMESTAMP '1970-01-01'"
    if kind == "timestamptz":
        column_utc = f"({column} AT TIME ZONE 'UTC')"
    else:
        column_utc = column
    if name == "identity":
        return column
    if name in ("year", "month", "day", "hour"):
        return f"date_diff('{name}', {epoch}, CAST({column_utc} AS TIMESTAMP))"
    if isinstance(field.transform, TruncateTransform):
        width = field.transform.width
        if kind == "string":
            return f"left({column}, {width})"
        if kind in ("int", "long"):
            return f"({column} - ((({column} % {width}) + {width}) % {width}))"
        raise not_supported(f"truncate on a {kind} column")
    if isinstance(field.transform, BucketTransform):
        return _bucket(context, column, source, field.transform.num_buckets)
    raise not_supported(f"Partition transform {name}")


def _bucket(context: Context, column: str, field: it.NestedField, buckets: int) -> str:
    """Add a column with Iceberg's bucket numbers to ``rows__``, by pyiceberg's own hash of the
    distinct values, and name it."""
    duck, name = context.duck, quoted(f"bucket_{field.field_id}_{buckets}__")
    values = duck.sql(f"SELECT DISTINCT {column} AS v FROM rows__").to_arrow_table()
    hashed = BucketTransform(buckets).pyarrow_transform(field.field_type)
    numbers = pa.table({"v": values.column("v"), "n": hashed(values.column("v").combine_chunks())})
    duck.register("buckets__", numbers)
    duck.execute(
        f"CREATE OR REPLACE TEMP TABLE rows__ AS SELECT rows__.*, b.n AS {name} FROM rows__ "
        f"LEFT JOIN buckets__ AS b ON {column} IS NOT DISTINCT FROM b.v"
    )
    duck.unregister("buckets__")
    return f"rows__.{name}"


def _store(
    context: Context, file: Written, values: tuple[object, ...], metadata: TableMetadata
) -> DataFile:
    """Put one file where the table keeps its data, and say what is in it."""
    schema, spec = metadata.schema(), metadata.spec()
    key = _partition_key(schema, spec, values)
    name = f"00000-{file.part}-{uuid.uuid4()}.parquet"
    provider = load_location_provider(metadata.location, metadata.properties)
    uri = provider.new_data_location(name, key)
    measured = pq.read_metadata(file.path)
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=measured,
        stats_columns=compute_statistics_plan(schema, metadata.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    size = Path(file.path).stat().st_size
    context.store.put(*split(uri), Path(file.path))
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=uri,
        file_format=FileFormat.PARQUET,
        partition=key.partition if key else Record(),
        file_size_in_bytes=size,
        sort_order_id=None,
        spec_id=spec.spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )


class _TransformedKey(PartitionKey):
    """A partition key whose values DuckDB has transformed already."""

    def __init__(self, schema: Schema, spec: PartitionSpec, record: Record) -> None:
        super().__init__([], spec, schema)
        self.__dict__["partition"] = record


def _partition_key(
    schema: Schema, spec: PartitionSpec, values: Sequence[object]
) -> PartitionKey | None:
    if spec.is_unpartitioned():
        return None
    from pyiceberg.partitioning import _to_partition_representation

    result = []
    for field, value in zip(spec.fields, values, strict=True):
        source = schema.find_field(field.source_id).field_type
        kind = field.transform.result_type(source)
        if str(field.transform) == "identity" or not isinstance(value, int):
            value = _to_partition_representation(kind, value)
        result.append(value)
    return _TransformedKey(schema, spec, Record(*result))
