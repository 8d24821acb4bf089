"""The way of a request, step by step, and why a 202 can be believed.

An event is **claimed** before it is sent, so of two requests that bring the same one at once only
one sends it. It is **sent** before it is marked as accepted, so what is marked is in SQS. If the
process ends between the two, the claim's lease ends ten seconds later and a retry sends the same
message, which SQS knows by its deduplication id and drops. What is answered as accepted or
duplicate is in SQS; what is answered as rejected is in the failed queue; all else is answered as
deferred, and is to come again.

Each step takes and gives records; what touches the world is in the ``Environment``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b

from minilab.bus.failed_queue import FailedRecord
from minilab.bus.ingest_queue import (
    MAX_INLINE_BYTES,
    IngestMessage,
    Origin,
    in_messages,
    size_in_message,
)
from minilab.errors import MinilabError
from minilab.events.failures import Reason, Violation
from minilab.events.formats import Refused
from minilab.events.registry import UNROUTED
from minilab.ingest.auth import authenticate
from minilab.ingest.binding import Bound, bind
from minilab.ingest.claim_check import split
from minilab.ingest.environment import Environment
from minilab.ingest.idempotency import (
    Attempt,
    Claimed,
    Conflict,
    Duplicate,
    InProgress,
    Unknown,
    Wanted,
    Won,
    event_key,
    fingerprint_of,
)
from minilab.ingest.judge import Judge, Ready, Rejected
from minilab.ingest.limits import RateLimits
from minilab.ingest.message import Request
from minilab.ingest.outcome import Outcome, Result, conflict, deferred, rejected, result_of
from minilab.ingest.problems import IN_PROGRESS, Problem, ProblemError
from minilab.ingest.telemetry import logger, remember
from minilab.tenants.model import Tenant

MAX_REQUEST_BYTES = 6 * 1024 * 1024
"""Of a body: what Lambda takes in one call (Lambda quotas, "Invocation payload")."""
MAX_REQUEST_EVENTS = 1000

_KEPT_HEADERS = ("content-type", "content-encoding", "user-agent")
"""With the ``ce-`` headers: what a failed event keeps of its request. Never the API key."""


@dataclass(frozen=True)
class Desk:
    """What every request needs: the world, the rules and the limits. Shared by threads."""

    environment: Environment
    judge: Judge
    limits: RateLimits


@dataclass(frozen=True)
class Arrival:
    """A request of a tenant that is known."""

    request: Request
    tenant: Tenant
    stream: str | None
    """The one that the path names, or None."""
    at: float
    """Second since 1970."""
    received_at: str
    """The same as RFC 3339, UTC, milliseconds."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """An acceptable event, ready to be claimed and sent."""

    event: Ready
    wanted: Wanted
    body: bytes
    """As it travels: without its payload, where that was claimed."""


def accept(desk: Desk, request: Request, stream: str | None) -> Outcome:
    """Accept what can be accepted of a request, and say what became of each event.

    Raises:
        ProblemError: the request as a whole is refused.
        MinilabError: who sends, or how much, cannot be found out now; nothing was done.
    """
    env = desk.environment
    arrival = _authenticate(env, request, stream)
    bound = _bind(desk, arrival)
    desk.limits.spend(arrival.tenant, len(bound.events), arrival.at)
    judged = desk.judge.judge(arrival.tenant, stream, bound.events)
    parcels, repeats = _distinct(arrival, judged.ready)
    parcels, unclaimed = _claim_payloads(env, arrival, parcels)
    mine, others = _claim_ids(env, arrival, parcels)
    sent, unsent = _publish(env, arrival, mine)
    _mark(env, arrival, sent)
    decided = [*unclaimed, *others, *unsent, *(_accepted(arrival, each) for each in sent)]
    decided += _follow(repeats, decided)
    results = [each for each in decided if isinstance(each, Result)]
    refused = [*judged.rejected, *(each for each in decided if isinstance(each, Rejected))]
    results += _store_rejections(env, arrival, refused)
    return Outcome(bound.mode != "batched", tuple(sorted(results, key=lambda r: r.index)))


def _authenticate(env: Environment, request: Request, stream: str | None) -> Arrival:
    tenant = authenticate(env.directory, request.headers, env.now)
    remember(tenant=tenant.name)
    at = env.now()
    received_at = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return Arrival(request, tenant, stream, at, received_at.replace("+00:00", "Z"))


def _bind(desk: Desk, arrival: Arrival) -> Bound:
    """The request's events; one that has none which can be told apart is itself a failed event."""
    request = arrival.request
    if len(request.body) > MAX_REQUEST_BYTES:
        raise _too_large(f"A request has at most {MAX_REQUEST_BYTES:,} bytes.")
    try:
        bound = bind(request.headers, request.body)
    except Refused as error:
        raise _refuse(desk, arrival, error.reason, error.violations) from None
    except ProblemError as error:
        if error.problem.kind.status != 400:
            raise
        violation = Violation("", error.problem.reason, error.problem.detail)
        raise _refuse(desk, arrival, error.problem.reason, (violation,)) from None
    if len(bound.events) > MAX_REQUEST_EVENTS:
        raise _too_large(f"A batch has at most {MAX_REQUEST_EVENTS:,} events.")
    return bound


def _too_large(detail: str) -> ProblemError:
    return ProblemError(Problem(Reason.TOO_LARGE, detail))


def _refuse(
    desk: Desk, arrival: Arrival, reason: str, violations: tuple[Violation, ...]
) -> ProblemError:
    """What a request is answered that cannot be read; its bytes are kept first."""
    desk.limits.spend(arrival.tenant, 1, arrival.at)
    stream = arrival.stream or UNROUTED
    whole = Rejected(0, stream, reason, violations, arrival.request.body)
    (result,) = _store_rejections(desk.environment, arrival, [whole])
    assert result.problem is not None
    return ProblemError(result.problem)


def _distinct(
    arrival: Arrival, events: Iterable[Ready]
) -> tuple[list[Parcel], list[tuple[Parcel, Parcel]]]:
    """Each event once; and those that come again in one request, each with the first of it."""
    firsts: dict[str, Parcel] = {}
    repeats: list[tuple[Parcel, Parcel]] = []
    for event in events:
        key = event_key(arrival.tenant.name, event.source, event.id)
        wanted = Wanted(key, fingerprint_of(event.stream, event.type, event.original))
        parcel = Parcel(event, wanted, event.body)
        first = firsts.setdefault(key, parcel)
        if first is not parcel:
            repeats.append((parcel, first))
    return list(firsts.values()), repeats


def _claim_payloads(
    env: Environment, arrival: Arrival, parcels: Iterable[Parcel]
) -> tuple[list[Parcel], list[Result]]:
    """Put what no message can carry on S3."""
    ready: list[Parcel] = []
    results: list[Result] = []
    for parcel in parcels:
        if size_in_message(parcel.body) <= MAX_INLINE_BYTES:
            ready.append(parcel)
            continue
        large = split(parcel.body)
        try:
            uri = env.payloads.put(arrival.tenant.name, large.payload, large.kind)
        except MinilabError as error:
            _tell("a payload could not be claimed", [error.message])
            results.append(deferred(parcel.event))
        else:
            ready.append(replace(parcel, body=large.claimed_as(uri)))
    return ready, results


def _claim_ids(
    env: Environment, arrival: Arrival, parcels: Sequence[Parcel]
) -> tuple[list[Parcel], list[Result | Rejected]]:
    """Claim the events that are new; what others hold is decided already."""
    if not parcels:
        return [], []
    claims = env.idempotency.claim([p.wanted for p in parcels], _attempt(env, arrival))
    mine: list[Parcel] = []
    others: list[Result | Rejected] = []
    for parcel, claimed in zip(parcels, claims, strict=True):
        if isinstance(claimed, Won):
            mine.append(parcel)
        else:
            others.append(_held(parcel.event, claimed))
    _tell("events could not be claimed", [c.why for c in claims if isinstance(c, Unknown)])
    return mine, others


def _publish(
    env: Environment, arrival: Arrival, parcels: Sequence[Parcel]
) -> tuple[list[Parcel], list[Result]]:
    """Send to the ingest queue, and give back what SQS did not take."""
    if not parcels:
        return [], []
    groups = list(_groups(parcels))
    problems = env.send([_message(arrival, group) for group in groups])
    sent: list[Parcel] = []
    unsent: list[Parcel] = []
    results: list[Result] = []
    for group, why in zip(groups, problems, strict=True):
        (sent if why is None else unsent).extend(group)
        if why is not None:
            results += [deferred(parcel.event) for parcel in group]
    if unsent:
        wanted = [parcel.wanted for parcel in unsent]
        problems += env.idempotency.release(wanted, _attempt(env, arrival))
        _tell("SQS did not take messages", problems)
    return sent, results


def _mark(env: Environment, arrival: Arrival, sent: Sequence[Parcel]) -> None:
    """Remember what was accepted. SQS has it: where this fails, it is accepted all the same."""
    if sent:
        problems = env.idempotency.accept([p.wanted for p in sent], _attempt(env, arrival))
        _tell("accepted events are not marked", problems)


def _follow(
    repeats: Iterable[tuple[Parcel, Parcel]], decided: Iterable[Result | Rejected]
) -> list[Result | Rejected]:
    """Decide on events that stood before in the same request, as was decided on the first."""
    by_index = {each.index: each for each in decided}
    return [_like(by_index[first.event.index], parcel, first) for parcel, first in repeats]


def _like(decided: Result | Rejected, parcel: Parcel, first: Parcel) -> Result | Rejected:
    if isinstance(decided, Result) and decided.status == "deferred":
        return result_of(parcel.event, "deferred", problem=decided.problem)
    if isinstance(decided, Rejected) or parcel.wanted != first.wanted:
        return conflict(parcel.event)
    return result_of(parcel.event, "duplicate", received_at=decided.received_at)


def _store_rejections(
    env: Environment, arrival: Arrival, refused: Sequence[Rejected]
) -> list[Result]:
    """Keep what is rejected; what cannot be kept is not rejected yet."""
    if not refused:
        return []
    problems = env.send_failed([_failed_record(arrival, each) for each in refused])
    _tell("the failed queue did not take events", problems)
    return [
        rejected(each) if why is None else deferred(each)
        for each, why in zip(refused, problems, strict=True)
    ]


# What the steps make ------------------------------------------------------------------------


def _attempt(env: Environment, arrival: Arrival) -> Attempt:
    return Attempt(arrival.request.owner, arrival.received_at, env.now())


def _accepted(arrival: Arrival, parcel: Parcel) -> Result:
    return result_of(parcel.event, "accepted", received_at=arrival.received_at)


def _held(event: Ready, claimed: Claimed) -> Result | Rejected:
    """What becomes of an event that could not be claimed."""
    match claimed:
        case Duplicate(received_at):
            return result_of(event, "duplicate", received_at=received_at)
        case Conflict():
            return conflict(event)
        case InProgress(seconds):
            detail = "Another request brought this event and is not done with it."
            problem = Problem(IN_PROGRESS, detail, retry_after=seconds)
            return result_of(event, "deferred", problem=problem)
    return deferred(event)


def _tell(what: str, problems: Iterable[str | None]) -> None:
    """Log what AWS did not do: once for a request, however many events it hit."""
    why = sorted({problem for problem in problems if problem is not None})
    if why:
        logger.warning(what, extra={"why": why[:5]})


def _groups(parcels: Iterable[Parcel]) -> Iterator[list[Parcel]]:
    """The parcels of each message: of one stream, in their order, as many as one carries."""
    by_stream: dict[str, list[Parcel]] = {}
    for parcel in parcels:
        by_stream.setdefault(parcel.event.stream, []).append(parcel)
    for some in by_stream.values():
        for places in in_messages(size_in_message(parcel.body) for parcel in some):
            yield [some[place] for place in places]


def _message(arrival: Arrival, group: Sequence[Parcel]) -> IngestMessage:
    """One message; its deduplication id is the same whenever the same events travel together."""
    same = "\n".join(f"{each.wanted.key} {each.wanted.fingerprint}" for each in group)
    return IngestMessage(
        Origin(
            stream=group[0].event.stream,
            tenant=arrival.tenant.name,
            received_at=arrival.received_at,
            request_id=arrival.request.id,
            user_agent=arrival.request.headers.get("user-agent"),
        ),
        tuple(parcel.body for parcel in group),
        blake2b(same.encode(), digest_size=32).hexdigest(),
    )


def _failed_record(arrival: Arrival, event: Rejected) -> FailedRecord:
    request = arrival.request
    return FailedRecord(
        stage="ingest",
        stream=event.stream,
        reason=event.reason,
        violations=event.violations,
        body=event.original,
        bus="api",
        shard=request.route,
        position=request.id,
        item=event.index,
        published_ms=int(arrival.at * 1000),
        headers={
            name: value
            for name, value in request.headers.items()
            if name in _KEPT_HEADERS or name.startswith("ce-")
        },
        id=event.id,
        source=event.source,
        type=event.type,
        tenant=arrival.tenant.name,
    )
