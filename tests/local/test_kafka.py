"""The broker: what was acknowledged is readable after a stop, and after AWS or it was killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from uuid import uuid4

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from minilab_local import stack as local_stack

PARTITIONS = 4


def make_topic(servers: str) -> str:
    topic = f"t-{uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": servers})
    for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        made.result(30)
    return topic


def produce(servers: str, topic: str, values: list[str]) -> set[str]:
    """Send them; return those that were acknowledged."""
    acknowledged: set[str] = set()
    producer = Producer(
        {"bootstrap.servers": servers, "acks": "all", "message.timeout.ms": 60_000, "log_level": 0}
    )
    for value in values:
        producer.produce(
            topic,
            value,
            key=value[-1],
            on_delivery=lambda error, message: (
                None if error else acknowledged.add(message.value().decode())
            ),
        )
    producer.flush(60)
    return acknowledged


def read(servers: str, topic: str) -> list[str]:
    """Every value of the topic, read to the end of each partition; offsets must have no gaps."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"g-{uuid4().hex}",
            "enable.partition.eof": True,
            "session.timeout.ms": 6000,
            "log_level": 0,
        }
    )
    consumer.assign([TopicPartition(topic, n, 0) for n in range(PARTITIONS)])
    values, ended, next_offset = [], set(), dict.fromkeys(range(PARTITIONS), 0)
    deadline = time.monotonic() + 60
    while len(ended) < PARTITIONS and time.monotonic() < deadline:
        for message in consumer.consume(1000, 0.5):
            if message.error():
                ended.add(message.partition())
                continue
            assert message.offset() == next_offset[message.partition()]
            next_offset[message.partition()] += 1
            values.append(message.value().decode())
    consumer.close()
    assert len(ended) == PARTITIONS
    return values


def test_records_and_offsets_outlive_stops_and_kills(home: Path) -> None:
    servers = local_stack.start(home)["MINILAB_KAFKA_BOOTSTRAP_SERVERS"]
    topic = make_topic(servers)
    first = [f"first-{n}" for n in range(2000)]
    assert produce(servers, topic, first) == set(first)
    committing = Consumer(
        {"bootstrap.servers": servers, "group.id": "g", "session.timeout.ms": 6000}
    )
    committing.commit(offsets=[TopicPartition(topic, 0, 17)], asynchronous=False)
    committing.close()

    local_stack.stop(home)
    assert local_stack.start(home)["MINILAB_KAFKA_BOOTSTRAP_SERVERS"] == servers
    assert sorted(read(servers, topic)) == sorted(first)

    expected = set(first)
    for victim in ("AWS", "Kafka"):
        before = local_stack.status(home).children[victim]
        os.kill(before["pid"], signal.SIGKILL)
        while local_stack.status(home).children[victim]["restarts"] == before["restarts"]:
            time.sleep(0.05)
        more = [f"after-{victim}-{n}" for n in range(500)]
        acknowledged = produce(servers, topic, more)
        assert acknowledged, "the broker takes records again"
        expected |= acknowledged
        assert expected <= set(read(servers, topic))

    committed = Consumer({"bootstrap.servers": servers, "group.id": "g"})
    [position] = committed.committed([TopicPartition(topic, 0)], timeout=30)
    committed.close()
    assert position.offset == 17


def test_a_large_message_fits(stack: dict[str, str]) -> None:
    servers = stack["MINILAB_KAFKA_BOOTSTRAP_SERVERS"]
    topic = make_topic(servers)
    value = "x" * 900_000
    assert produce(servers, topic, [value]) == {value}
    assert read(servers, topic) == [value]
