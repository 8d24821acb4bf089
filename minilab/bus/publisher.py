"""Publishing to a stream, whichever bus carries it.

    with open_publisher(settings, registry.stream("product")) as publisher:
        publisher.send(body, key=tenant)

A publisher buffers, sends in the background, and holds the caller back when its buffer is full.
Leaving the ``with`` block flushes it: after that, every message was acknowledged by the bus, or
:class:`PublishError` was raised and says how many were not. Delivery is at least once: a message
whose acknowledgement was lost is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from minilab.errors import MinilabError
from minilab.events.registry import Stream
from minilab.settings import Settings

MAX_MESSAGE_BYTES = 1024 * 1024
"""What SQS takes in one message, attributes included, and what brokers take by default."""

CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENTS_BATCH = "application/cloudevents-batch+json"
"""Content types of CloudEvents' JSON format, single and batched."""


class PublishError(MinilabError):
    """Messages were not accepted by the bus; ``failed`` says how many.

    ``tickets`` are those of them that had one, and ``unreachable`` says that it was the bus and
    not the messages: nothing else is taken either, and this publisher will send nothing any more.
    When the bus is well again, another publisher will.
    """

    def __init__(
        self,
        message: str,
        *,
        failed: int = 0,
        tickets: Sequence[object] = (),
        unreachable: bool = False,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.failed = failed
        self.tickets = tuple(tickets)
        self.unreachable = unreachable


class MessageTooLargeError(PublishError):
    """One message is larger than the bus takes. It was not sent; the publisher goes on."""

    def __init__(self, size: int, where: str) -> None:
        super().__init__(
            f"A message of {size:,} bytes is larger than {where} takes "
            f"({MAX_MESSAGE_BYTES:,} bytes with its attributes).",
            failed=1,
            hint="Split it, or compress it with gzip before sending.",
        )


class Publisher(Protocol):
    """Sends messages to one stream. Not to be shared by threads."""

    @property
    def sent(self) -> int:
        """Messages that the bus acknowledged so far."""

    @property
    def sent_bytes(self) -> int:
        """Bytes of the bodies handed to the bus so far."""

    def send(
        self,
        body: bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        ticket: object = None,
    ) -> None:
        """Queue one message; wait while the buffer is full.

        ``key`` keeps messages of the same key in order where the bus keeps an order (Kafka).
        ``ticket`` stands for the message where ``flush`` says what was not taken.

        Raises:
            MessageTooLargeError: the bus does not take a message of this size.
            PublishError: the bus takes no more. What became of earlier messages, ``flush`` says.
        """

    def flush(self) -> None:
        """Wait until everything sent so far is acknowledged.

        Raises:
            PublishError: some of it is not, and will not be; with the tickets of what was sent
                since the last flush and not taken.
        """

    def close(self) -> None:
        """Send what is buffered as far as possible, then free connections. Does not raise."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class FlushOnExit:
    """The ``with`` block of a publisher: flush if all went well, close in any case."""

    def flush(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.close()


def open_publisher(settings: Settings, stream: Stream) -> Publisher:
    """A publisher to ``stream``.

    Raises:
        PublishError: the stream's queue or topic does not exist.
        MinilabError: the bus is not configured or cannot be reached.
    """
    if stream.bus == "kafka":
        from minilab.bus.kafka import KafkaPublisher

        return KafkaPublisher(settings, settings.topic_name(stream.name))
    from minilab.bus.sqs import SqsPublisher

    return SqsPublisher(settings, settings.queue_name(stream.name))


def pack(events: Sequence[bytes]) -> bytes:
    """Many events, each one JSON object, as one message in CloudEvents' JSON batch format."""
    return b"[" + b",".join(events) + b"]"
