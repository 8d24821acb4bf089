from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError

from minilab import aws
from minilab.bus import CLOUDEVENTS_BATCH, MessageTooLargeError, PublishError, open_publisher, pack
from minilab.bus.sqs import SqsPublisher
from minilab.errors import MinilabError
from minilab.events.registry import load_registry
from minilab.provision import resources
from minilab.settings import Settings
from tests.domain_fixtures import running_broker

REGISTRY = load_registry()
BILLING, PRODUCT = REGISTRY.stream("billing"), REGISTRY.stream("product")


@pytest.fixture
def deployment(settings: Settings) -> Settings:
    """The queues and topics, without the rest."""
    for resource in resources(settings, REGISTRY):
        if resource.kind in ("queue", "topic"):
            resource.supply()
    return settings


def received(settings: Settings, stream: str) -> list[dict[str, Any]]:
    sqs = aws.client("sqs", settings)
    url = sqs.get_queue_url(QueueName=settings.queue_name(stream))["QueueUrl"]
    messages: list[dict[str, Any]] = []
    while batch := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0, MessageAttributeNames=["All"]
    ).get("Messages"):
        messages += batch
    return messages


def consumed(settings: Settings, stream: str, count: int) -> list[Any]:
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": f"test-{settings.env}",
        }
    )
    topic = settings.topic_name(stream)
    partitions = range(REGISTRY.stream(stream).partitions)
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
    messages: list[Any] = []
    while len(messages) < count:
        batch = consumer.consume(count - len(messages), timeout=20)
        assert batch, f"only {len(messages)} of {count} messages came"
        assert not [m.error() for m in batch if m.error()]
        messages += batch
    consumer.close()
    return messages


def test_kafka_delivers_each_message_with_key_and_headers(deployment: Settings) -> None:
    bodies = [f'{{"n": {n}}}'.encode() for n in range(2500)]
    with open_publisher(deployment, PRODUCT) as publisher:
        for n, body in enumerate(bodies):
            publisher.send(body, key=f"tenant-{n % 7}")
        publisher.send(b"\xff\x00", headers={"content-type": CLOUDEVENTS_BATCH, "x": "é"})

    assert publisher.sent == 2501
    assert publisher.sent_bytes == sum(map(len, bodies)) + 2
    messages = consumed(deployment, "product", 2501)
    assert sorted(m.value() for m in messages) == sorted([*bodies, b"\xff\x00"])
    by_key: dict[bytes, set[int]] = {}
    for message in messages:
        if message.key():
            by_key.setdefault(message.key(), set()).add(message.partition())
            assert dict(message.headers()) == {"content-type": b"application/cloudevents+json"}
        else:
            assert dict(message.headers()) == {
                "content-type": CLOUDEVENTS_BATCH.encode(),
                "x": "é".encode(),
            }
    assert len(by_key) == 7
    assert all(len(partitions) == 1 for partitions in by_key.values())


def test_kafka_keeps_the_order_of_a_key(deployment: Settings) -> None:
    with open_publisher(deployment, PRODUCT) as publisher:
        for n in range(500):
            publisher.send(str(n).encode(), key="one")
    assert [int(m.value()) for m in consumed(deployment, "product", 500)] == list(range(500))


def test_sqs_delivers_each_message(deployment: Settings) -> None:
    bodies = [f'{{"n": {n}, "text": "žluťoučký 🐎\t\\n"}}'.encode() for n in range(57)]
    with open_publisher(deployment, BILLING) as publisher:
        for body in bodies:
            publisher.send(body, key="ignored")

    assert publisher.sent == 57
    messages = received(deployment, "billing")
    assert sorted(m["Body"].encode() for m in messages) == sorted(bodies)
    assert not [m for m in messages if "MessageAttributes" in m]


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe{}", b'{"a": "\x01"}', b"a\x00b", b"\xed\xa0\x80", "￿".encode(), b'{"a":"\x0b"}'],
)
def test_what_sqs_refuses_travels_as_base64(deployment: Settings, body: bytes) -> None:
    with open_publisher(deployment, BILLING) as publisher:
        publisher.send(body)
    [message] = received(deployment, "billing")
    assert message["MessageAttributes"]["content-encoding"]["StringValue"] == "base64"
    assert base64.b64decode(message["Body"]) == body


@pytest.mark.parametrize("events", [b"", b'{"id": "1"}'])
def test_gzip_travels_as_gzip_and_base64(deployment: Settings, events: bytes) -> None:
    with open_publisher(deployment, BILLING) as publisher:
        if events:
            publisher.send(gzip.compress(events), headers={"content-encoding": "gzip"})
        else:
            publisher.send(b"")
    [message] = received(deployment, "billing")
    assert message["MessageAttributes"]["content-encoding"]["StringValue"] == "gzip+base64"
    assert gzip.decompress(base64.b64decode(message["Body"])) == events


@pytest.mark.parametrize("stream", [BILLING, PRODUCT], ids=["sqs", "kafka"])
def test_a_message_too_large_is_refused_and_the_rest_is_sent(
    deployment: Settings, stream: Any
) -> None:
    with open_publisher(deployment, stream) as publisher:
        publisher.send(b'{"n":1}')
        with pytest.raises(MessageTooLargeError, match="1,048,576 bytes"):
            publisher.send(b"x" * (1024 * 1024 + 1))
        publisher.send(b'{"n":2}')
    assert publisher.sent == 2


def test_sqs_batches_stay_below_the_limit_of_one_call(deployment: Settings) -> None:
    bodies = [bytes([65 + n]) * 400_000 for n in range(9)] + [b"z" * 1024 * 1024]
    with open_publisher(deployment, BILLING) as publisher:
        for body in bodies:
            publisher.send(body)
    assert sorted(m["Body"].encode() for m in received(deployment, "billing")) == bodies


class Flaky:
    """An SQS client whose batches fail in part, as told."""

    def __init__(self, client: Any, failures: list[Any]) -> None:
        self.client, self.failures = client, failures
        self.calls = 0

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, Exception):
            raise failure
        if failure is None:
            return self.client.send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
        good = [entry for entry in Entries if entry["Id"] not in failure]
        if good:
            self.client.send_message_batch(QueueUrl=QueueUrl, Entries=good)
        return {"Failed": [{"Id": i, **why} for i, why in failure.items()]}


def publish_through(flaky: list[Any], settings: Settings, count: int) -> SqsPublisher:
    publisher = SqsPublisher(settings, settings.queue_name("billing"))
    publisher._sqs = Flaky(publisher._sqs, flaky)
    with publisher:
        for n in range(count):
            publisher.send(str(n).encode())
    return publisher


def throttled() -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": "RequestThrottled", "Message": "slow"}}, "Send")


def test_partial_failures_and_throttling_are_retried(deployment: Settings) -> None:
    internal = {"SenderFault": False, "Code": "InternalError"}
    publisher = publish_through(
        [throttled(), {"0": internal, "7": internal}, {"1": internal}], deployment, 10
    )
    assert publisher.sent == 10
    assert sorted(int(m["Body"]) for m in received(deployment, "billing")) == list(range(10))


def test_what_sqs_refuses_for_good_is_counted_and_raised(deployment: Settings) -> None:
    fault = {"SenderFault": True, "Code": "InvalidMessageContents", "Message": "no"}
    with pytest.raises(PublishError, match="InvalidMessageContents") as caught:
        publish_through([{"3": fault, "4": fault}], deployment, 10)
    assert caught.value.failed == 2
    assert sorted(int(m["Body"]) for m in received(deployment, "billing")) == [
        0, 1, 2, 5, 6, 7, 8, 9
    ]  # fmt: skip


def test_sqs_tickets_say_what_was_not_taken_since_the_last_flush(deployment: Settings) -> None:
    fault = {"SenderFault": True, "Code": "InvalidMessageContents", "Message": "no"}
    publisher = SqsPublisher(deployment, deployment.queue_name("billing"))
    publisher._sqs = Flaky(publisher._sqs, [{"3": fault, "4": fault}, None, {"0": fault}])
    with publisher:
        for n in range(10):
            publisher.send(b"{}", ticket=f"first-{n}")
        with pytest.raises(PublishError) as caught:
            publisher.flush()
        assert sorted(map(str, caught.value.tickets)) == ["first-3", "first-4"]
        assert not caught.value.unreachable
        publisher.send(b"{}", ticket="taken")
        publisher.flush()
        publisher.send(b"{}", ticket="second")
        with pytest.raises(PublishError) as caught:
            publisher.flush()
        assert caught.value.tickets == ("second",)


@pytest.mark.parametrize(
    "failure", [throttled(), {str(n): {"SenderFault": False, "Code": "Internal"} for n in range(9)}]
)
def test_an_sqs_queue_that_stays_away_gives_every_ticket_back(
    deployment: Settings, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    monkeypatch.setattr("minilab.bus.sqs._LONGEST_PAUSE", 0)
    publisher = SqsPublisher(deployment, deployment.queue_name("billing"))
    publisher._sqs = Flaky(publisher._sqs, [failure] * 100)
    for n in range(7):
        publisher.send(b"{}", ticket=n)
    with pytest.raises(PublishError) as caught:
        publisher.flush()
    assert sorted(caught.value.tickets) == list(range(7))  # type: ignore[type-var]
    assert caught.value.unreachable
    with pytest.raises(PublishError) as caught:
        publisher.send(b"{}", ticket="late")
    assert caught.value.unreachable
    publisher.close()


class Strict:
    """An SQS client that refuses a whole call for one bad message, as SQS does."""

    def __init__(self, client: Any, bad: str) -> None:
        self.client, self.bad = client, bad

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:
        from botocore.exceptions import ClientError

        if any(entry["MessageBody"] == self.bad for entry in Entries):
            raise ClientError({"Error": {"Code": "InvalidParameterValue"}}, "SendMessageBatch")
        return self.client.send_message_batch(QueueUrl=QueueUrl, Entries=Entries)


def test_a_message_that_spoils_its_batch_is_the_only_one_lost(deployment: Settings) -> None:
    publisher = SqsPublisher(deployment, deployment.queue_name("billing"))
    publisher._sqs = Strict(publisher._sqs, bad="4")
    with pytest.raises(PublishError) as caught, publisher:
        for n in range(10):
            publisher.send(str(n).encode())
    assert (caught.value.failed, publisher.sent) == (1, 9)
    assert sorted(int(m["Body"]) for m in received(deployment, "billing")) == [
        0, 1, 2, 3, 5, 6, 7, 8, 9
    ]  # fmt: skip


def test_a_queue_that_is_deleted_ends_it_at_once(deployment: Settings) -> None:
    sqs = aws.client("sqs", deployment)
    publisher = open_publisher(deployment, BILLING)
    url = sqs.get_queue_url(QueueName=deployment.queue_name("billing"))["QueueUrl"]
    sqs.delete_queue(QueueUrl=url)
    handed_over = []
    with pytest.raises(PublishError), publisher:
        for n in range(100_000):
            publisher.send(b"{}")
            handed_over.append(n)
    assert len(handed_over) < 5000
    assert publisher.sent == 0


def test_a_queue_that_stays_away_ends_in_an_error(
    deployment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilab.bus.sqs._LONGEST_PAUSE", 0)
    publisher = SqsPublisher(deployment, deployment.queue_name("billing"))
    flaky = publisher._sqs = Flaky(publisher._sqs, [throttled() for _ in range(100_000)])
    with pytest.raises(PublishError, match="RequestThrottled"), publisher:
        for n in range(1000_000):
            publisher.send(str(n).encode())
    assert flaky.calls < 1000  # it gave up instead of trying each message


@pytest.mark.parametrize("stream", [BILLING, PRODUCT], ids=["sqs", "kafka"])
def test_a_stream_that_is_not_there_says_what_to_do(settings: Settings, stream: Any) -> None:
    with pytest.raises(PublishError) as caught:
        open_publisher(settings, stream)
    assert caught.value.hint and "minilab provision" in caught.value.hint
    assert caught.value.unreachable


def test_kafka_that_cannot_be_reached(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilab.bus.kafka._CONNECT_SECONDS", 0.5)
    with pytest.raises(MinilabError, match="Kafka cannot be reached"):
        open_publisher(
            dataclasses.replace(settings, kafka_bootstrap_servers="127.0.0.1:1"), PRODUCT
        )


def test_pack_makes_a_cloudevents_batch() -> None:
    assert json.loads(pack([b'{"id":"1"}', b'{"id":"2"}'])) == [{"id": "1"}, {"id": "2"}]


@pytest.fixture
def own_broker(deployment: Settings) -> Iterator[tuple[Settings, subprocess.Popen[bytes]]]:
    """A broker that a test may stop, with the topics of ``deployment``."""
    with running_broker() as (address, broker):
        settings = dataclasses.replace(deployment, kafka_bootstrap_servers=address)
        for resource in resources(settings, REGISTRY):
            if resource.kind == "topic":
                resource.supply()
        yield settings, broker


def test_kafka_messages_wait_for_a_broker_that_pauses(
    own_broker: tuple[Settings, subprocess.Popen[bytes]],
) -> None:
    settings, broker = own_broker
    with open_publisher(settings, PRODUCT) as publisher:
        broker.send_signal(signal.SIGSTOP)
        for n in range(1000):
            publisher.send(str(n).encode(), key=str(n))
        threading.Timer(1.0, broker.send_signal, [signal.SIGCONT]).start()
    assert publisher.sent == 1000
    values = [int(message.value()) for message in consumed(settings, "product", 1000)]
    assert sorted(values) == list(range(1000))


def test_kafka_messages_that_a_dead_broker_did_not_take_are_counted(
    own_broker: tuple[Settings, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, broker = own_broker
    monkeypatch.setattr("minilab.bus.kafka._DELIVERY_MS", 2000)
    publisher = open_publisher(settings, PRODUCT)
    publisher.send(b"taken", ticket="taken")
    publisher.flush()
    broker.kill()
    with pytest.raises(PublishError, match="50 of 51 messages") as caught, publisher:
        for n in range(50):
            publisher.send(str(n).encode(), ticket=n)
    assert caught.value.failed == 50
    assert sorted(caught.value.tickets) == list(range(50))  # type: ignore[type-var]
    assert caught.value.unreachable
    assert publisher.sent == 1
    with pytest.raises(PublishError):  # it says so at once, instead of filling its buffer
        publisher.send(b"more")


def test_a_producer_that_the_broker_fenced_is_over_and_another_one_works(
    deployment: Settings,
) -> None:
    """The fatal error is handed in as librdkafka hands it in; a real one is up to the broker."""
    publisher = open_publisher(deployment, PRODUCT)
    publisher.send(b"1", ticket="a")
    publisher.flush()
    publisher._on_failure(KafkaError(KafkaError._FATAL), None, ticket="b")
    with pytest.raises(PublishError) as caught:
        publisher.flush()
    assert caught.value.unreachable and caught.value.tickets == ("b",)
    with pytest.raises(PublishError):
        publisher.send(b"2")
    publisher.close()
    with open_publisher(deployment, PRODUCT) as other:
        other.send(b"2", ticket="b")
    assert other.sent == 1
