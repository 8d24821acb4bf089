"""Messages for the processor, and what came out of it on the buses."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from minilab.bus.failed_queue import FailedRecord
from minilab.bus.ingest_queue import IngestMessage, IngestQueue, Origin
from minilab.events.registry import load_registry
from minilab.processing.deliver import Trouble
from minilab.processing.environment import Environment
from minilab.processing.metrics import Metrics
from minilab.processing.queue import QueueFacts
from minilab.processing.records import Record
from minilab.processing.route import Delivery

RECEIVED_AT = "2026-11-26T12:00:00.000Z"
TYPES = {
    "product": "product.page_viewed.v1",
    "billing": "billing.invoice_paid.v1",
    "webhooks": "github.push",
}
_numbers = itertools.count()


def event(name: str, tenant: str = "acme", stream: str = "product", **more: Any) -> bytes:
    return json.dumps(
        {
            "specversion": "1.0",
            "id": name,
            "source": "/t",
            "type": TYPES[stream],
            "tenant": tenant,
            "data": {"user_id": "u", "session_id": "s", "path": "/"},
            **more,
        }
    ).encode()


def message(*events: bytes, tenant: str = "acme", stream: str = "product") -> IngestMessage:
    number = next(_numbers)
    origin = Origin(stream, tenant, RECEIVED_AT, f"request-{number}", "tests/1")
    return IngestMessage(origin, events, f"dedup-{number}")


def record(
    *events: bytes,
    tenant: str = "acme",
    stream: str = "product",
    times_received: int = 1,
    **changes: Any,
) -> Record:
    """One as it would be received, from no queue."""
    entry = message(*events, tenant=tenant, stream=stream).entry()
    number = next(_numbers)
    values: dict[str, Any] = {
        "message_id": f"m{number}",
        "receipt": f"receipt-{number}",
        "text": entry.text,
        "attributes": {name: value["StringValue"] for name, value in entry.attributes.items()},
        "group": tenant,
        "times_received": times_received,
        "sent_ms": 1_700_000_000_000,
    }
    return Record(**{**values, **changes})


@dataclass
class World:
    """Stands for everything outside: remembers what was done, and fails as told."""

    tenants: dict[str, dict[str, str]] = field(default_factory=dict)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    """By the id of an event: why its bus does not take it."""
    lookup_error: Exception | None = None
    failed_error: str | None = None
    give_up_error: str | None = None
    delivered: list[Delivery] = field(default_factory=list)
    failed: list[FailedRecord] = field(default_factory=list)
    given_up: list[tuple[str, str]] = field(default_factory=list)
    counted: list[tuple[str, str, str, int, int]] = field(default_factory=list)
    hidden: list[tuple[str, int]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """Lines of metrics."""
    waiting: int = 0
    queue_error: Exception | None = None

    @property
    def environment(self) -> Environment:
        return Environment(
            registry=load_registry(),
            source=_Source(self),
            tenants=_Tenants(self),
            carriers=_Carriers(self),
            failed=_Failed(self),
            usage=_Usage(self),
            metrics=Metrics("x", _Source(self), self.told.append),
        )

    def events(self) -> list[dict[str, Any]]:
        """Every event that was delivered, in order."""
        found = []
        for delivery in self.delivered:
            value = json.loads(delivery.body)
            found += value if isinstance(value, list) else [value]
        return found


@dataclass
class _Source:
    world: World
    name: str = "minilab-x-ingest.fifo"

    def facts(self) -> QueueFacts:
        return QueueFacts(visibility_seconds=120, max_receives=5)

    def receive(self, wait_seconds: int) -> list[Record]:
        raise NotImplementedError

    def is_empty(self) -> bool:
        raise NotImplementedError

    def backlog(self) -> int:
        if self.world.queue_error is not None:
            raise self.world.queue_error
        return self.world.waiting

    def delete(self, records: Sequence[Record]) -> list[Record]:
        self.world.deleted += [r.message_id for r in records]
        return []

    def hide(self, records: Sequence[Record], seconds: int) -> list[Record]:
        self.world.hidden += [(r.message_id, seconds) for r in records]
        return []

    def give_up(self, record: Record, why: str) -> str | None:
        if self.world.give_up_error is None:
            self.world.given_up.append((record.message_id, why))
        return self.world.give_up_error


@dataclass
class _Tenants:
    world: World

    def fetch(self, names: Any) -> None:
        pass

    def attributes(self, name: str) -> dict[str, str]:
        if self.world.lookup_error is not None:
            raise self.world.lookup_error
        return self.world.tenants.get(name, {})


@dataclass
class _Carriers:
    world: World

    def deliver(self, deliveries: Any) -> dict[str, Trouble]:
        troubles = {}
        for delivery in deliveries:
            ids = [e["id"] for e in World(delivered=[delivery]).events()]
            trouble = next((t for i, t in self.world.troubles.items() if i in ids), None)
            if trouble is None:
                self.world.delivered.append(delivery)
            else:
                troubles[delivery.message_id] = trouble
        return troubles

    def close(self) -> None:
        pass


@dataclass
class _Failed:
    world: World

    def send(self, records: Sequence[FailedRecord]) -> list[str | None]:
        if self.world.failed_error is None:
            self.world.failed += records
        return [self.world.failed_error] * len(records)


@dataclass
class _Usage:
    world: World

    def count(self, *what: Any) -> None:
        self.world.counted.append(what)  # type: ignore[arg-type]

    def add_if_due(self) -> None:
        pass

    def add(self) -> None:
        pass


@pytest.fixture
def world() -> World:
    return World(tenants={"acme": {"tenantplan": "team", "tenantregion": "eu"}})


# Real buses ----------------------------------------------------------------------------------


def set_visibility(lab: Any, seconds: int) -> None:
    """So that what a dead worker held comes back soon."""
    sqs = lab.client("sqs")
    url = sqs.get_queue_url(QueueName=lab.settings.ingest_queue)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})


def fill(lab: Any, messages: Sequence[IngestMessage]) -> None:
    queue = IngestQueue(lab.settings)
    assert not any(queue.send(messages)), "SQS takes them"


def on_queue(lab: Any, name: str, wait_for: int = 0) -> list[dict[str, Any]]:
    """Every message of a queue, deleted; ``wait_for`` so many, 20 s at most."""
    sqs = lab.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 20
    while True:
        got = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        for each in got:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        found += got
        if not got and (len(found) >= wait_for or time.monotonic() > deadline):
            return found


def events_on_queue(lab: Any, stream: str) -> list[dict[str, Any]]:
    found = []
    for each in on_queue(lab, lab.settings.queue_name(stream)):
        value = json.loads(each["Body"])
        found += value if isinstance(value, list) else [value]
    return found


def on_topic(settings: Any, stream: str, partitions: int = 4) -> list[tuple[bytes, dict[str, Any]]]:
    """Key and event of every message of a topic, each partition in the order of its offsets."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": f"test-{next(_numbers)}",
            "enable.partition.eof": True,
            "session.timeout.ms": 6000,
        }
    )
    topic = settings.topic_name(stream)
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
    found: list[tuple[bytes, dict[str, Any]]] = []
    ended: set[int] = set()
    deadline = time.monotonic() + 30
    while len(ended) < partitions:
        assert time.monotonic() < deadline, "the broker is silent"
        for each in consumer.consume(1000, 0.2):
            if each.error():
                ended.add(each.partition())
            else:
                found.append((each.key(), json.loads(each.value())))
    consumer.close()
    return found


def eventually(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
