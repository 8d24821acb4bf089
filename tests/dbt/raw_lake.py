"""Hand-made landings: rows as landing writes them, put into a lab's lake."""

from __future__ import annotations

import io
import json
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from minilab import aws
from minilab.lake.glue import register_partitions
from minilab.lake.layout import HourPartition
from minilab.lake.tables import EVENTS, FAILED_EVENTS, Table
from minilab.settings import Settings


def at(text: str) -> datetime:
    """``"2026-03-02 09:00"`` as the naive UTC time that the files hold."""
    return datetime.fromisoformat(text)


def event(
    event_id: str,
    event_type: str,
    time: str | None,
    tenant: str | None,
    *,
    source: str = "urn:test",
    **data: Any,
) -> dict[str, Any]:
    """One accepted event; the landing's own columns are filled in by :func:`land`."""
    return {
        "id": event_id,
        "source": source,
        "type": event_type,
        "specversion": "1.0",
        "time": None if time is None else at(time),
        "tenant": tenant,
        "datacontenttype": "application/json",
        "data": json.dumps(data),
    }


def failure(
    failed_id: str,
    reason: str,
    *,
    stage: str = "landing",
    event_id: str | None = None,
    tenant: str | None = None,
) -> dict[str, Any]:
    """One failed event."""
    return {
        "failed_id": failed_id,
        "stage": stage,
        "reason": reason,
        "detail": "[]",
        "body": b"{",
        "headers": "{}",
        "id": event_id,
        "source": None if event_id is None else "urn:test",
        "type": None,
        "tenant": tenant,
    }


def land(
    settings: Settings, stream: str, batch: str, landed_at: str, rows: list[dict[str, Any]]
) -> None:
    """Write ``rows`` (events, or failures) as one batch and register its partition."""
    table: Table = FAILED_EVENTS if "failed_id" in rows[0] else EVENTS
    when = at(landed_at)
    where_from = {
        "bus": "sqs",
        "shard": settings.queue_name(stream),
        "published_at": when,
        "landed_at": when,
        "batch_id": batch,
    }
    complete = [
        {**where_from, "position": f"{batch}-{number:05d}", "item": 0, **row}
        for number, row in enumerate(rows)
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(complete, schema=table.arrow_schema), buffer)
    partition = HourPartition(stream, when.strftime("%Y-%m-%d"), when.strftime("%H"))
    aws.client("s3", settings).put_object(
        Bucket=settings.lake_bucket,
        Key=f"{table.prefix}{partition.path}{batch}.parquet",
        Body=buffer.getvalue(),
    )
    register_partitions(settings, table, [partition])
