"""Compaction: the many small files of a closed hour become one, or few of 256 MB.

A Hive table has no transactions, but the location of a partition in Glue changes at once. So the
new files are put beside the table (``raw/compacted/``), and then the partition is pointed there
(Glue, ``UpdatePartition``): a query sees the old files or the new ones, never both and never none.
The old ones go at a later call, when no query can be reading them any more.

Safe to repeat after any crash: names follow from what is compacted, so a second try writes the
same objects, and old files are deleted only where the partition points at the new ones.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from minilab import aws
from minilab.events.registry import Registry
from minilab.lake.layout import HourPartition, raw_prefix, s3_uri
from minilab.lake.tables import EVENTS
from minilab.landing.errors import LandingError
from minilab.landing.kafka import shard_of
from minilab.landing.ledger import Ledger
from minilab.landing.store import LakeStore, StoredObject
from minilab.landing.summary import Progress, no_progress
from minilab.landing.write import parquet_options
from minilab.settings import Settings

COMPACTED_PREFIX = "raw/compacted/"
GRACE = timedelta(minutes=15)
"""After its end, an hour may still get the files of batches that were opened within it."""
SWEEP_AFTER = timedelta(hours=1)
"""Old files stay so long after the switch: longer than a query runs (Athena's limit: 30 min)."""
_FILE_BYTES = 256 * 1024 * 1024
_ROW_GROUP_BYTES = 128 * 1024 * 1024
"""Of Arrow memory: a row group is what a reader holds at a time, and so do we."""


@dataclass(frozen=True)
class CompactedHour:
    """What was done with one hour of ``events``."""

    partition: HourPartition
    files_before: int
    files_after: int
    rows: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class CompactionSummary:
    compacted: tuple[CompactedHour, ...]
    swept_files: int
    """Old files of hours compacted earlier, deleted now."""


def compact(
    settings: Settings,
    registry: Registry,
    streams: Sequence[str] | None = None,
    *,
    now: datetime | None = None,
    on_progress: Progress | None = None,
) -> CompactionSummary:
    """Compact every closed hour of these streams (None: of all) that has more than one file.

    An hour is left for later while it is not over for 15 minutes, or a lander has yet to close a
    batch that belongs to it.

    Raises:
        LandingError: what was written is not what was read; nothing was switched or deleted then.
        AwsError: S3, Glue or the ledger cannot be reached, or refuses.
    """
    store, glue = LakeStore(settings), _Partitions(settings)
    now, tell = now or datetime.now(UTC), on_progress or no_progress
    done: list[CompactedHour] = []
    swept = 0
    for stream in streams or registry.streams:
        busy = _hours_with_open_intents(settings, registry, stream)
        for partition, location in glue.of(stream):
            if partition.end + GRACE > now or partition in busy:
                continue
            old = [o for o in store.list(raw_prefix(partition)) if o.key.endswith(".parquet")]
            target = COMPACTED_PREFIX + partition.path
            if location == s3_uri(settings.lake_bucket, target).rstrip("/"):
                swept += _sweep(store, old, target, now)
            elif len(old) > 1:
                tell(f"compacting {partition.path}: {len(old)} files")
                done.append(_compact_hour(store, partition, old, target))
                glue.point(partition, s3_uri(settings.lake_bucket, target))
    return CompactionSummary(tuple(done), swept)


def _hours_with_open_intents(
    settings: Settings, registry: Registry, name: str
) -> set[HourPartition]:
    stream = registry.stream(name)
    if stream.bus != "kafka":
        return set()
    ledger = Ledger(settings)
    states = [ledger.read(shard_of(settings, stream, p)) for p in range(stream.partitions)]
    return {state.intent.name.partition for state in states if state.intent is not None}


def _compact_hour(
    store: LakeStore, partition: HourPartition, old: Sequence[StoredObject], target: str
) -> CompactedHour:
    leftover = [stored.key for stored in store.list(target)]
    store.delete(leftover)  # of a try that died before the switch: nobody reads it
    name = blake2b("\n".join(o.key for o in old).encode(), digest_size=8).hexdigest()
    rows = size = files = 0
    for number, content in enumerate(_merged(store, old)):
        key = f"{target}compacted-{name}-{number:04d}.parquet"
        store.put(key, content)
        if store.get(key) != content:
            raise LandingError(f"{key} reads back differently from what was written.")
        rows += pq.read_metadata(io.BytesIO(content)).num_rows
        size, files = size + len(content), files + 1
    expected = sum(_rows(store, stored.key) for stored in old)
    if rows != expected:
        raise LandingError(f"{partition.path}: {expected} rows were read, {rows} written.")
    return CompactedHour(partition, len(old), files, rows, sum(o.size for o in old), size)


def _merged(store: LakeStore, old: Sequence[StoredObject]) -> Iterator[bytes]:
    """The files' rows in their order, as new files whose row groups are large.

    Raises:
        LandingError: rows read back from a new file are not those that went in.
    """
    sink, writer, groups = _open()
    for group in _row_groups(store, old):
        writer.write_table(group, row_group_size=group.num_rows)
        groups.append(_digest(group))
        if sink.tell() >= _FILE_BYTES:
            yield _closed(sink, writer, groups)
            sink, writer, groups = _open()
    if groups:
        yield _closed(sink, writer, groups)


def _open() -> tuple[io.BytesIO, Any, list[str]]:
    sink = io.BytesIO()
    schema = EVENTS.arrow_schema
    return sink, pq.ParquetWriter(sink, schema, **parquet_options(schema.names)), []


def _closed(sink: io.BytesIO, writer: Any, groups: list[str]) -> bytes:
    writer.close()
    content = sink.getvalue()
    file = pq.ParquetFile(io.BytesIO(content))
    back = [_digest(file.read_row_group(n)) for n in range(file.num_row_groups)]
    if back != groups:
        raise LandingError("A compacted file does not hold the rows that were written to it.")
    return content


def _row_groups(store: LakeStore, old: Sequence[StoredObject]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for stored in old:
        waiting.append(_read(store, stored.key))
        if sum(table.nbytes for table in waiting) >= _ROW_GROUP_BYTES:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _read(store: LakeStore, key: str) -> pa.Table:
    content = store.get(key)
    if content is None:
        raise LandingError(f"{key} is gone while its hour was compacted.")
    return pq.read_table(io.BytesIO(content), partitioning=None).cast(EVENTS.arrow_schema)


def _rows(store: LakeStore, key: str) -> int:
    return int(pq.read_metadata(io.BytesIO(store.get(key) or b"")).num_rows)


def _digest(table: pa.Table) -> str:
    """A fingerprint of rows in their order, the same for the same values however chunked."""
    digest = blake2b(digest_size=16)
    for batch in table.combine_chunks().to_batches(max_chunksize=65536):
        sink = pa.BufferOutputStream()
        # A copy of each array has no offset and no slack: equal values are equal bytes.
        arrays = [column.take(pa.array(range(len(column)), pa.int64())) for column in batch.columns]
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(pa.record_batch(arrays, schema=batch.schema))
        digest.update(sink.getvalue())
    return digest.hexdigest()


def _sweep(store: LakeStore, old: Sequence[StoredObject], target: str, now: datetime) -> int:
    """Delete old files of an hour that points elsewhere, once no query can be reading them."""
    switched = max((o.modified for o in store.list(target)), default=None)
    if not old or switched is None or switched + SWEEP_AFTER > now:
        return 0
    store.delete([stored.key for stored in old])
    return len(old)


class _Partitions:
    """Partitions of ``events`` in Glue, and where they lie."""

    def __init__(self, settings: Settings) -> None:
        self._glue = aws.client("glue", settings)
        self._where = {"DatabaseName": settings.raw_database, "TableName": EVENTS.name}

    def of(self, stream: str) -> Iterator[tuple[HourPartition, str]]:
        """Partitions of one stream with their locations (without a slash at the end)."""
        with aws.readable_errors(f"Listing partitions of {EVENTS.name}"):
            pages = self._glue.get_paginator("get_partitions").paginate(
                **self._where, Expression=f"stream = '{stream}'"
            )
            found = [partition for page in pages for partition in page["Partitions"]]
        for partition in found:
            location = str(partition["StorageDescriptor"]["Location"]).rstrip("/")
            yield HourPartition(*partition["Values"]), location

    def point(self, partition: HourPartition, location: str) -> None:
        """Let a partition lie elsewhere, from one moment to the next."""
        with aws.readable_errors(f"Pointing {partition.path} at {location}"):
            there = self._glue.get_partition(**self._where, PartitionValues=partition.values)
            descriptor = there["Partition"]["StorageDescriptor"] | {"Location": location}
            self._glue.update_partition(
                **self._where,
                PartitionValueList=partition.values,
                PartitionInput={
                    "Values": partition.values,
                    "StorageDescriptor": descriptor,
                    "Parameters": there["Partition"].get("Parameters", {}),
                },
            )
