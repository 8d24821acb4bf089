"""Failed events: find them, look at them, send them round again.

They are read from their Parquet files, not through a query engine: this is what one reaches for
when something is broken. Hours that a filter excludes are not opened.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from minilab import aws
from minilab.errors import MinilabError
from minilab.events.registry import Registry
from minilab.lake.layout import FAILED_PREFIX, HourPartition, s3_uri
from minilab.landing.store import LakeStore
from minilab.settings import Settings

if TYPE_CHECKING:
    from minilab.bus import Publisher

_UNFINISHED_AFTER = timedelta(minutes=5)
"""A replay that began so long ago and was not recorded as done has died; it may be taken over."""


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
    reasons: frozenset[str] = frozenset()
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
        (not wanted.reasons or event.reason in wanted.reasons)
        and (wanted.since is None or event.landed_at >= wanted.since)
        and (not wanted.ids or event.failed_id.startswith(wanted.ids))
    )


# Replay --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReplaySummary:
    """What became of a replay."""

    replayed: tuple[str, ...]
    """Ids of those that the bus took."""
    skipped: tuple[str, ...]
    """Ids of those that were replayed before, or are being replayed by someone else."""
    refused: Mapping[str, str]
    """Ids of those that the bus did not take, and why. They may be replayed again."""


def replay(
    settings: Settings,
    registry: Registry,
    events: Sequence[FailedEvent],
    *,
    again: bool = False,
) -> ReplaySummary:
    """Send the original bytes of failed events to their stream's bus once more.

    Each is recorded in the ledger before it is sent and when the bus has taken it, so that it goes
    round once, unless ``again`` says otherwise. A replay that died is taken over after 5 minutes;
    what it had sent may then be sent twice.

    Raises:
        MinilabError: the bus or the ledger cannot be reached.
    """
    from minilab.bus import MessageTooLargeError, open_publisher

    records = _ReplayRecords(settings)
    replayed: list[str] = []
    skipped: list[str] = []
    refused: dict[str, str] = {}
    for stream in dict.fromkeys(event.stream for event in events):
        begun: list[str] = []
        with open_publisher(settings, registry.stream(stream)) as publisher:
            for event in events:
                if event.stream != stream:
                    continue
                if not records.begin(event.failed_id, again=again):
                    skipped.append(event.failed_id)
                    continue
                try:
                    _send(publisher, event)
                    begun.append(event.failed_id)
                except MessageTooLargeError as error:
                    records.forget(event.failed_id)
                    refused[event.failed_id] = error.message
            publisher.flush()
        for failed_id in begun:
            records.done(failed_id)
        replayed += begun
    return ReplaySummary(tuple(replayed), tuple(skipped), refused)


def _send(publisher: Publisher, event: FailedEvent) -> None:
    publisher.send(event.body, key=event.tenant, headers=event.headers or None)


class _ReplayRecords:
    """Items ``replay:<failed_id>`` of the ledger table: ``state`` (sending or sent), ``at``."""

    def __init__(self, settings: Settings) -> None:
        self._dynamodb = aws.client("dynamodb", settings)
        self._table = settings.ledger_table

    def begin(self, failed_id: str, *, again: bool) -> bool:
        """Record that it is being sent; False if it was, or is, by another call."""
        now = datetime.now(UTC)
        item = {"state": {"S": "sending"}, "at": {"S": now.isoformat()}}
        condition: dict[str, Any] = {}
        if not again:
            condition = {
                "ConditionExpression": "attribute_not_exists(#shard) OR (#state = :sending "
                "AND #at < :abandoned)",
                "ExpressionAttributeNames": {"#shard": "shard", "#state": "state", "#at": "at"},
                "ExpressionAttributeValues": {
                    ":sending": {"S": "sending"},
                    ":abandoned": {"S": (now - _UNFINISHED_AFTER).isoformat()},
                },
            }
        with aws.readable_errors(f"Writing the ledger {self._table}"):
            try:
                self._dynamodb.put_item(
                    TableName=self._table, Item=_key(failed_id) | item, **condition
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def done(self, failed_id: str) -> None:
        with aws.readable_errors(f"Writing the ledger {self._table}"):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(failed_id),
                UpdateExpression="SET #state = :sent, #at = :now ADD times :one",
                ExpressionAttributeNames={"#state": "state", "#at": "at"},
                ExpressionAttributeValues={
                    ":sent": {"S": "sent"},
                    ":now": {"S": datetime.now(UTC).isoformat()},
                    ":one": {"N": "1"},
                },
            )

    def forget(self, failed_id: str) -> None:
        with aws.readable_errors(f"Writing the ledger {self._table}"):
            self._dynamodb.delete_item(TableName=self._table, Key=_key(failed_id))


def _key(failed_id: str) -> dict[str, Any]:
    return {"shard": {"S": f"replay:{failed_id}"}}
