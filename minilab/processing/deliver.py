"""Delivery: messages to their buses, and which of them were acknowledged.

Publishers are kept for the process's life, one for each stream, and made anew when theirs is over
(``minilab.bus.publisher.PublishError.unreachable``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from minilab.bus.publisher import Publisher, PublishError
from minilab.errors import MinilabError
from minilab.events.registry import Stream
from minilab.processing.route import Delivery


@dataclass(frozen=True)
class Trouble:
    """Why a message of the ingest queue is not done."""

    why: str
    away: bool
    """Whether a bus (or a table) cannot be reached: the message itself is not to blame."""


class Carriers:
    """The publishers of one process. Not to be shared by threads."""

    def __init__(self, open_publisher: Callable[[Stream], Publisher]) -> None:
        self._open_publisher = open_publisher
        self._publishers: dict[str, Publisher] = {}

    def deliver(self, deliveries: Iterable[Delivery]) -> dict[str, Trouble]:
        """Send everything and wait for the buses' word; say what was not taken.

        The answer has the ids of the ingest queue's messages of which something was not taken. What
        comes behind a message whose bus is away is not sent either, where it is of the same tenant:
        it would be sent again each time that one is tried again. Never raises because a bus fails.
        """
        troubles: dict[str, Trouble] = {}
        away: dict[str, Trouble] = {}
        behind: dict[str, Trouble] = {}
        used: dict[str, Publisher] = {}
        for delivery in deliveries:
            stream, tenant = delivery.stream.name, delivery.key
            if tenant not in behind and stream not in away:
                trouble = self._send(delivery, used)
                if trouble is None:
                    continue
                if trouble.away:
                    away[stream] = trouble
            else:
                trouble = behind.get(tenant) or away[stream]
            troubles.setdefault(delivery.message_id, trouble)
            if trouble.away:
                behind.setdefault(tenant, trouble)
        for stream, publisher in used.items():
            try:
                publisher.flush()
            except PublishError as error:
                trouble = Trouble(error.message, error.unreachable)
                troubles |= {str(ticket): trouble for ticket in error.tickets}
                if trouble.away:
                    away[stream] = trouble
        for stream in away:
            self._discard(stream)
        return troubles

    def _send(self, delivery: Delivery, used: dict[str, Publisher]) -> Trouble | None:
        """Hand one message to its publisher, and note that it is ``used``."""
        try:
            publisher = used[delivery.stream.name] = self._publisher(delivery.stream)
            publisher.send(delivery.body, key=delivery.key, ticket=delivery.message_id)
        except PublishError as error:
            return Trouble(error.message, error.unreachable)
        except MinilabError as error:
            return Trouble(error.message, away=True)
        return None

    def _publisher(self, stream: Stream) -> Publisher:
        publisher = self._publishers.get(stream.name)
        if publisher is None:
            publisher = self._publishers[stream.name] = self._open_publisher(stream)
        return publisher

    def _discard(self, stream: str) -> None:
        publisher = self._publishers.pop(stream, None)
        if publisher is not None:
            publisher.close()

    def close(self) -> None:
        for stream in list(self._publishers):
            self._discard(stream)
