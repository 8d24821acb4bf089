"""What the checks of raw data are decided on: taken from Athena, the ledger and Dagster's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from minilab.events.registry import Stream
from minilab.lake.layout import s3_uri
from minilab_dagster.platform import Platform
from minilab_dagster.reconcile import Batch, Landing

_SAMPLED_PER_TYPE = 50
_LANDINGS = 1000


@dataclass(frozen=True)
class RawFacts:
    """One stream's raw data of a window that begins with a whole hour."""

    batches: Mapping[str, Batch]
    """Those of its bus, and those in which failed events of earlier stages were landed."""
    distinct_events: int
    sample: Sequence[tuple[str, str | None]]
    """Event type and payload of the latest few events of each type."""
    next_offsets: Mapping[str, int | None]
    """Kafka: by shard, the first offset that the ledger does not hold for landed."""

    @property
    def events(self) -> int:
        return sum(batch.events for batch in self.batches.values())

    @property
    def failed(self) -> int:
        return sum(batch.failed for batch in self.batches.values())

    @classmethod
    def of(cls, platform: Platform, stream: Stream, since: datetime) -> RawFacts:
        """Ask Athena three questions at a time about what was landed from ``since`` (UTC) on."""
        raw = platform.settings.raw_database
        window = f"stream = '{stream.name}' and {_landed_since(since)}"
        queries = (
            f"""
            select batch_id, max(shard) as shard,
                   count_if(not failed) as events, count_if(failed) as failed
            from (
                select batch_id, shard, false as failed from {raw}.events where {window}
                union all
                select batch_id, shard, true from {raw}.failed_events where {window}
            ) group by batch_id
            """,
            f"""
            select count(*) as n from (
                select distinct tenant, source, id from {raw}.events where {window}
            )
            """,
            f"""
            select type, data from (
                select type, data,
                       row_number() over (partition by type order by landed_at desc) as n
                from {raw}.events where {window}
            ) where n <= {_SAMPLED_PER_TYPE}
            """,
        )
        # The ledger is read first: what is landed while Athena is asked may only be more.
        next_offsets = platform.next_offsets(stream)
        with ThreadPoolExecutor(max_workers=len(queries), thread_name_prefix="facts") as pool:
            by_batch, distinct, sample = pool.map(platform.rows, queries)
        return cls(
            batches={
                row["batch_id"]: Batch(
                    row["batch_id"], row["shard"], int(row["events"]), int(row["failed"])
                )
                for row in by_batch
            },
            distinct_events=distinct[0]["n"],
            sample=[(row["type"], row["data"]) for row in sample],
            next_offsets=next_offsets,
        )


def failed_batches(platform: Platform, since: datetime) -> dict[str, Batch]:
    """Batches of failed events, of all streams and stages, landed from ``since`` (UTC) on."""
    rows = platform.rows(
        f"""
        select batch_id, max(shard) as shard, count(*) as failed
        from {platform.settings.raw_database}.failed_events
        where {_landed_since(since)} group by batch_id
        """
    )
    return {r["batch_id"]: Batch(r["batch_id"], r["shard"], 0, int(r["failed"])) for r in rows}


def _landed_since(since: datetime) -> str:
    return f"(dt > '{since:%Y-%m-%d}' or (dt = '{since:%Y-%m-%d}' and hour >= '{since:%H}'))"


def recorded_landings(
    instance: dg.DagsterInstance, asset: dg.AssetKey, since: datetime, lake_bucket: str
) -> list[Landing]:
    """What the materializations of a raw asset recorded of the landings since then.

    One Dagster instance may have landed into several lakes; only landings into this one count.
    """
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, after_timestamp=since.timestamp()),
        limit=_LANDINGS,
    ).records
    landings = []
    for record in records:
        materialization = record.asset_materialization
        metadata: Mapping[str, Any] = materialization.metadata if materialization else {}
        if "batches" not in metadata:
            continue
        if metadata["dagster/uri"].value.startswith(s3_uri(lake_bucket, "")):
            landings.append(
                Landing(
                    batch_ids=frozenset(metadata["batches"].value),
                    events=metadata["events"].value if "events" in metadata else 0,
                    failed=metadata["failed_events"].value,
                )
            )
    return landings
