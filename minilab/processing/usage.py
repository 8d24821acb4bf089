"""Usage: how much each tenant sent to each stream, counted by the hour (UTC) it was accepted in.

Counted in memory and added to the table ``stream-counters`` every ten seconds, because a write for
each batch would cost as much as its events. So the counters are close, not exact: events that are
processed again count again, and a process that is killed forgets what it had not added yet.
Source: Amazon DynamoDB API Reference, UpdateItem (``ADD``).
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

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


class _Key(NamedTuple):
    """The table's key."""

    counter: str
    period: str


class _Count(NamedTuple):
    events: int
    bytes: int

    def plus(self, other: _Count) -> _Count:
        return _Count(self.events + other.events, self.bytes + other.bytes)


class Usage:
    """Counts, and adds to the table in the background. Not to be shared by threads."""

    def __init__(self, settings: Settings, dynamo: Any = None) -> None:
        self._table = dynamodb.tables()[dynamodb.COUNTERS].address(settings)
        self._dynamo = dynamo or aws.client("dynamodb", settings)
        self._counts: dict[_Key, _Count] = {}
        self._adding: list[tuple[_Key, _Count, Future[bool]]] = []
        self._added_at = time.monotonic()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="usage")

    def count(self, tenant: str, stream: str, received_at: str, events: int, size: int) -> None:
        """``received_at``: RFC 3339, UTC; ``size`` in bytes."""
        key = _Key(usage_counter(tenant, stream), received_at[:13])
        self._put(key, _Count(events, size))

    def add_if_due(self) -> None:
        """Begin to add what was counted, if it is time and the last time is over."""
        is_due = time.monotonic() - self._added_at >= _INTERVAL_SECONDS
        if is_due and all(adding.done() for _, _, adding in self._adding):
            self._begin()

    def add(self) -> None:
        """Add what was counted, and wait for it. What cannot be added now is kept for the next
        time: counting never stops events."""
        self._begin()
        self._end()

    def _put(self, key: _Key, count: _Count) -> None:
        self._counts[key] = self._counts.get(key, _Count(0, 0)).plus(count)

    def _begin(self) -> None:
        self._end()
        self._added_at = time.monotonic()
        counts, self._counts = self._counts, {}
        self._adding = [
            (key, count, self._pool.submit(self._add, key, count)) for key, count in counts.items()
        ]

    def _end(self) -> None:
        for key, count, adding in self._adding:
            if not adding.result():
                self._put(key, count)
        self._adding = []

    def _add(self, key: _Key, count: _Count) -> bool:
        try:
            with aws.readable_errors(f"Counting in table {self._table}"):
                self._dynamo.update_item(
                    TableName=self._table,
                    Key={"counter": {"S": key.counter}, "period": {"S": key.period}},
                    UpdateExpression="ADD #events :events, #bytes :bytes SET #expires = :expires",
                    ExpressionAttributeNames={
                        "#events": "events",
                        "#bytes": "bytes",
                        "#expires": "expires_at",
                    },
                    ExpressionAttributeValues={
                        ":events": {"N": str(count.events)},
                        ":bytes": {"N": str(count.bytes)},
                        ":expires": {"N": str(_expires(key.period))},
                    },
                )
        except AwsError as error:
            _log.warning("%s", error.message)
            return False
        return True


def _expires(period: str) -> int:
    """Seconds since 1970; a period that is no hour counts from now."""
    try:
        hour = datetime.strptime(period, _HOUR).replace(tzinfo=UTC)
    except ValueError:
        hour = datetime.now(UTC)
    return int((hour + KEPT).timestamp())
