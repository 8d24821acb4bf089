"""Glue: the raw tables and their partitions, registered with awswrangler.

Idempotent, like everything that may run twice: a table is created or brought up to the columns of
``tables.py``; a partition that is there already stays.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from minilab.aws import readable_errors
from minilab.lake.layout import HourPartition, s3_uri
from minilab.lake.tables import TABLES, Table
from minilab.settings import Settings

_BATCH = 100
"""Partitions in one ``BatchCreatePartition``; Glue takes at most 100."""


@lru_cache(maxsize=8)
def _session(region: str) -> Any:
    import boto3

    return boto3.session.Session(region_name=region)


def ensure_tables(settings: Settings) -> list[str]:
    """Create the raw tables, or add the columns that they lack; return the names of those touched.

    The raw database must exist. Columns are only ever added at the end: old files read as null.

    Raises:
        AwsError: Glue cannot be reached or refuses.
    """
    import awswrangler as wr

    touched = []
    with readable_errors(f"Registering the tables of {settings.raw_database}"):
        for table in TABLES:
            there = wr.catalog.get_table_types(
                database=settings.raw_database,
                table=table.name,
                boto3_session=_session(settings.region),
            )
            if there and all(c.name in there for c in table.columns):
                continue
            _create(settings, table)
            touched.append(table.name)
    return touched


def _create(settings: Settings, table: Table) -> None:
    import awswrangler as wr

    wr.catalog.create_parquet_table(
        database=settings.raw_database,
        table=table.name,
        path=s3_uri(settings.lake_bucket, table.prefix),
        columns_types={c.name: c.glue for c in table.columns},
        partitions_types={c.name: c.glue for c in table.partition_keys},
        description=table.comment,
        columns_comments={c.name: c.comment for c in (*table.columns, *table.partition_keys)},
        compression="zstd",
        mode="append",
        boto3_session=_session(settings.region),
    )


def register_partitions(
    settings: Settings, table: Table, partitions: Collection[HourPartition]
) -> None:
    """Make these partitions visible to Athena. Those that are there already stay as they are.

    Raises:
        AwsError: Glue cannot be reached or refuses, or the table does not exist.
    """
    import awswrangler as wr

    values = {
        s3_uri(settings.lake_bucket, table.prefix + partition.path): partition.values
        for partition in sorted(set(partitions))
    }
    locations = list(values)
    with readable_errors(f"Registering partitions of {settings.raw_database}.{table.name}"):
        for start in range(0, len(locations), _BATCH):
            wr.catalog.add_parquet_partitions(
                database=settings.raw_database,
                table=table.name,
                partitions_values={at: values[at] for at in locations[start : start + _BATCH]},
                compression="zstd",
                columns_types={c.name: c.glue for c in table.columns},
                boto3_session=_session(settings.region),
            )
