"""Raw data is partitioned by the hour (UTC) in which it was landed."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from minilab.lake.layout import HourPartition

_FORMAT = "%Y-%m-%d-%H:%M"

HOURS = dg.HourlyPartitionsDefinition(
    start_date=datetime(2025, 1, 1, tzinfo=UTC),
    timezone="UTC",
    fmt=_FORMAT,
    end_offset=1,  # the hour that is going on now is what gets landed into
)


def key_of(hour: datetime) -> str:
    """The partition key of the hour that the (aware) moment lies in."""
    return hour.astimezone(UTC).replace(minute=0).strftime(_FORMAT)


def current_key() -> str:
    return key_of(datetime.now(UTC))


def hour_of(stream: str, key: str) -> HourPartition:
    """Where the lake keeps what ``stream`` landed in the hour of a partition key."""
    return HourPartition.of(stream, datetime.strptime(key, _FORMAT).replace(tzinfo=UTC))
