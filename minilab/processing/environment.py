"""Everything in processing that touches the world, in one value.

The steps get it handed in. A test hands in another one and watches what is done, or ends the
process between two steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from minilab.bus.failed_queue import FailedQueue, FailedRecord
from minilab.bus.publisher import open_publisher
from minilab.events.registry import Registry
from minilab.processing.deliver import Carriers, Trouble
from minilab.processing.metrics import Metrics, Write, nowhere
from minilab.processing.queue import IngestSource, QueueFacts
from minilab.processing.records import Record
from minilab.processing.route import Delivery
from minilab.processing.tenants import TenantFacts
from minilab.processing.usage import Usage
from minilab.settings import Settings

if TYPE_CHECKING:
    from minilab.processing.process import Processed


class SourcePort(Protocol):
    """See :class:`minilab.processing.queue.IngestSource`."""

    name: str

    def facts(self) -> QueueFacts: ...
    def receive(self, wait_seconds: int) -> list[Record]: ...
    def is_empty(self) -> bool: ...
    def backlog(self) -> int: ...
    def delete(self, records: Sequence[Record]) -> list[Record]: ...
    def hide(self, records: Sequence[Record], seconds: int) -> list[Record]: ...
    def give_up(self, record: Record, why: str) -> str | None: ...


class TenantsPort(Protocol):
    """See :class:`minilab.processing.tenants.TenantFacts`."""

    def fetch(self, names: Iterable[str]) -> None: ...
    def attributes(self, name: str) -> Mapping[str, str]: ...


class CarriersPort(Protocol):
    """See :class:`minilab.processing.deliver.Carriers`."""

    def deliver(self, deliveries: Iterable[Delivery]) -> dict[str, Trouble]: ...
    def close(self) -> None: ...


class FailedPort(Protocol):
    """See :class:`minilab.bus.failed_queue.FailedQueue`."""

    def send(self, records: Sequence[FailedRecord]) -> list[str | None]: ...


class UsagePort(Protocol):
    """See :class:`minilab.processing.usage.Usage`."""

    def count(self, tenant: str, stream: str, received_at: str, events: int, size: int) -> None: ...
    def add_if_due(self) -> None: ...
    def add(self) -> None: ...


class MetricsPort(Protocol):
    """See :class:`minilab.processing.metrics.Metrics`."""

    def count(self, processed: Processed) -> None: ...
    def tell_if_due(self) -> None: ...
    def tell(self) -> None: ...


@dataclass(frozen=True)
class Environment:
    registry: Registry
    source: SourcePort
    tenants: TenantsPort
    carriers: CarriersPort
    failed: FailedPort
    usage: UsagePort
    metrics: MetricsPort

    @classmethod
    def of(
        cls, settings: Settings, registry: Registry, write_metrics: Write = nowhere
    ) -> Environment:
        """The real one: AWS and Kafka, wherever their endpoints are."""
        source = IngestSource(settings)
        return cls(
            registry=registry,
            source=source,
            tenants=TenantFacts.of(settings),
            carriers=Carriers(lambda stream: open_publisher(settings, stream)),
            failed=FailedQueue(settings),
            usage=Usage(settings),
            metrics=Metrics(settings.env, source, write_metrics),
        )
