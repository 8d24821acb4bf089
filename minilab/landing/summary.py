"""What a call of ``land`` did, and what is waiting on a bus: the answers that callers get."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from minilab.events.registry import Bus
from minilab.lake.layout import HourPartition
from minilab.landing.errors import LandingError
from minilab.landing.model import Landed, LostRange

Progress = Callable[[str], None]
"""Told a short sentence as landing goes on; the landing code itself never prints."""


def no_progress(_: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class ShardSummary:
    """What was landed of one Kafka partition or SQS queue."""

    shard: str
    messages: int
    first: int | None
    """First and last Kafka offset landed; None for SQS, or where nothing was."""
    last: int | None


@dataclass(frozen=True)
class StreamSummary:
    """What was landed of one stream, or of the failed queue and all dead letters together.

    Counts are of this call alone.
    """

    stream: str
    """Its name; ``registry.FAILURES`` for what had failed before landing."""
    bus: Bus
    messages: int = 0
    events: int = 0
    """Rows in ``events``."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """Rows in ``failed_events``, by reason."""
    bytes: int = 0
    """Of the message bodies as they came."""
    files: tuple[str, ...] = ()
    """Keys in the lake bucket."""
    partitions: tuple[HourPartition, ...] = ()
    """Hours that were written to, ascending."""
    shards: tuple[ShardSummary, ...] = ()
    lost: tuple[LostRange, ...] = ()
    """What the broker deleted before it was landed."""
    fenced: tuple[str, ...] = ()
    """Shards left to another lander that works on them."""
    repeated: int = 0
    """SQS messages that came again although an earlier batch had landed them: not landed twice."""
    undeleted: int = 0
    """SQS messages landed, but not deleted from the queue; the next call does it."""
    seconds: float = 0.0
    error: str | None = None
    """Why landing of this stream ended early. What is not landed is still on the bus."""

    @property
    def failed_events(self) -> int:
        return sum(self.failed.values())

    @property
    def ok(self) -> bool:
        """Whether everything there was is in the lake now, or in another lander's hands."""
        return self.error is None and not self.lost

    @classmethod
    def of(
        cls,
        stream: str,
        bus: Bus,
        landed: Iterable[Landed],
        *,
        lost: Iterable[LostRange] = (),
        fenced: Iterable[str] = (),
        seconds: float = 0.0,
        error: str | None = None,
    ) -> StreamSummary:
        batches = sorted(landed, key=lambda b: (b.name.shard.name, b.first or 0))
        failed: dict[str, int] = {}
        for batch in batches:
            for reason, count in batch.failed_by_reason.items():
                failed[str(reason)] = failed.get(str(reason), 0) + count
        by_shard: dict[str, list[Landed]] = {}
        for batch in batches:
            by_shard.setdefault(batch.name.shard.name, []).append(batch)
        return cls(
            stream=stream,
            bus=bus,
            messages=sum(b.messages for b in batches),
            events=sum(b.events for b in batches),
            failed=dict(sorted(failed.items())),
            bytes=sum(b.size for b in batches),
            files=tuple(key for b in batches for key in b.files),
            partitions=tuple(sorted({b.name.partition for b in batches if b.files})),
            shards=tuple(
                ShardSummary(shard, sum(b.messages for b in those), those[0].first, those[-1].last)
                for shard, those in by_shard.items()
            ),
            lost=tuple(lost),
            fenced=tuple(sorted(fenced)),
            repeated=sum(b.repeated for b in batches),
            undeleted=sum(b.undeleted for b in batches),
            seconds=seconds,
            error=error,
        )


@dataclass(frozen=True)
class LandingSummary:
    """What one call of ``land`` did, by stream."""

    streams: tuple[StreamSummary, ...]

    @property
    def ok(self) -> bool:
        return all(stream.ok for stream in self.streams)

    @property
    def messages(self) -> int:
        return sum(stream.messages for stream in self.streams)

    @property
    def events(self) -> int:
        return sum(stream.events for stream in self.streams)

    @property
    def failed_events(self) -> int:
        return sum(stream.failed_events for stream in self.streams)

    def of(self, stream: str) -> StreamSummary:
        """The summary of one stream. Raises KeyError where it was not asked for."""
        for summary in self.streams:
            if summary.stream == stream:
                return summary
        raise KeyError(stream)

    def raise_if_broken(self) -> None:
        """Raises LandingError where something could not be landed, or is lost for good."""
        broken = [stream for stream in self.streams if not stream.ok]
        if broken:
            raise LandingError(
                "Landing did not go well:\n" + "\n".join(map(_complaint, broken)),
                hint="What is not landed is still on its bus: run `minilab land` again.",
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "ok": self.ok,
            "messages": self.messages,
            "events": self.events,
            "failed_events": self.failed_events,
            "streams": [_plain(stream) for stream in self.streams],
        }


def _complaint(stream: StreamSummary) -> str:
    parts = [stream.error] if stream.error else []
    parts += [
        f"{gap.shard}: offsets {gap.first} to {gap.last} were deleted by the broker before they "
        "were landed."
        for gap in stream.lost
    ]
    return f"  {stream.stream}: " + " ".join(parts)


def _plain(stream: StreamSummary) -> dict[str, Any]:
    return asdict(stream) | {"ok": stream.ok, "failed_events": stream.failed_events}


@dataclass(frozen=True)
class Backlog:
    """What waits on the bus of one stream, or to become failed events."""

    stream: str
    bus: Bus
    messages: int
    """Kafka offsets not yet landed, exactly; SQS messages that can be received, approximately."""
    in_flight: int = 0
    """SQS messages that someone received and has not deleted yet; 0 for Kafka."""
    by_shard: Mapping[str, int] = field(default_factory=dict)
