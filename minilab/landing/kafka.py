"""Kafka as a source: contiguous ranges of offsets, one partition at a time.

Partitions are assigned by hand and positions come from the ledger, so that nothing depends on the
group's rebalances. A drain ends at ``PARTITION_EOF``, or at the high watermark that the broker
told with the first fetch; ``ListOffsets`` is asked for nothing but the log's start, because not
every broker answers the rest rightly (Tansu does not). Out-of-range positions are found
here and decided by the caller.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from types import TracebackType
from typing import Any, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from minilab.bus.kafka_config import kafka_config
from minilab.events.registry import Stream
from minilab.landing.decode import headers_as_dict
from minilab.landing.errors import LandingError
from minilab.landing.model import Limits, Messages, Shard
from minilab.settings import Settings

_METADATA_SECONDS = 10.0
_POLL_SECONDS = 0.05
"""A poll waits so long to fill up, whatever is there already."""
_PROBE_AFTER_SECONDS = 2.0
_POLL_MESSAGES = 10_000
_partition_of: Callable[[Any], int] = Message.partition  # type: ignore[assignment]
_OUT_OF_RANGE = (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET)
_HINT = "Is the Kafka cluster up, and MINILAB_KAFKA_BOOTSTRAP_SERVERS right?"


def shard_of(settings: Settings, stream: Stream, partition: int) -> Shard:
    """The shard of one partition of a stream's topic."""
    return Shard(stream.name, "kafka", f"{settings.topic_name(stream.name)}/{partition}")


@dataclass(frozen=True)
class Log:
    """What the broker says a partition holds: offsets ``start`` up to, but not with, ``end``."""

    start: int
    end: int


@dataclass(frozen=True)
class OffsetBatch:
    """All messages of one partition from offset ``first`` to ``last``, both included."""

    partition: int
    first: int
    last: int
    messages: Messages

    def before(self, count: int) -> OffsetBatch:
        """The range that ends where the message at index ``count`` begins."""
        if count == len(self.messages):
            return self
        start = int(self.messages.positions[count])
        return replace(self, last=start - 1, messages=self.messages.first(count))

    def after(self, count: int) -> OffsetBatch | None:
        """The range that begins with the message at index ``count``; None where there is none."""
        if count == len(self.messages):
            return None
        start = int(self.messages.positions[count])
        return replace(self, first=start, messages=self.messages.after(count))


@dataclass
class _Reading:
    """How far one partition is read."""

    position: int | None
    """Next offset to be read; None while that is the beginning, wherever it may be."""
    stop_after: int | None
    """Last offset of a batch whose end is fixed."""
    end: int | None = None
    """High watermark that the drain ends at; known after the first fetch."""
    messages: list[Any] = field(default_factory=list)
    size: int = 0
    heard: bool = False
    """Whether the broker has answered at all."""

    def is_full(self, limits: Limits) -> bool:
        """Whether it makes a batch; never while that batch's end is fixed."""
        return self.stop_after is None and (
            self.size >= limits.batch_bytes or len(self.messages) >= limits.batch_messages
        )


class KafkaSource:
    """One topic, read from given offsets to what was its end when reading began."""

    def __init__(self, settings: Settings, stream: Stream, limits: Limits) -> None:
        self.stream = stream
        self.topic = settings.topic_name(stream.name)
        self._settings = settings
        self._limits = limits
        self._reading: dict[int, _Reading] = {}
        self._last_error = ""
        self.out_of_range: dict[int, Log] = {}
        """Partitions that do not have the position asked for, and what they have."""
        queued = max(1024, limits.buffered_bytes // 4 // 1024)
        self._consumer = Consumer(
            kafka_config(settings)
            | {
                "group.id": f"minilab-{settings.env}-landing",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "session.timeout.ms": 6000,
                "fetch.wait.max.ms": 100,
                "fetch.max.bytes": 16 * 1024 * 1024,
                "max.partition.fetch.bytes": 4 * 1024 * 1024,
                "queued.max.messages.kbytes": queued,
                "queued.min.messages": 1_000_000,
                "check.crcs": False,
                "error_cb": self._on_error,
            }
        )

    def _on_error(self, error: KafkaError) -> None:
        self._last_error = error.str()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def shards(self) -> dict[int, Shard]:
        """The topic's partitions.

        Raises:
            LandingError: the cluster cannot be reached, or there is no such topic.
        """
        try:
            # All topics: asking for one by its name would create it on some brokers.
            topics = self._consumer.list_topics(timeout=_METADATA_SECONDS).topics
        except KafkaException as error:
            raise LandingError(
                f"Kafka cannot be reached: {error.args[0].str()}.", hint=_HINT
            ) from error
        if self.topic not in topics:
            raise LandingError(
                f"There is no Kafka topic {self.topic}.", hint="Create it with: minilab provision"
            )
        return {
            number: shard_of(self._settings, self.stream, number)
            for number in sorted(topics[self.topic].partitions)
        }

    def log_start(self, partition: int) -> int:
        """The first offset that the broker still has.

        Raises:
            LandingError: the broker does not say.
        """
        return _log_start(self._consumer, self.topic, partition)

    def start(self, positions: Mapping[int, int | None], ends: Mapping[int, int]) -> None:
        """Read each of these partitions from its position (None: from the log's start).

        ``ends`` fixes the last offset of a partition's first batch: that batch is exactly the
        range from the position to there, whatever its size.
        """
        self.out_of_range = {}
        self._reading = {
            partition: _Reading(position, ends.get(partition))
            for partition, position in positions.items()
        }
        self._consumer.assign(
            [
                TopicPartition(
                    self.topic, p, OFFSET_BEGINNING if r.position is None else r.position
                )
                for p, r in self._reading.items()
            ]
        )

    def leave(self, partition: int) -> None:
        """Read no more of this partition."""
        if self._reading.pop(partition, None) is not None:
            self._consumer.incremental_unassign([TopicPartition(self.topic, partition)])

    @property
    def buffered(self) -> int:
        """Bytes of message bodies that were read and are not yet in a batch."""
        return sum(reading.size for reading in self._reading.values())

    def batches(self) -> Iterator[OffsetBatch]:
        """Everything from the positions to the end, as contiguous batches within the limits.

        Positions that the log does not have are left out and noted in ``out_of_range``.

        Raises:
            LandingError: the broker is silent, or answers with an error.
        """
        heard = started = time.monotonic()
        while self._reading:
            polled = self._consumer.consume(_POLL_MESSAGES, _POLL_SECONDS)
            now = time.monotonic()
            if polled:
                heard = now
                yield from self._take(polled)
            elif now - heard > self._limits.silence_seconds:
                raise LandingError(
                    f"Kafka has said nothing about {self.topic} for "
                    f"{self._limits.silence_seconds:.0f} s. {self._last_error}".rstrip(),
                    hint=_HINT,
                )
            if now - started > _PROBE_AFTER_SECONDS:
                started = now
                self._probe_silent()

    def _take(self, polled: list[Any]) -> Iterator[OffsetBatch]:
        ended: set[int] = set()
        if notices := [message for message in polled if message.error() is not None]:
            polled = [message for message in polled if message.error() is None]
            ended = self._heed(notices)
        for partition, run in groupby(polled, key=_partition_of):
            yield from self._read(partition, list(run))
        for partition in ended:
            yield from self._flush(partition)
            self.leave(partition)
        while self.buffered > self._limits.buffered_bytes:
            fullest = max(self._reading, key=lambda p: self._reading[p].size)
            yield from self._flush(fullest)

    def _heed(self, notices: list[Any]) -> set[int]:
        """Take note of what is no message; return the partitions that were read to their end."""
        ended: set[int] = set()
        for notice in notices:
            error, partition = notice.error(), notice.partition()
            if error.code() == KafkaError._PARTITION_EOF:
                ended.add(partition)
            elif error.code() in _OUT_OF_RANGE:
                self._note_out_of_range(partition)
            else:
                raise LandingError(
                    f"Reading {self.topic}/{partition} failed: {error.str()}.", hint=_HINT
                )
        return ended

    def _read(self, partition: int, messages: list[Any]) -> Iterator[OffsetBatch]:
        """Take messages of one partition, and hand out what makes a batch."""
        while messages and (reading := self._reading.get(partition)):
            reading.heard = True
            if reading.end is None:
                reading.end = self._cached_end(partition)
            fixed = reading.stop_after
            last = fixed if fixed is not None else (reading.end or math.inf) - 1
            taken = messages
            if messages[-1].offset() > last:
                taken = [message for message in messages if message.offset() <= last]
            messages = messages[len(taken) :]
            reading.messages.extend(taken)
            reading.size += sum(map(len, taken))
            arrived = bool(messages) or (bool(taken) and taken[-1].offset() >= last)
            if arrived or reading.is_full(self._limits):
                yield from self._flush(partition)
            if arrived and fixed is None:
                self.leave(partition)

    def _flush(self, partition: int) -> Iterator[OffsetBatch]:
        """Hand out what is read of a partition as one batch."""
        reading = self._reading.get(partition)
        if reading is None or not (reading.messages or reading.stop_after is not None):
            return
        messages, fixed = reading.messages, reading.stop_after
        reading.messages, reading.size, reading.stop_after = [], 0, None
        offsets = [message.offset() for message in messages]
        first = reading.position if reading.position is not None else offsets[0]
        last = fixed if fixed is not None else offsets[-1]
        reading.position = last + 1
        yield OffsetBatch(partition, first, last, _columns(messages, offsets))

    def _probe_silent(self) -> None:
        """Look whether partitions that say nothing have the position that we ask for at all.

        A broker should answer a position behind the end with an error; some just stay silent.
        """
        for partition, reading in list(self._reading.items()):
            if not reading.heard and reading.position is not None:
                log = self.log(partition)
                if log is not None and not log.start <= reading.position <= log.end:
                    self._note_out_of_range(partition)

    def _note_out_of_range(self, partition: int) -> None:
        log = self.log(partition)
        if log is None:
            raise LandingError(
                f"{self.topic}/{partition} does not have the offset that is next, and the broker "
                "does not say which it has.",
                hint=_HINT,
            )
        self.out_of_range[partition] = log
        self.leave(partition)

    def log(self, partition: int) -> Log | None:
        """What the broker has of a partition, from a fetch at its start; None if it is silent."""
        with _Probe(self._settings, self.topic) as probe:
            return probe.log(partition)

    def _cached_end(self, partition: int) -> int | None:
        """The high watermark that came with the last fetch; None before there was one."""
        _, high = self._consumer.get_watermark_offsets(
            TopicPartition(self.topic, partition), cached=True
        )
        return int(high) if high is not None and high >= 0 else None

    def acknowledge(self, partition: int, next_offset: int) -> None:
        """Tell the group's offset, for those who watch lag there. The ledger is what counts."""
        self._consumer.commit(
            offsets=[TopicPartition(self.topic, partition, next_offset)], asynchronous=True
        )


def _columns(messages: list[Any], offsets: list[int]) -> Messages:
    return Messages(
        bodies=[message.value() or b"" for message in messages],
        positions=offsets,
        published_ms=[message.timestamp()[1] for message in messages],
        headers_of=lambda index: headers_as_dict(messages[index].headers()),
    )


def _log_start(consumer: Consumer, topic: str, partition: int) -> int:
    try:
        low, _ = consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=_METADATA_SECONDS
        )
    except KafkaException as error:
        raise LandingError(
            f"Kafka does not say where {topic}/{partition} begins: {error.args[0].str()}.",
            hint=_HINT,
        ) from error
    return int(low)


class _Probe:
    """A consumer that only looks how long logs are, by small fetches."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(
            kafka_config(settings)
            | {
                "group.id": f"minilab-{settings.env}-landing-probe",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "session.timeout.ms": 6000,
                "fetch.wait.max.ms": 50,
                "max.partition.fetch.bytes": 1024,
                "queued.min.messages": 1,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def log(self, partition: int) -> Log | None:
        """Start and end of one partition; None where the broker is silent."""
        start = _log_start(self._consumer, self._topic, partition)
        end = self.ends({partition: start}).get(partition)
        return None if end is None else Log(start, end)

    def ends(self, positions: Mapping[int, int]) -> dict[int, int]:
        """The ends of these partitions, from one fetch at each position.

        Partitions that do not have the position are left out.
        """
        self._consumer.assign(
            [TopicPartition(self._topic, p, position) for p, position in positions.items()]
        )
        ends: dict[int, int] = {}
        deadline = time.monotonic() + _PROBE_AFTER_SECONDS
        out: set[int] = set()
        while len(ends) + len(out) < len(positions) and time.monotonic() < deadline:
            message = self._consumer.poll(_POLL_SECONDS)
            if message is None or (partition := message.partition()) is None:
                continue
            error = message.error()
            if error is not None and error.code() in _OUT_OF_RANGE:
                out.add(partition)
            elif error is None or error.code() == KafkaError._PARTITION_EOF:
                _, high = self._consumer.get_watermark_offsets(
                    TopicPartition(self._topic, partition), cached=True
                )
                ends[partition] = max(int(high), message.offset() or 0)
        return ends


def log_ends(
    settings: Settings, topic: str, positions: Mapping[int, int | None]
) -> dict[int, tuple[int, int]]:
    """For each partition ``(next, end)``: the next offset to be landed, and the log's end.

    ``positions`` are what the ledger says (None: nothing landed yet). A position that the log does
    not have counts as the log's start.

    Raises:
        LandingError: the cluster does not answer.
    """
    with _Probe(settings, topic) as probe:
        starts = {
            p: _log_start(probe._consumer, topic, p) if position is None else position
            for p, position in positions.items()
        }
        ends = probe.ends(starts)
        found = {p: (starts[p], end) for p, end in ends.items() if end >= starts[p]}
        for partition in positions.keys() - found.keys():
            log = probe.log(partition)
            if log is None:
                raise LandingError(f"Kafka says nothing about {topic}/{partition}.", hint=_HINT)
            found[partition] = (log.start, log.end)
        return found
