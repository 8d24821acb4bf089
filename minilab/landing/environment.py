"""Everything in landing that touches the world, in one value.

The loop gets it handed in. A test hands in another one and watches the order of what is done, or
ends the process between two steps.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from minilab.events.registry import Stream
from minilab.lake.claims import Claims
from minilab.lake.layout import HourPartition
from minilab.lake.tables import TABLES
from minilab.landing.kafka import KafkaSource
from minilab.landing.ledger import Ledger
from minilab.landing.model import Limits
from minilab.landing.ports import ClaimsPort, KafkaPort, LedgerPort, SqsPort, StorePort
from minilab.landing.sqs import Queue, SqsSource, queue_of
from minilab.landing.store import LakeStore
from minilab.settings import Settings


@dataclass(frozen=True)
class Environment:
    now: Callable[[], datetime]
    """The time, aware, in UTC."""
    ledger: LedgerPort
    store: StorePort
    claims: ClaimsPort
    register: Callable[[HourPartition], None]
    """Make an hour visible in every raw table."""
    open_kafka: Callable[[Stream, Limits], AbstractContextManager[KafkaPort]]
    open_sqs: Callable[[Stream, Limits], AbstractContextManager[SqsPort]]
    open_queue: Callable[[Queue, Limits], AbstractContextManager[SqsPort]]
    """The same for a queue that is no stream's."""

    @classmethod
    def of(cls, settings: Settings) -> Environment:
        """The real one: AWS and Kafka, wherever their endpoints are."""
        return cls(
            now=lambda: datetime.now(UTC),
            ledger=Ledger(settings),
            store=LakeStore(settings),
            claims=Claims(settings),
            register=cache(lambda partition: _register(settings, partition)),
            open_kafka=lambda stream, limits: KafkaSource(settings, stream, limits),
            open_sqs=lambda stream, limits: SqsSource(settings, queue_of(settings, stream), limits),
            open_queue=lambda queue, limits: SqsSource(settings, queue, limits),
        )


def _register(settings: Settings, partition: HourPartition) -> None:
    from minilab.lake.glue import register_partitions

    for table in TABLES:
        register_partitions(settings, table, [partition])
