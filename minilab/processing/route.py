"""Routing: what goes to which stream's bus, as which messages.

Kafka gets a message for each event, with the tenant as key, so that the topic keeps a tenant's
order. SQS gets what came together together: price and speed go by the message there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minilab.bus.ingest_queue import in_messages
from minilab.bus.message import as_sqs_json
from minilab.bus.publisher import pack
from minilab.events.registry import Stream


@dataclass(frozen=True)
class Delivery:
    """One message to be sent."""

    message_id: str
    """Of the ingest queue's message that it came with."""
    stream: Stream
    key: str
    body: bytes


def route(
    message_id: str, stream: Stream, tenant: str, events: Sequence[bytes]
) -> Iterator[Delivery]:
    """The messages that carry one record's events to their stream, in order."""
    if stream.bus == "kafka":
        for event in events:
            yield Delivery(message_id, stream, tenant, event)
        return
    texts = [as_sqs_json(event) for event in events]
    for indexes in in_messages(map(len, texts)):
        some = [texts[index] for index in indexes]
        yield Delivery(message_id, stream, tenant, some[0] if len(some) == 1 else pack(some))
