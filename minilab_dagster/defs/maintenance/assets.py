"""What keeps the lake in shape; nothing reads it, everything gets quicker by it."""

import dagster as dg

from minilab.events.registry import load_registry
from minilab_dagster import names
from minilab_dagster.platform import Platform


@dg.asset(
    key=names.COMPACTION,
    deps=[names.raw_key(stream) for stream in load_registry().streams],
    group_name=names.MAINTENANCE,
    owners=[names.PLATFORM_TEAM],
    kinds={"s3", "parquet", "glue"},
    retry_policy=dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL),
)
def raw_compaction(
    context: dg.AssetExecutionContext, platform: Platform
) -> dg.MaterializeResult[None]:
    """Merges the small files of every closed hour of the raw events into large ones.

    The merged files are checked row by row before the hour's partition points at them; the old
    files go at a later run, when no query can be reading them any more.
    """
    summary = platform.compact(context.log.info)
    hours = summary.compacted
    return dg.MaterializeResult(
        metadata={
            "hours": len(hours),
            "rows": sum(hour.rows for hour in hours),
            "files_before": sum(hour.files_before for hour in hours),
            "files_after": sum(hour.files_after for hour in hours),
            "bytes_before": sum(hour.bytes_before for hour in hours),
            "bytes_after": sum(hour.bytes_after for hour in hours),
            "old_files_deleted": summary.swept_files,
        }
    )


@dg.asset(
    key=names.ICEBERG_UPKEEP,
    deps=[dg.AssetKey([names.STAGING, "stg_events"])],
    group_name=names.MAINTENANCE,
    owners=[names.PLATFORM_TEAM],
    kinds={"athena", "iceberg"},
    pool=names.DBT_POOL,  # a rewrite and a merge of one table would only make each other fail
    retry_policy=dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL),
)
def iceberg_upkeep(
    context: dg.AssetExecutionContext, platform: Platform
) -> dg.MaterializeResult[None]:
    """Rewrites small files of the Iceberg tables into large ones, and lets old snapshots go.

    Athena's OPTIMIZE … REWRITE DATA USING BIN_PACK, then VACUUM, on every Iceberg table of
    staging and marts.
    """
    tables = platform.iceberg_tables()
    for table in tables:
        context.log.info("optimising %s", table)
        platform.query(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK")
        platform.query(f"VACUUM {table}")
    return dg.MaterializeResult(metadata={"tables": len(tables)})
