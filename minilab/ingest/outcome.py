"""What became of a request's events, and how that is answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from minilab.events.failures import Reason, Violation
from minilab.ingest.judge import Ready, Rejected
from minilab.ingest.message import Reply, json_reply, problem_reply
from minilab.ingest.problems import Problem, unavailable

Status = Literal["accepted", "duplicate", "rejected", "deferred"]
STATUSES: tuple[Status, ...] = ("accepted", "duplicate", "rejected", "deferred")

RETRY_SECONDS = 2
"""When to come again after AWS was away or busy."""
_AWAY = "The platform's storage is away or busy; the event was not accepted. Send it again."


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one event."""

    index: int
    status: Status
    stream: str
    """The event's stream, or ``UNROUTED``."""
    id: str | None = None
    source: str | None = None
    type: str | None = None
    received_at: str | None = None
    """When it was first given, if it was accepted; RFC 3339, UTC."""
    problem: Problem | None = None
    """Why it was not."""


def result_of(
    event: Ready | Rejected,
    status: Status,
    *,
    received_at: str | None = None,
    problem: Problem | None = None,
) -> Result:
    return Result(
        event.index, status, event.stream, event.id, event.source, event.type, received_at, problem
    )


def deferred(event: Ready | Rejected) -> Result:
    """AWS did not take it."""
    return result_of(event, "deferred", problem=unavailable(_AWAY, RETRY_SECONDS))


def rejected(event: Rejected) -> Result:
    """It broke rules, and is kept as a failed event."""
    first, *more = (violation.message for violation in event.violations)
    detail = first if not more else f"{first} (The first of {len(more) + 1} broken rules.)"
    return result_of(event, "rejected", problem=Problem(event.reason, detail, event.violations))


def conflict(event: Ready) -> Rejected:
    """Another event of the tenant has its source and id."""
    message = "Another event with this source and id was given before, with other content."
    violation = Violation("/id", "unique", message)
    return Rejected(
        event.index,
        event.stream,
        Reason.CONFLICT,
        (violation,),
        event.original,
        event.id,
        event.source,
        event.type,
    )


@dataclass(frozen=True)
class Outcome:
    """What became of a request."""

    single: bool
    """Whether it brought one event, in structured or binary mode."""
    results: tuple[Result, ...]
    """At least one, by index."""

    def counts(self, stream: str | None = None) -> Mapping[Status, int]:
        """Events by status: of one stream, or all."""
        counted = Counter(r.status for r in self.results if stream in (None, r.stream))
        return {status: counted[status] for status in STATUSES}


def reply_to(outcome: Outcome, request_id: str) -> Reply:
    """The answer to a request: for one event what became of it, for a batch a list."""
    if outcome.single:
        return _single(outcome.results[0], request_id)
    counts = outcome.counts()
    waits = [r.problem.retry_after for r in outcome.results if r.problem is not None]
    wait = max((seconds for seconds in waits if seconds is not None), default=None)
    document: dict[str, Any] = dict(counts) | {
        "results": [_entry(r, request_id) for r in outcome.results]
    }
    headers: dict[str, str] = {} if wait is None else {"Retry-After": str(wait)}
    return json_reply(_batch_status(counts), document, headers)


def _single(result: Result, request_id: str) -> Reply:
    if result.problem is not None:
        return problem_reply(result.problem, request_id)
    return json_reply(
        202,
        {
            "status": result.status,
            "id": result.id,
            "source": result.source,
            "type": result.type,
            "stream": result.stream,
            "received_at": result.received_at,
        },
    )


def _batch_status(counts: Mapping[Status, int]) -> int:
    match [status for status in STATUSES if counts[status]]:
        case ["rejected"]:
            return 422
        case ["deferred"]:
            return 503
        case [*found] if "rejected" in found or "deferred" in found:
            return 207
    return 202


def _entry(result: Result, request_id: str) -> dict[str, Any]:
    named = {
        "id": result.id,
        "source": result.source,
        "type": result.type,
        "stream": result.stream,
        "received_at": result.received_at,
    }
    entry: dict[str, Any] = {"index": result.index, "status": result.status}
    entry |= {name: value for name, value in named.items() if value is not None}
    if result.problem is not None:
        entry["problem"] = result.problem.document(request_id)
    return entry
