"""Opening a message: its events, and what in it can never be one (poison).

Poison becomes a failed event at once and does not hold the others up. Whether an event keeps its
contract was judged by the API, and landing judges it again; here only what routing rests on is
looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from minilab.bus.failed_queue import FailedRecord
from minilab.bus.ingest_queue import Origin
from minilab.bus.publisher import CLOUDEVENT
from minilab.events.failures import Reason
from minilab.events.formats import Refused, check_depth, check_utf8, open_message, refused
from minilab.events.registry import UNROUTED, Registry, Stream
from minilab.processing.enrich import Known, look_at
from minilab.processing.records import Record


@dataclass(frozen=True)
class Addressed:
    """Events, and where they belong."""

    origin: Origin
    stream: Stream
    events: list[tuple[bytes, Known]]
    """In the order in which they were accepted, each with what was seen in it."""


@dataclass(frozen=True)
class Opened:
    """A message, opened."""

    poison: list[FailedRecord]
    addressed: Addressed | None = None
    """None where all of the message is poison."""


def open_record(record: Record, registry: Registry, queue: str) -> Opened:
    """Never raises because of what a message contains. ``queue`` is where it came from."""
    body = record.body
    poison = _Poison(record, queue)
    try:
        origin, stream = _address(record, registry)
        texts = open_message(body).events
    except Refused as error:
        return Opened([poison.whole(body, error)])
    events: list[tuple[bytes, Known]] = []
    failed: list[FailedRecord] = []
    for item, text in enumerate(texts):
        try:
            events.append((text, _look(text, origin.tenant)))
        except Refused as error:
            failed.append(poison.event(text, item, error))
    return Opened(failed, Addressed(origin, stream, events))


def _address(record: Record, registry: Registry) -> tuple[Origin, Stream]:
    """Raises Refused: the message does not say where it belongs."""
    try:
        origin = Origin.from_attributes(record.attributes)
    except KeyError as missing:
        message = f"The message has no attribute {missing}: it is not the API's."
        raise refused(Reason.MISSING_ATTRIBUTE, "message-attribute", message) from None
    stream = registry.streams.get(origin.stream)
    if stream is None:
        message = f"There is no stream {origin.stream!r} in contracts/streams.yaml."
        raise refused(Reason.WRONG_STREAM, "stream", message)
    return origin, stream


def _look(text: bytes, tenant: str) -> Known:
    """Raises Refused: it is no JSON object, or another tenant's."""
    try:
        known = look_at(text)
    except msgspec.ValidationError as error:
        raise refused(Reason.NOT_AN_EVENT, "type", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        check_utf8(text)
        check_depth(text)
        raise refused(Reason.NOT_JSON, "json", str(error)) from None
    if known.tenant != tenant:
        message = f"The event's tenant is not {tenant!r}, who sent it."
        raise refused(Reason.WRONG_TENANT, "tenant", message, "/tenant")
    return known


@dataclass(frozen=True)
class _Poison:
    """Makes failed records of what one message holds."""

    record: Record
    queue: str

    def whole(self, body: bytes, error: Refused) -> FailedRecord:
        """Of all that is in the message."""
        return self._of(body, 0, error, {})

    def event(self, text: bytes, item: int, error: Refused) -> FailedRecord:
        """Of one of its events."""
        return self._of(text, item, error, {"content-type": CLOUDEVENT})

    def _of(
        self, body: bytes, item: int, error: Refused, headers: Mapping[str, str]
    ) -> FailedRecord:
        attributes = self.record.attributes
        said = _names_in(body)
        return FailedRecord(
            stage="processing",
            stream=attributes.get("stream", UNROUTED),
            reason=error.reason,
            violations=error.violations,
            body=body,
            bus="sqs",
            shard=self.queue,
            position=self.record.message_id,
            item=item,
            published_ms=self.record.sent_ms,
            headers={**self.record.headers, **headers},
            id=said["id"],
            source=said["source"],
            type=said["type"],
            tenant=attributes.get("tenant") or said["tenant"],
        )


class _Names(msgspec.Struct):
    id: Any = None
    source: Any = None
    type: Any = None
    tenant: Any = None


def _names_in(body: bytes) -> dict[str, str | None]:
    """What can be told of an event that is none."""
    try:
        said = msgspec.structs.asdict(msgspec.json.decode(body, type=_Names))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = dict.fromkeys(_Names.__struct_fields__)
    return {name: value if isinstance(value, str) else None for name, value in said.items()}
