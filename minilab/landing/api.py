"""What other rooms call: ``land`` and ``backlog``."""

from __future__ import annotations

from collections.abc import Sequence

from minilab import aws
from minilab.events.formats import MAX_ENRICHMENT_BYTES, MAX_EVENT_BYTES
from minilab.events.registry import Registry, Stream
from minilab.events.validation import StreamRules
from minilab.landing.environment import Environment
from minilab.landing.kafka import log_ends, shard_of
from minilab.landing.ledger import Ledger
from minilab.landing.loop import land_stream
from minilab.landing.model import Limits
from minilab.landing.summary import Backlog, LandingSummary, Progress, no_progress
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
    """Drain what is on the buses of these streams (None: of all) into the lake, then end.

    Safe to call at any time, and by several at once. A stream that cannot be landed does not stop
    the others: see ``StreamSummary.error``, or call ``LandingSummary.raise_if_broken``.

    Raises:
        RegistryError: there is no such stream, or a contract cannot be used.
    """
    rules = {
        name: StreamRules(registry, name, max_bytes=MAX_EVENT_BYTES + MAX_ENRICHMENT_BYTES)
        for name in streams or registry.streams
    }
    env = environment or Environment.of(settings)
    return LandingSummary(
        tuple(
            land_stream(
                env, registry.stream(name), rule, limits or Limits(), on_progress or no_progress
            )
            for name, rule in rules.items()
        )
    )


def backlog(settings: Settings, registry: Registry, stream: Stream | str) -> Backlog:
    """How much waits on the bus of one stream, for sensors: well under a second.

    For Kafka, the ledger's position against the logs' ends, which are taken from a small fetch
    because not every broker answers ``ListOffsets`` rightly.

    Raises:
        RegistryError, LandingError, AwsError: no such stream, or the bus cannot be reached.
    """
    if isinstance(stream, str):
        stream = registry.stream(stream)
    if stream.bus == "sqs":
        return _sqs_backlog(settings, stream)
    ledger = Ledger(settings)
    shards = {number: shard_of(settings, stream, number) for number in range(stream.partitions)}
    positions = {number: ledger.read(shard).next_offset for number, shard in shards.items()}
    ends = log_ends(settings, settings.topic_name(stream.name), positions)
    by_shard = {shards[number].name: end - at for number, (at, end) in ends.items()}
    return Backlog(stream.name, stream.bus, sum(by_shard.values()), by_shard=by_shard)


def _sqs_backlog(settings: Settings, stream: Stream) -> Backlog:
    sqs = aws.client("sqs", settings)
    queue = settings.queue_name(stream.name)
    with aws.readable_errors(f"Looking at queue {queue}"):
        answer = sqs.get_queue_attributes(
            QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"],
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )
    waiting, in_flight = (
        int(answer["Attributes"][name])
        for name in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    )
    return Backlog(stream.name, stream.bus, waiting, in_flight, {queue: waiting})
