"""How much a tenant may send: fixed windows of ten seconds, shared by all instances of the API.

The count of a window is one item of the table ``stream-counters``. An instance reserves some of
it at a time and spends that locally, so most requests cost no call. What was reserved and not
spent when the window ends is lost: a twentieth of the window's budget per instance at the most.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

from minilab import aws, dynamodb
from minilab.events.failures import Reason
from minilab.ingest.problems import RATE_LIMITED, Problem, ProblemError
from minilab.settings import Settings
from minilab.tenants.model import Tenant

WINDOW_SECONDS = 10
_CHUNK = 0.05
"""Of a window's budget: what an instance reserves at once."""
_KEEP_SECONDS = 3600
"""A counter is of no use after its window; DynamoDB deletes it then, some time."""
_MOST_TENANTS = 10_000


class CounterPort(Protocol):
    """See :class:`RateCounter`."""

    def reserve(self, tenant: str, window: int, events: int, budget: int) -> bool: ...


@dataclass
class _Window:
    """What this instance knows of a tenant's present window."""

    start: int
    credit: int = 0
    """Reserved and not spent."""
    refused: float = math.inf
    """As many, or more, were refused: none of them need ask again in this window."""


class RateLimits:
    """Spends tenants' budgets. Safe to share between threads."""

    def __init__(self, counter: CounterPort) -> None:
        self._counter = counter
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def spend(self, tenant: Tenant, events: int, now: float) -> None:
        """Count so many events of a tenant; ``now`` is in seconds since 1970.

        Raises:
            ProblemError: that is more than the tenant may send now, or ever in one request.
            AwsError: the count cannot be kept now.
        """
        budget = tenant.events_per_second * WINDOW_SECONDS
        if events > budget:
            raise ProblemError(
                Problem(
                    Reason.TOO_LARGE,
                    f"{events} events in one request; the tenant's limit is {budget} in "
                    f"{WINDOW_SECONDS} seconds.",
                ),
                events,
            )
        start = int(now) // WINDOW_SECONDS * WINDOW_SECONDS
        window, enough = self._take(tenant.name, start, events)
        if enough:
            return
        if events < window.refused and self._reserve(tenant.name, window, events, budget):
            return
        window.refused = min(window.refused, events)
        wait = start + WINDOW_SECONDS - now
        raise ProblemError(
            Problem(
                RATE_LIMITED,
                f"The tenant {tenant.name} may send {tenant.events_per_second} events a second, "
                f"taken over {WINDOW_SECONDS} seconds.",
                retry_after=max(1, math.ceil(wait)),
            ),
            events,
        )

    def _take(self, tenant: str, start: int, events: int) -> tuple[_Window, bool]:
        """The present window, and whether its credit paid for these events."""
        with self._lock:
            window = self._windows.get(tenant)
            if window is None or window.start != start:
                if len(self._windows) >= _MOST_TENANTS:
                    self._windows = {t: w for t, w in self._windows.items() if w.start == start}
                window = self._windows[tenant] = _Window(start)
            if window.credit < events:
                return window, False
            window.credit -= events
            return window, True

    def _reserve(self, tenant: str, window: _Window, events: int, budget: int) -> bool:
        """Reserve for these events, with some to spare if there is as much left."""
        chunk = max(events, math.ceil(budget * _CHUNK))
        if self._counter.reserve(tenant, window.start, chunk, budget):
            with self._lock:
                window.credit += chunk - events
            return True
        return chunk > events and self._counter.reserve(tenant, window.start, events, budget)


class RateCounter:
    """The windows' counts in DynamoDB: counter ``rate#<tenant>``, period = the window's start."""

    def __init__(self, settings: Settings, client: Callable[[], Any]) -> None:
        self._client = client
        self._table = dynamodb.tables()[dynamodb.COUNTERS].address(settings)

    def reserve(self, tenant: str, window: int, events: int, budget: int) -> bool:
        """Add to a window's count unless it would exceed the budget; say whether it was added.

        Raises:
            AwsError: DynamoDB refuses or cannot be reached.
        """
        with aws.readable_errors(f"Writing table {self._table}"):
            try:
                self._client().update_item(
                    TableName=self._table,
                    Key={"counter": {"S": f"rate#{tenant}"}, "period": {"S": str(window)}},
                    UpdateExpression="ADD #events :events SET #expires_at = :expires_at",
                    ConditionExpression="attribute_not_exists(#events) OR #events <= :room",
                    ExpressionAttributeNames={"#events": "events", "#expires_at": "expires_at"},
                    ExpressionAttributeValues={
                        ":events": {"N": str(events)},
                        ":room": {"N": str(budget - events)},
                        ":expires_at": {"N": str(window + _KEEP_SECONDS)},
                    },
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                    return False
                raise
        return True
