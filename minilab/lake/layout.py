"""Where things lie on S3. Pure functions from names to keys; nothing here touches AWS.

``raw/events/`` and ``failed/events/`` are Hive-partitioned by stream and by the hour (UTC) in
which a batch was landed, so that a closed hour does not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

RAW_PREFIX = "raw/events/"
FAILED_PREFIX = "failed/events/"
MANIFEST_PREFIX = "landing/manifests/"
CLAIMS_PREFIX = "claims/"
"""Payloads that no message carries, by tenant (``minilab.lake.claims``)."""
CLAIMS_DAYS = 35
"""Days after which a claimed payload may go: twice the buses' retention, and some."""
REPORTS_PREFIX = "reports/"


@dataclass(frozen=True, order=True)
class HourPartition:
    """One partition of a raw table: ``stream=…/dt=YYYY-MM-DD/hour=HH``."""

    stream: str
    dt: str
    hour: str

    @classmethod
    def of(cls, stream: str, landed_at: datetime) -> HourPartition:
        """The partition that a batch landed at ``landed_at`` (aware) belongs to."""
        utc = landed_at.astimezone(UTC)
        return cls(stream, utc.strftime("%Y-%m-%d"), utc.strftime("%H"))

    @property
    def path(self) -> str:
        return f"stream={self.stream}/dt={self.dt}/hour={self.hour}/"

    @property
    def values(self) -> list[str]:
        """Partition values in the order of the table's partition keys, as Glue wants them."""
        return [self.stream, self.dt, self.hour]

    @property
    def start(self) -> datetime:
        return datetime.strptime(f"{self.dt} {self.hour}", "%Y-%m-%d %H").replace(tzinfo=UTC)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(hours=1)


def raw_prefix(partition: HourPartition) -> str:
    """Key prefix of a partition of ``events``."""
    return RAW_PREFIX + partition.path


def failed_prefix(partition: HourPartition) -> str:
    """Key prefix of a partition of ``failed_events``."""
    return FAILED_PREFIX + partition.path


def kafka_file_name(topic: str, partition: int, first: int, last: int) -> str:
    """The file of one contiguous, inclusive range of offsets: whoever lands it, the same name."""
    return f"kafka-{topic}-{partition:05d}-{first:020d}-{last:020d}.parquet"


def sqs_file_name(queue: str, batch_id: str) -> str:
    return f"sqs-{queue}-{batch_id}.parquet"


def s3_uri(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}"
