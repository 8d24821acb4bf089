"""How much a tenant sent: hourly counters of the table ``stream-counters``.

The processor adds to them (counter ``events#<tenant>#<stream>``, period ``YYYY-MM-DDTHH`` in
UTC), at least once, so they are close and not exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from minilab import aws, dynamodb
from minilab.settings import Settings

_THREADS = 8


@dataclass(frozen=True)
class Usage:
    events: int
    bytes: int


def usage_counter(tenant: str, stream: str) -> str:
    """The counter of one tenant's events in one stream."""
    return f"events#{tenant}#{stream}"


def usage_period(moment: datetime) -> str:
    """The hour that a moment (aware) belongs to: ``2026-01-31T17``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H")


def last_day(
    settings: Settings, tenants: Sequence[str], streams: Sequence[str], now: datetime
) -> dict[str, Usage]:
    """What each tenant sent in the last 24 hours, the hour that began then included.

    Raises:
        AwsError: the counters cannot be read.
    """
    client = aws.client("dynamodb", settings)
    table = dynamodb.tables()[dynamodb.COUNTERS].address(settings)
    since = usage_period(now - timedelta(days=1))

    def of(pair: tuple[str, str]) -> Usage:
        pages = client.get_paginator("query").paginate(
            TableName=table,
            KeyConditionExpression="#counter = :counter AND #period >= :since",
            ExpressionAttributeNames={"#counter": "counter", "#period": "period"},
            ExpressionAttributeValues={
                ":counter": {"S": usage_counter(*pair)},
                ":since": {"S": since},
            },
        )
        return _sum([_usage_of(item) for page in pages for item in page["Items"]])

    with (
        aws.readable_errors(f"Reading table {table}"),
        ThreadPoolExecutor(_THREADS, thread_name_prefix="usage") as pool,
    ):
        found = pool.map(of, [(tenant, stream) for tenant in tenants for stream in streams])
        return {tenant: _sum([next(found) for _ in streams]) for tenant in tenants}


def _usage_of(item: dict[str, Any]) -> Usage:
    return Usage(int(item.get("events", {"N": "0"})["N"]), int(item.get("bytes", {"N": "0"})["N"]))


def _sum(usages: Sequence[Usage]) -> Usage:
    return Usage(sum(u.events for u in usages), sum(u.bytes for u in usages))
