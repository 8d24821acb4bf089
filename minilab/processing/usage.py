"""Usage: how much each tenant sent to each stream, counted by the hour (UTC) it was accepted in.

Counted in memory and added to the table ``stream-counters`` every ten seconds, because a write for
each batch would cost as much as its events. So the counters are close, not exact: events that are
processed again count again, and a process that is killed forgets what it had not added yet.
Source: Amazon DynamoDB API Reference, UpdateItem (``ADD``).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from minilab import aws, dynamodb
from minilab.aws import AwsError
from minilab.settings import Settings
from minilab.tenants.usage import usage_counter

KEPT = timedelta(days=35)
"""How long a counter stays in the table."""
_INTERVAL_SECONDS = 10.0
_THREADS = 8
_HOUR = "%Y-%m-%dT%H"

_log = logging.getLogger(__name__)
_Key = tuple[str, str]
"""Counter and period: the table's key."""


class Usage:
    """Counts, and adds to the table from time to time. Not to be shared by threads."""

    def __init__(self, settings: Settings, dynamo: Any = None) -> None:
        self._table = dynamodb.tables()[dynamodb.COUNTERS].full_name(settings)
        self._dynamo = dynamo or aws.client("dynamodb", settings)
        self._events: Counter[_Key] = Counter()
        self._bytes: Counter[_Key] = Counter()
        self._added_at = time.monotonic()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="usage")

    def count(self, tenant: str, stream: str, received_at: str, events: int, size: int) -> None:
        """``received_at``: RFC 3339, UTC; ``size`` in bytes."""
        key = usage_counter(tenant, stream), received_at[:13]
        self._events[key] += events
        self._bytes[key] += size

    def add_if_due(self) -> None:
        if time.monotonic() - self._added_at >= _INTERVAL_SECONDS:
            self.add()

    def add(self) -> None:
        """Add what was counted to the table. What cannot be added now is kept for the next time;
        counting never stops events."""
        self._added_at = time.monotonic()
        keys = list(self._events)
        for key, is_added in zip(keys, self._pool.map(self._try, keys), strict=True):
            if is_added:
                del self._events[key], self._bytes[key]

    def _try(self, key: _Key) -> bool:
        try:
            with aws.readable_errors(f"Counting in table {self._table}"):
                self._add(key)
        except AwsError as error:
            _log.warning("%s", error.message)
            return False
        return True

    def _add(self, key: _Key) -> None:
        counter, period = key
        self._dynamo.update_item(
            TableName=self._table,
            Key={"counter": {"S": counter}, "period": {"S": period}},
            UpdateExpression="ADD #events :events, #bytes :bytes SET #expires = :expires",
            ExpressionAttributeNames={
                "#events": "events",
                "#bytes": "bytes",
                "#expires": "expires_at",
            },
            ExpressionAttributeValues={
                ":events": {"N": str(self._events[key])},
                ":bytes": {"N": str(self._bytes[key])},
                ":expires": {"N": str(_expires(period))},
            },
        )


def _expires(period: str) -> int:
    """Seconds since 1970; a period that is no hour counts from now."""
    try:
        hour = datetime.strptime(period, _HOUR).replace(tzinfo=UTC)
    except ValueError:
        hour = datetime.now(UTC)
    return int((hour + KEPT).timestamp())
