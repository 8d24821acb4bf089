"""Failed events as they lie in the lake: find them, and look at them.

They are read from their Parquet files, not through a query engine: this is what one reaches for
when something is broken. Hours that a filter excludes are not opened.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from minilab.errors import MinilabError
from minilab.lake.layout import FAILED_PREFIX, HourPartition, s3_uri
from minilab.landing.store import LakeStore
from minilab.settings import Settings


class FailedEventError(MinilabError):
    """A failed event cannot be found, or an id names more than one."""


@dataclass(frozen=True)
class FailedEvent:
    """One row of ``failed_events`` (see ``minilab.lake.tables`` for what its columns say)."""

    failed_id: str
    stream: str
    stage: str
    reason: str
    violations: tuple[Mapping[str, str], ...]
    """Every broken rule: ``path`` (JSON Pointer), ``rule``, ``message``."""
    body: bytes
    headers: Mapping[str, str]
    id: str | None
    source: str | None
    type: str | None
    tenant: str | None
    bus: str
    shard: str
    position: str
    item: int
    published_at: datetime
    landed_at: datetime
    batch_id: str
    file: str
    """S3 URI of the file that it is in."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the body as text, bytes that are not UTF-8 as U+FFFD."""
        return {
            **{k: v for k, v in self.__dict__.items() if k not in ("body", "violations")},
            "violations": [dict(v) for v in self.violations],
            "headers": dict(self.headers),
            "body": self.body.decode(errors="replace"),
            "body_bytes": len(self.body),
        }


@dataclass(frozen=True)
class Filter:
    """Which failed events. Empty means any; conditions are joined by *and*."""

    stream: str | None = None
    """A stream's name, or ``registry.UNROUTED``."""
    stages: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    tenant: str | None = None
    since: datetime | None = None
    """Landed at or after this instant (aware)."""
    ids: tuple[str, ...] = ()
    """Ids, or beginnings of ids."""


def find(settings: Settings, wanted: Filter) -> list[FailedEvent]:
    """The failed events that a filter lets through, oldest first, each once.

    Raises:
        AwsError: the lake cannot be read.
    """
    found: dict[str, FailedEvent] = {}
    for event in _read(LakeStore(settings), settings.lake_bucket, wanted):
        found.setdefault(event.failed_id, event)
    return sorted(found.values(), key=lambda event: (event.landed_at, event.failed_id))


def find_one(settings: Settings, failed_id: str) -> FailedEvent:
    """The failed event with this id, or whose id alone begins so.

    Raises:
        FailedEventError: there is none, or more than one.
    """
    found = find(settings, Filter(ids=(failed_id,)))
    if len(found) == 1:
        return found[0]
    if not found:
        raise FailedEventError(
            f"There is no failed event {failed_id!r}.", hint="List them: minilab failed list"
        )
    raise FailedEventError(f"{failed_id!r} begins {len(found)} ids.", hint="Give more of its id.")


def _read(store: LakeStore, bucket: str, wanted: Filter) -> Iterator[FailedEvent]:
    import pyarrow.parquet as pq

    prefix = FAILED_PREFIX + (f"stream={wanted.stream}/" if wanted.stream else "")
    for stored in store.list(prefix):
        partition = _partition_of(stored.key)
        if partition is None or (wanted.since is not None and partition.end <= wanted.since):
            continue
        content = store.get(stored.key)
        if content is None:
            continue  # compacted away between listing and reading: its rows are in another file
        for row in pq.read_table(io.BytesIO(content), partitioning=None).to_pylist():
            event = _event(row, partition.stream, s3_uri(bucket, stored.key))
            if _passes(event, wanted):
                yield event


def _partition_of(key: str) -> HourPartition | None:
    parts = dict(part.split("=", 1) for part in key.split("/") if "=" in part)
    if not {"stream", "dt", "hour"} <= parts.keys() or not key.endswith(".parquet"):
        return None
    return HourPartition(parts["stream"], parts["dt"], parts["hour"])


def _event(row: dict[str, Any], stream: str, file: str) -> FailedEvent:
    detail = row.pop("detail")
    return FailedEvent(
        **row
        | {
            "stream": stream,
            "file": file,
            "headers": json.loads(row["headers"] or "{}"),
            "violations": tuple(json.loads(detail or "[]")),
            "published_at": row["published_at"].replace(tzinfo=UTC),
            "landed_at": row["landed_at"].replace(tzinfo=UTC),
        }
    )


def _passes(event: FailedEvent, wanted: Filter) -> bool:
    return (
        (not wanted.stages or event.stage in wanted.stages)
        and (not wanted.reasons or event.reason in wanted.reasons)
        and (wanted.tenant is None or event.tenant == wanted.tenant)
        and (wanted.since is None or event.landed_at >= wanted.since)
        and (not wanted.ids or event.failed_id.startswith(wanted.ids))
    )
