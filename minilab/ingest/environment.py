"""Everything in ingestion that touches the world, in one value.

A test hands in another one, and lets a step fail or ends the process between two of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from minilab.bus.failed_queue import FailedQueue, FailedRecord
from minilab.bus.ingest_queue import IngestMessage, IngestQueue
from minilab.ingest.auth import DirectoryPort
from minilab.ingest.clients import client_of
from minilab.ingest.idempotency import Attempt, Claimed, Idempotency, Wanted
from minilab.ingest.limits import CounterPort, RateCounter
from minilab.ingest.parallel import Parallel
from minilab.lake.claims import Claims, Kind
from minilab.settings import Settings
from minilab.tenants.directory import Directory
from minilab.tenants.store import Tenants


class IdempotencyPort(Protocol):
    """See :class:`minilab.ingest.idempotency.Idempotency`."""

    def claim(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[Claimed]: ...
    def accept(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[str]: ...
    def release(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[str]: ...


class PayloadsPort(Protocol):
    """See :class:`minilab.lake.claims.Claims`."""

    uri_prefix: str

    def put(self, tenant: str, content: bytes, kind: Kind) -> str: ...


@dataclass(frozen=True)
class Environment:
    now: Callable[[], float]
    """Seconds since 1970."""
    directory: DirectoryPort
    counter: CounterPort
    payloads: PayloadsPort
    idempotency: IdempotencyPort
    send: Callable[[Sequence[IngestMessage]], list[str | None]]
    """Send to the ingest queue; of each message why it was not taken, or None."""
    send_failed: Callable[[Sequence[FailedRecord]], list[str | None]]
    """Send to the failed queue, likewise."""

    @classmethod
    def of(cls, settings: Settings) -> Environment:
        """The real one: AWS, wherever its endpoints are. Each client is made at its first use."""
        dynamodb, sqs = client_of("dynamodb", settings), client_of("sqs", settings)
        payloads = Claims(settings, client_of("s3", settings))
        ingest_queue = cache(lambda: IngestQueue(settings, sqs()))
        failed_queue = cache(lambda: FailedQueue(settings, sqs(), payloads))
        return cls(
            now=time.time,
            directory=Directory(Tenants(settings, dynamodb)),
            counter=RateCounter(settings, dynamodb),
            payloads=payloads,
            idempotency=Idempotency(settings, dynamodb, Parallel()),
            send=lambda messages: ingest_queue().send(messages),
            send_failed=lambda records: failed_queue().send(records),
        )
