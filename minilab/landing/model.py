"""The records that go from one step of landing to the next. Immutable; no record knows a bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa

from minilab.events.registry import Bus
from minilab.lake.layout import HourPartition

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Limits:
    """How much a lander holds at a time. Whichever bound comes first closes a batch."""

    batch_bytes: int = 32 * 1024 * 1024
    """Of message bodies: about one file of 3 to 10 MB."""
    batch_messages: int = 100_000
    batch_seconds: float = 20.0
    """Age of an SQS batch's oldest message: far below the queue's visibility timeout."""
    buffered_bytes: int = 96 * 1024 * 1024
    """Message bodies read and not yet durable, over all shards of a stream."""
    opened_bytes: int = 64 * 1024 * 1024
    """Of events, when messages are opened and what they claim is fetched. What goes beyond becomes
    a batch of its own; a single message may be larger (``formats.MAX_MESSAGE_BYTES``, and the same
    again of claims)."""
    workers: int = 2
    """Batches decoded and written at the same time; those of one Kafka partition never are."""
    receivers: int = 4
    """Connections that receive from an SQS queue."""
    long_poll_seconds: int = 1
    """How long each of them waits at the end, to be sure that nothing is there; 0 is not sure."""
    silence_seconds: float = 30.0
    """How long a bus may say nothing at all, not even that it has nothing, before we give up."""


@dataclass(frozen=True)
class Messages:
    """Messages of one shard as columns of equal length, in the order of the bus."""

    bodies: Sequence[bytes]
    positions: Sequence[int] | Sequence[str]
    """Kafka offsets, or SQS message ids."""
    published_ms: Sequence[int]
    """When the bus took them: milliseconds since 1970 (UTC)."""
    headers_of: Callable[[int], Headers] = field(default=lambda index: {})
    """Headers or attributes of the n-th: asked only for what fails."""

    def __len__(self) -> int:
        return len(self.bodies)

    @property
    def size(self) -> int:
        """Bytes of all bodies."""
        return sum(map(len, self.bodies))

    def first(self, count: int) -> Messages:
        """The first so many of them."""
        if count == len(self):
            return self
        return replace(
            self,
            bodies=self.bodies[:count],
            positions=self.positions[:count],
            published_ms=self.published_ms[:count],
        )

    def after(self, count: int) -> Messages:
        """All but the first so many."""
        return Messages(
            self.bodies[count:],
            self.positions[count:],
            self.published_ms[count:],
            lambda index: self.headers_of(count + index),
        )


@dataclass(frozen=True)
class Shard:
    """What has an order, or a queue, of its own: a Kafka partition or an SQS queue."""

    stream: str
    bus: Bus
    name: str
    """``topic/partition``, or the queue's name."""


@dataclass(frozen=True)
class BatchName:
    """What a landing batch is called and when it was landed: its files follow from this."""

    shard: Shard
    batch_id: str
    landed_at: datetime

    @property
    def partition(self) -> HourPartition:
        return HourPartition.of(self.shard.stream, self.landed_at)


@dataclass(frozen=True)
class Decoded:
    """A batch as rows of the raw tables."""

    name: BatchName
    events: pa.Table
    failed: pa.Table
    failed_by_reason: Mapping[str, int]
    messages: int
    """Whose rows these are: the first so many of those that were to be decoded."""
    size: int
    """Bytes of the message bodies."""


Decoder = Callable[[BatchName, Messages], Decoded]
"""Turns messages into rows. Deterministic; what it raises is a step that could not be done. It may
take the first messages only (at least one), where all of them together would be too much to hold:
the others are landed as a batch of their own."""


@dataclass(frozen=True)
class LakeFile:
    """A file to be put into the lake bucket."""

    key: str
    content: pa.Buffer
    rows: int


@dataclass(frozen=True)
class Landed:
    """A batch that is durable, and what the bus may forget about now."""

    name: BatchName
    first: int | None
    """First and last Kafka offset; None for SQS."""
    last: int | None
    messages: int
    events: int
    failed_by_reason: Mapping[str, int]
    size: int
    files: tuple[str, ...]
    repeated: int = 0
    """SQS messages that an earlier batch had landed and not deleted; they were not landed again."""
    undeleted: int = 0
    """SQS messages that are durable and could not be deleted; the next lander does it."""


@dataclass(frozen=True)
class LostRange:
    """Kafka offsets that the broker no longer has and that were never landed (inclusive)."""

    shard: str
    first: int
    last: int

    @property
    def messages(self) -> int:
        """At most so many; a log may have gaps."""
        return self.last - self.first + 1
