"""What other rooms call: ``land`` and ``backlog``."""

from __future__ import annotations

from collections.abc import Sequence

from minilab.events.formats import MAX_ENRICHMENT_BYTES, MAX_EVENT_BYTES
from minilab.events.registry import FAILURES, Registry, Stream
from minilab.events.validation import StreamRules
from minilab.landing.environment import Environment
from minilab.landing.failures import failures_backlog, land_failures
from minilab.landing.kafka import log_ends, shard_of
from minilab.landing.ledger import Ledger
from minilab.landing.loop import land_stream
from minilab.landing.model import Limits
from minilab.landing.sqs import waiting
from minilab.landing.summary import (
    Backlog,
    LandingSummary,
    Progress,
    StreamSummary,
    no_progress,
)
from minilab.settings import Settings


def land(
    settings: Settings,
    registry: Registry,
    streams: Sequence[str] | None = None,
    *,
    on_progress: Progress | None = None,
    limits: Limits | None = None,
    environment: Environment | None = None,
) -> LandingSummary:
    """Drain what is on the buses of these streams (None: everything) into the lake, then end.

    ``registry.FAILURES`` stands among streams for the failed queue and the dead letters.

    Safe to call at any time, and by several at once. A stream that cannot be landed does not stop
    the others: see ``StreamSummary.error``, or call ``LandingSummary.raise_if_broken``.

    Raises:
        RegistryError: there is no such stream, or a contract cannot be used.
    """
    names = streams or [*registry.streams, FAILURES]
    largest = MAX_EVENT_BYTES + MAX_ENRICHMENT_BYTES
    rules = {
        name: StreamRules(registry, name, max_bytes=largest) for name in names if name != FAILURES
    }
    env = environment or Environment.of(settings)
    limits, tell = limits or Limits(), on_progress or no_progress

    def landed(name: str) -> StreamSummary:
        if name == FAILURES:
            return land_failures(
                settings, registry, on_progress=tell, limits=limits, environment=env
            )
        return land_stream(env, registry.stream(name), rules[name], limits, tell)

    return LandingSummary(tuple(landed(name) for name in dict.fromkeys(names)))


def backlog(settings: Settings, registry: Registry, stream: Stream | str) -> Backlog:
    """How much waits on the bus of one stream, or to become failed events (``FAILURES``).

    For sensors: well under a second.

    For Kafka, the ledger's position against the logs' ends, which are taken from a small fetch
    because not every broker answers ``ListOffsets`` rightly.

    Raises:
        RegistryError, LandingError, AwsError: no such stream, or the bus cannot be reached.
    """
    if stream == FAILURES:
        return failures_backlog(settings, registry)
    if isinstance(stream, str):
        stream = registry.stream(stream)
    if stream.bus == "sqs":
        queue = settings.queue_name(stream.name)
        there, in_flight = waiting(settings, queue)
        return Backlog(stream.name, stream.bus, there, in_flight, {queue: there})
    ledger = Ledger(settings)
    shards = {number: shard_of(settings, stream, number) for number in range(stream.partitions)}
    positions = {number: ledger.read(shard).next_offset for number, shard in shards.items()}
    ends = log_ends(settings, settings.topic_name(stream.name), positions)
    by_shard = {shards[number].name: end - at for number, (at, end) in ends.items()}
    return Backlog(stream.name, stream.bus, sum(by_shard.values()), by_shard=by_shard)
