"""The ingest queue: what the API accepted, on its way to the processor.

A message holds events of one tenant for one stream, as one request brought them: a CloudEvent in
JSON, or a batch of them. What the request tells of them all travels as message attributes
(:class:`Origin`). The queue is FIFO and the tenant is the message group, so events of a tenant are
processed in the order in which they were accepted, also by several processors. A message that is
sent a second time within five minutes is dropped by SQS (deduplication id).

Source: Amazon SQS Developer Guide, "FIFO queues"; API Reference, SendMessageBatch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minilab import aws
from minilab.bus.message import SqsEntry, SqsSender, as_sqs_json, calls, sqs_entry
from minilab.bus.publisher import CLOUDEVENT, CLOUDEVENTS_BATCH, MAX_MESSAGE_BYTES, pack
from minilab.settings import Settings

MAX_INLINE_BYTES = MAX_MESSAGE_BYTES - 16 * 1024
"""The largest event (``size_in_message``) that travels in a message: attributes and what the
processor adds find room. A larger one's payload is claimed (``minilab.lake.claims``)."""
_ROOM = MAX_INLINE_BYTES - 1
"""For events with a comma each; a batch's brackets are one byte more than its commas."""
_MAX_USER_AGENT = 256


@dataclass(frozen=True)
class Origin:
    """What a request tells of all its events."""

    stream: str
    tenant: str
    """Who was authenticated, whatever the events say."""
    received_at: str
    """When the API took the request: RFC 3339, UTC, milliseconds."""
    request_id: str
    user_agent: str | None = None

    def as_attributes(self) -> dict[str, str]:
        attributes = {
            "stream": self.stream,
            "tenant": self.tenant,
            "received-at": self.received_at,
            "request-id": self.request_id,
        }
        if agent := "".join(c for c in self.user_agent or "" if " " <= c <= "~"):
            attributes["user-agent"] = agent[:_MAX_USER_AGENT]
        return attributes

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, str]) -> Origin:
        """Raises KeyError where an attribute is missing that every message has."""
        return cls(
            stream=attributes["stream"],
            tenant=attributes["tenant"],
            received_at=attributes["received-at"],
            request_id=attributes["request-id"],
            user_agent=attributes.get("user-agent"),
        )


@dataclass(frozen=True)
class IngestMessage:
    """Events that travel together."""

    origin: Origin
    events: tuple[bytes, ...]
    """Each a CloudEvent in JSON; together within what ``in_messages`` puts into one message."""
    deduplication_id: str
    """At most 128 letters, digits and punctuation: the same for the same events."""

    def entry(self) -> SqsEntry:
        single = len(self.events) == 1
        headers = {
            "content-type": CLOUDEVENT if single else CLOUDEVENTS_BATCH,
            **self.origin.as_attributes(),
        }
        return sqs_entry(as_sqs_json(self.events[0] if single else pack(self.events)), headers)


def size_in_message(event: bytes) -> int:
    """Bytes that an event takes in a message: more than it has where SQS wants escapes."""
    return len(as_sqs_json(event))


def in_messages(sizes: Iterable[int]) -> Iterator[list[int]]:
    """Indexes of events by message: in order, none over ``MAX_INLINE_BYTES`` with its brackets.

    ``sizes`` are those that ``size_in_message`` gives. An event that is larger by itself gets a
    message of its own.
    """
    message: list[int] = []
    room = _ROOM
    for index, size in enumerate(sizes):
        if message and size + 1 > room:
            yield message
            message, room = [], _ROOM
        message.append(index)
        room -= size + 1
    if message:
        yield message


class IngestQueue:
    """Sends to the ingest queue. Safe to share between threads.

    ``sqs`` is a boto3 client, or the deployment's own.
    """

    def __init__(self, settings: Settings, sqs: Any = None) -> None:
        self._sender = SqsSender(
            sqs or aws.client("sqs", settings), settings, settings.ingest_queue
        )

    def send(self, messages: Sequence[IngestMessage]) -> list[str | None]:
        """Send messages in as few calls as can be; say of each why SQS did not take it, or None."""
        entries = [message.entry() for message in messages]
        why: list[str | None] = [None] * len(entries)
        for call in calls(entry.size for entry in entries):
            refused = self._sender.send([_parameters(i, messages[i], entries[i]) for i in call])
            for index, problem in refused.items():
                why[index] = problem
        return why


def _parameters(index: int, message: IngestMessage, entry: SqsEntry) -> dict[str, object]:
    return entry.as_parameters(
        index,
        MessageGroupId=message.origin.tenant,
        MessageDeduplicationId=message.deduplication_id,
    )
