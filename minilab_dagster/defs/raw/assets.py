"""Raw events per stream, and what could not be accepted: landed from the buses, never changed."""

from pathlib import Path
from typing import Any

import dagster as dg

from minilab.events.registry import FAILURES, UNROUTED, Stream, load_registry
from minilab.lake.tables import EVENTS, FAILED_EVENTS
from minilab.landing.summary import StreamSummary
from minilab_dagster import names
from minilab_dagster.automation import STREAM_IS_FRESH
from minilab_dagster.columns import column_schema
from minilab_dagster.defs.raw.partitions import HOURS, current_key, hour_of, key_of
from minilab_dagster.platform import Platform

_RETRY = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL)


def _raw_asset(stream: Stream) -> dg.AssetsDefinition:
    @dg.asset(
        key=names.raw_key(stream.name),
        deps=[names.ingest_key(stream.name)],
        description=(
            f"{stream.description}\n\nEvery accepted event as it arrived, as Parquet, by the hour"
            " (UTC) of landing. Materializing the current hour drains the bus. Materializing an"
            " hour that is over lands nothing: it registers and counts what is there."
        ),
        group_name=names.RAW,
        owners=[names.owner_of(stream)],
        kinds={stream.bus, "parquet", "s3"},
        tags={names.STREAM_TAG: stream.name},
        metadata={
            "dagster/table_name": f"raw.{EVENTS.name}",
            "dagster/column_schema": column_schema(EVENTS),
        },
        partitions_def=HOURS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=names.lander_pool(stream.name),
        freshness_policy=STREAM_IS_FRESH,
        retry_policy=_RETRY,
    )
    def raw_stream(context: dg.AssetExecutionContext, platform: Platform) -> None:
        if (now := current_key()) in context.partition_keys:
            landed = platform.land(stream.name, context.log)
            numbers = {
                "events": landed.events,
                "events_per_second": _per_second(landed.events, landed),
                **_numbers(landed, platform),
            }
            context.add_asset_metadata(numbers, partition_key=now)
            _tell_other_partitions(context, platform, landed)
        else:
            context.log.info("This hour is over: nothing is landed into it, only verified.")
        for key in context.partition_keys:
            hour = hour_of(stream.name, key)
            platform.register(EVENTS, hour)
            context.add_asset_metadata(platform.look_at(EVENTS, hour), partition_key=key)

    return raw_stream


def _numbers(landed: StreamSummary, platform: Platform) -> dict[str, Any]:
    """What one landing did, as numbers that plot over time."""
    return {
        "failed_events": landed.failed_events,
        "messages": landed.messages,
        "bytes": landed.bytes,
        "files": len(landed.files),
        "landing_seconds": round(landed.seconds, 3),
        "lag_after": platform.backlog(landed.stream).messages,
        "failed_by_reason": dict(landed.failed),
        "batches": sorted({Path(key).stem for key in landed.files}),
    }


def _per_second(count: int, landed: StreamSummary) -> float:
    return round(count / landed.seconds, 1) if landed.seconds else 0.0


def _tell_other_partitions(
    context: dg.AssetExecutionContext, platform: Platform, landed: StreamSummary
) -> None:
    """What this landing wrote elsewhere: failed events, and an hour that began meanwhile."""
    for hour in landed.partitions:
        key = key_of(hour.start)
        if key not in context.partition_keys:
            context.log_event(
                dg.AssetMaterialization(
                    names.raw_key(landed.stream),
                    partition=key,
                    metadata=platform.look_at(EVENTS, hour),
                )
            )
    if landed.failed:
        context.log_event(
            dg.AssetMaterialization(
                names.FAILED_EVENTS,
                partition=key_of(landed.partitions[-1].start),
                metadata={"failed_events": landed.failed_events, **_reasons(landed)},
                description=f"Landed with {landed.stream}.",
            )
        )


def _reasons(landed: StreamSummary) -> dict[str, int]:
    return {f"reason/{reason}": count for reason, count in landed.failed.items()}


@dg.asset(
    key=names.FAILED_EVENTS,
    deps=[
        names.INGESTION_API,
        names.INGESTION_PROCESSOR,
        *(names.raw_key(stream) for stream in load_registry().streams),
    ],
    group_name=names.RAW,
    owners=[names.PLATFORM_TEAM],
    kinds={"parquet", "s3", "glue"},
    metadata={
        "dagster/table_name": f"raw.{FAILED_EVENTS.name}",
        "dagster/column_schema": column_schema(FAILED_EVENTS),
    },
    partitions_def=HOURS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=names.lander_pool(FAILURES),
    tags={names.STREAM_TAG: FAILURES},
    retry_policy=_RETRY,
)
def failed_events(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """What could not be accepted, with its original bytes and its reason; nothing is dropped.

    Materializing the current hour drains the failed queue (what the API and the processor could
    not accept) and the queues of dead letters. What landing itself cannot accept it writes beside
    the accepted events, and tells here. Materializing an hour that is over registers and counts
    what is there. `minilab failed list|show|replay` works with it.
    """
    if (now := current_key()) in context.partition_keys:
        landed = platform.land(FAILURES, context.log)
        numbers = {
            "failed_events_per_second": _per_second(landed.failed_events, landed),
            **_numbers(landed, platform),
            **_reasons(landed),
        }
        context.add_asset_metadata(numbers, partition_key=now)
        for later in {key_of(hour.start) for hour in landed.partitions} - {*context.partition_keys}:
            context.log_event(
                dg.AssetMaterialization(
                    names.FAILED_EVENTS, partition=later, metadata=_failed_in(platform, later)
                )
            )
    for key in context.partition_keys:
        context.add_asset_metadata(_failed_in(platform, key), partition_key=key)


def _failed_in(platform: Platform, key: str) -> dict[str, Any]:
    """What Athena sees of one hour, whatever stream it was meant for, when it is registered."""
    hours = [hour_of(stream, key) for stream in (*platform.registry.streams, UNROUTED)]
    platform.register(FAILED_EVENTS, *hours)
    return platform.look_at(FAILED_EVENTS, *hours)


@dg.definitions
def raw() -> dg.Definitions:
    streams = load_registry().streams.values()
    return dg.Definitions([*map(_raw_asset, streams), failed_events])
