"""Landing of what was not accepted before landing: the failed queue, and the dead letters.

Three kinds of queue end in ``failed_events``, a row for each event:

    the failed queue                 records of the API and the processor, each a row to be
    the ingest queue's dead letters  what the processor gave up, with its reason if it said one
    the dead letters of a stream     what landers took as often as a queue allows, and died on

A message is read by the queue it came from; all else is landing as from any queue
(``loop.land_received``), so nothing is deleted before it is durable. What cannot be read as what
its queue should hold becomes a failed event itself: it is not dropped, and stops nothing.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa

from minilab.bus import CLOUDEVENT
from minilab.bus.failed_queue import FailedRecord, Stage, decode_without_body
from minilab.bus.failed_queue import decode as decode_record
from minilab.bus.message import body_of
from minilab.events.failures import Reason, Violation
from minilab.events.formats import Refused, open_message
from minilab.events.registry import FAILURES, UNROUTED, Registry
from minilab.events.validation import read_members
from minilab.lake.claims import ClaimError, Claims
from minilab.lake.tables import EVENTS, FAILED_EVENTS
from minilab.landing.decode import detail_of, failed_id
from minilab.landing.environment import Environment
from minilab.landing.loop import Work, attempt, drain_queue
from minilab.landing.model import BatchName, Decoded, Decoder, Headers, Limits, Messages
from minilab.landing.sqs import Queue, Received, waiting
from minilab.landing.summary import Backlog, Progress, StreamSummary, no_progress
from minilab.settings import Settings

_EPOCH = datetime(1970, 1, 1)
_MOST_ITEMS = 2**31
_LATEST_MS = 253_402_300_800_000
"""The year 10000: a column holds no such item, and no such time."""
_GIVEN_UP = "It was received as often as its queue allows, and never done with."


def land_failures(
    settings: Settings,
    registry: Registry,
    *,
    on_progress: Progress | None = None,
    limits: Limits | None = None,
    environment: Environment | None = None,
) -> StreamSummary:
    """Drain the failed queue and every queue of dead letters into ``failed_events``, then end.

    Safe to call at any time, and by several at once. One queue's trouble is not the others':
    ``StreamSummary.error`` says what could not be drained. The summary's ``shards`` are the queues.
    """
    started, limits = time.monotonic(), limits or Limits()
    env, tell = environment or Environment.of(settings), on_progress or no_progress
    said: deque[str] = deque()  # told by the caller's own thread, as all of landing is
    with ThreadPoolExecutor(thread_name_prefix="failures") as pool:
        drains = [
            pool.submit(
                attempt,
                Work(inlet.queue.name, said.append),
                partial(_drain, env, inlet, limits),
            )
            for inlet in _inlets(settings, registry, limits)
        ]
        for _ in as_completed(drains):
            while said:
                tell(said.popleft())
    works = [drain.result() for drain in drains]
    return StreamSummary.of(
        FAILURES,
        "sqs",
        [landed for work in works for landed in work.landed],
        seconds=time.monotonic() - started,
        error="; ".join(work.error for work in works if work.error) or None,
    )


def failures_backlog(settings: Settings, registry: Registry) -> Backlog:
    """How much waits to become failed events, by queue.

    Raises:
        AwsError: a queue is missing, or SQS cannot be reached.
    """
    queues = [
        settings.failed_queue,
        settings.ingest_dead_letter_queue,
        *map(settings.dead_letter_queue_name, _on_sqs(registry)),
    ]
    counts = {queue: waiting(settings, queue) for queue in queues}
    return Backlog(
        FAILURES,
        "sqs",
        messages=sum(there for there, _ in counts.values()),
        in_flight=sum(in_flight for _, in_flight in counts.values()),
        by_shard={queue: there for queue, (there, _) in counts.items()},
    )


def _drain(env: Environment, inlet: _Inlet, limits: Limits, work: Work) -> None:
    """Land what a queue holds; a FIFO queue again and again, until nothing comes any more.

    While a message is in flight, SQS hides what follows it in its group; it comes when what was
    received is landed and deleted. Only the last of these passes waits to be sure.
    """
    quick = replace(limits, long_poll_seconds=0)
    sure = not inlet.queue.fifo
    while True:
        before = len(work.landed)
        with env.open_queue(inlet.queue, limits if sure else quick) as source:
            drain_queue(env, source, inlet.decoder, work)
        brought_some = len(work.landed) > before
        if sure and not (inlet.queue.fifo and brought_some):
            return
        sure = not brought_some


# Queues --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Inlet:
    """A queue, and how its messages become rows."""

    queue: Queue
    decoder: Decoder


@dataclass(frozen=True)
class _Message:
    """One message of such a queue."""

    queue: str
    id: str
    body: bytes
    headers: Headers
    sent_ms: int


_Read = Callable[[_Message], list[FailedRecord]]
"""The failed events in one message, at least one. Raises AwsError alone."""


def _inlets(settings: Settings, registry: Registry, limits: Limits) -> list[_Inlet]:
    claims = Claims(settings)

    def filed(stream: str | None) -> str:
        return stream if stream is not None and stream in registry.streams else UNROUTED

    return [
        _Inlet(
            Queue(settings.failed_queue, lambda message: filed(_stream_in_record(message))),
            _decoder(lambda message: [_read_record(message, claims)], limits),
        ),
        _Inlet(
            Queue(
                settings.ingest_dead_letter_queue,
                lambda message: filed(message.attributes.get("stream")),
            ),
            _decoder(lambda message: _read_dead_letter(message, "processing"), limits),
        ),
        *(
            _Inlet(
                Queue(settings.dead_letter_queue_name(name), partial(_always, name)),
                _decoder(lambda message: _read_dead_letter(message, "landing"), limits),
            )
            for name in _on_sqs(registry)
        ),
    ]


def _on_sqs(registry: Registry) -> list[str]:
    return [stream.name for stream in registry.streams.values() if stream.bus == "sqs"]


def _always(stream: str, _: Received) -> str:
    return stream


def _decoder(read: _Read, limits: Limits) -> Decoder:
    """Opens as many messages as may be held with their originals, however small they are."""

    def decoder(name: BatchName, messages: Messages) -> Decoded:
        records: list[FailedRecord] = []
        taken = held = 0
        while taken < len(messages) and held < limits.opened_bytes:
            found = read(
                _Message(
                    name.shard.name,
                    str(messages.positions[taken]),
                    messages.bodies[taken],
                    messages.headers_of(taken),
                    messages.published_ms[taken],
                )
            )
            held += sum(len(record.body) for record in found)
            records += found
            taken += 1
        return Decoded(
            name=name,
            events=EVENTS.arrow_schema.empty_table(),
            failed=_table(name, records),
            failed_by_reason=Counter(record.reason for record in records),
            messages=taken,
            size=sum(map(len, messages.bodies[:taken])),
        )

    return decoder


# The failed queue ----------------------------------------------------------------------------


class _Peek(msgspec.Struct):
    """What is looked at before a record is opened."""

    stream: str


_decode_peek = msgspec.json.Decoder(_Peek).decode


def _stream_in_record(message: Received) -> str | None:
    """The stream that a record names; None where there is no record in the message."""
    body = body_of(message.text, message.attributes)
    try:
        return _decode_peek(message.text if body is None else body).stream
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _read_record(message: _Message, claims: Claims) -> FailedRecord:
    """The record in a message. A message without one, and one whose original is lost, are failed
    events too: with the message's own bytes, or with what is known of the event.

    Raises:
        AwsError: the original cannot be read now.
    """
    try:
        record = decode_record(message.body, claims)
    except ClaimError as error:
        known = decode_without_body(message.body)
        why = Violation("", "claim", error.message)
        return replace(known, reason=Reason.CLAIM_LOST, violations=(why, *known.violations))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _no_record(message, str(error))
    if not (0 <= record.item < _MOST_ITEMS and 0 <= record.published_ms < _LATEST_MS):
        return _no_record(message, "Its item or its time is out of range.")
    return record


def _no_record(message: _Message, why: str) -> FailedRecord:
    reason: Reason = Reason.NOT_AN_EVENT
    violations: tuple[Violation, ...] = (Violation("", "record", why),)
    try:
        read_members(message.body)
    except Refused as error:
        reason, violations = error.reason, error.violations
    return FailedRecord(
        stage="landing",
        stream=UNROUTED,
        reason=reason,
        violations=violations,
        body=message.body,
        bus="sqs",
        shard=message.queue,
        position=message.id,
        item=0,
        published_ms=message.sent_ms,
        headers=message.headers,
    )


# Dead letters --------------------------------------------------------------------------------


class _Named(msgspec.Struct):
    """Members of an event that may be anything yet."""

    id: Any = None
    source: Any = None
    type: Any = None
    tenant: Any = None


_decode_named = msgspec.json.Decoder(_Named).decode


def _read_dead_letter(message: _Message, stage: Stage) -> list[FailedRecord]:
    """Every event of a message that was given up; the message as a whole where it has none."""
    reason = message.headers.get("failure-reason") or Reason.UNDELIVERABLE
    detail = message.headers.get("failure-detail") or _GIVEN_UP
    why = Violation("", "delivery", detail)
    whole = FailedRecord(
        stage=stage,
        stream=message.headers.get("stream") or UNROUTED,
        reason=reason,
        violations=(why,),
        body=message.body,
        bus="sqs",
        shard=message.queue,
        position=message.id,
        item=0,
        published_ms=_received_ms(message),
        headers=message.headers,
        tenant=message.headers.get("tenant"),
    )
    try:
        opened = open_message(message.body)
    except Refused as error:
        return [replace(whole, reason=error.reason, violations=(*error.violations, why))]
    if opened.events == [message.body]:
        return [_identified(whole)]
    headers = {k: v for k, v in message.headers.items() if k.lower() != "content-encoding"}
    each = replace(whole, headers=headers | {"content-type": CLOUDEVENT})
    return [
        _identified(replace(each, body=event, item=item))
        for item, event in enumerate(opened.events)
    ]


def _identified(record: FailedRecord) -> FailedRecord:
    """The record with what its event says of itself, as far as that can be read."""
    try:
        named = _decode_named(record.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return record

    def text(value: Any) -> str | None:
        return value if isinstance(value, str) else None

    return replace(
        record,
        id=text(named.id),
        source=text(named.source),
        type=text(named.type),
        tenant=record.tenant or text(named.tenant),  # who was authenticated counts first
    )


def _received_ms(message: _Message) -> int:
    """When the API took it; for others, when it was put on its queue."""
    try:
        received = datetime.fromisoformat(message.headers.get("received-at", ""))
    except ValueError:
        return message.sent_ms
    if received.tzinfo is None:
        return message.sent_ms
    return round(received.timestamp() * 1000)


# Rows ----------------------------------------------------------------------------------------


def _table(name: BatchName, records: list[FailedRecord]) -> pa.Table:
    return pa.Table.from_pylist(
        [_row(name, record) for record in records], schema=FAILED_EVENTS.arrow_schema
    )


def _row(name: BatchName, record: FailedRecord) -> dict[str, Any]:
    return {
        "failed_id": failed_id(record.bus, record.shard, record.position, record.item),
        "stage": record.stage,
        "reason": str(record.reason),
        "detail": detail_of(record.violations),
        "body": record.body,
        "headers": msgspec.json.encode(record.headers, order="sorted").decode(),
        "id": record.id,
        "source": record.source,
        "type": record.type,
        "tenant": record.tenant,
        "bus": record.bus,
        "shard": record.shard,
        "position": record.position,
        "item": record.item,
        "published_at": _EPOCH + timedelta(milliseconds=record.published_ms),
        "landed_at": name.landed_at.astimezone(UTC).replace(tzinfo=None),
        "batch_id": name.batch_id,
    }
