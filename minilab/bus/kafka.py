"""Publishing to a Kafka topic with librdkafka's idempotent producer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from minilab.aws import CONNECT_HINT
from minilab.bus.kafka_config import kafka_config
from minilab.bus.publisher import (
    CLOUDEVENT,
    MAX_MESSAGE_BYTES,
    FlushOnExit,
    MessageTooLargeError,
    PublishError,
)
from minilab.settings import Settings

_CONNECT_SECONDS = 10.0
_DELIVERY_MS = 30_000
_POLL_EVERY = 1000
"""Messages between two looks at delivery reports: they cost a call each."""

_Headers = list[tuple[str, str | bytes | None]]
_DEFAULT_HEADERS: _Headers = [("content-type", CLOUDEVENT.encode())]
_TOO_LARGE = KafkaError.MSG_SIZE_TOO_LARGE  # librdkafka says it before the broker would


class KafkaPublisher(FlushOnExit):
    """Sends to one topic; the key decides the partition, as Kafka's Java client would.

    Idempotent: within one publisher's life, retries neither repeat nor reorder messages. That life
    ends with the first message that is lost for another reason than its size: given up after 30 s,
    or a fatal error (the broker forgot the producer, or fenced it), after which librdkafka sends
    nothing any more.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self._topic = topic
        self._produced = 0
        self._failed = 0
        self._reported = 0
        self._lost: list[object] = []
        self._first_error: KafkaError | None = None
        self._unreachable = False
        self.sent_bytes = 0
        self._producer = self._connect(
            kafka_config(settings)
            | {
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": 20,
                "batch.size": 512 * 1024,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "queue.buffering.max.messages": 100_000,
                "queue.buffering.max.kbytes": 64 * 1024,
                "delivery.timeout.ms": _DELIVERY_MS,
                # Successes are counted as what left the buffer without an error. confluent-kafka
                # frees each message's callback all the same (Producer.c, dr_msg_cb).
                "delivery.report.only.error": True,
                "on_delivery": self._on_failure,
            }
        )

    def _connect(self, config: dict[str, Any]) -> Producer:
        try:
            producer = Producer(config)
            # All topics: asking for one by its name would create it on some brokers.
            topics = producer.list_topics(timeout=_CONNECT_SECONDS).topics
        except KafkaException as error:
            raise PublishError(
                f"Kafka cannot be reached: {error.args[0].str()}.",
                unreachable=True,
                hint="Is MINILAB_KAFKA_BOOTSTRAP_SERVERS right? " + CONNECT_HINT,
            ) from error
        if self._topic not in topics:
            raise PublishError(
                f"There is no Kafka topic {self._topic}.",
                unreachable=True,
                hint="Create it with: minilab provision",
            )
        return producer

    def _on_failure(self, error: KafkaError | None, _: Any, ticket: object = None) -> None:
        if error is not None:
            self._failed += 1
            self._lost.append(ticket)
            self._first_error = self._first_error or error
            # One message may be too large for the broker; anything else concerns them all.
            self._unreachable = self._unreachable or error.code() != _TOO_LARGE

    @property
    def sent(self) -> int:
        return self._produced - self._failed - len(self._producer)

    def send(
        self,
        body: bytes,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        ticket: object = None,
    ) -> None:
        if self._unreachable:
            raise self._error(self._failed)
        encoded = _headers(headers) if headers else _DEFAULT_HEADERS
        while True:
            try:
                if ticket is None:
                    self._producer.produce(self._topic, body, key, headers=encoded)
                else:
                    tell = partial(self._on_failure, ticket=ticket)
                    self._producer.produce(
                        self._topic, body, key, headers=encoded, on_delivery=tell
                    )
                break
            except BufferError:
                self._producer.poll(0.5)
            except KafkaException as error:
                if error.args[0].code() == _TOO_LARGE:
                    raise MessageTooLargeError(len(body), "Kafka") from error
                self._unreachable = True
                raise PublishError(
                    f"Kafka topic {self._topic} took no more messages: {error.args[0].str()}.",
                    unreachable=True,
                ) from error
        self._produced += 1
        self.sent_bytes += len(body)
        if self._produced % _POLL_EVERY == 0:
            self._producer.poll(0)

    def flush(self) -> None:
        while self._producer.flush(1.0):
            pass  # librdkafka gives each message up after delivery.timeout.ms: this ends
        failed, self._reported = self._failed - self._reported, self._failed
        if failed:
            lost, self._lost = self._lost, []
            raise self._error(failed, lost)

    def _error(self, failed: int, lost: Sequence[object] = ()) -> PublishError:
        why = self._first_error.str() if self._first_error else "unknown"
        return PublishError(
            f"{failed:,} of {self._produced:,} messages were not accepted by Kafka topic "
            f"{self._topic}. First error: {why}.",
            failed=failed,
            tickets=[ticket for ticket in lost if ticket is not None],
            unreachable=self._unreachable,
            hint="Nothing else was lost; send those again when the cluster is well.",
        )

    def close(self) -> None:
        if not self._unreachable:
            self._producer.flush(5.0)
        self._producer.purge()


def _headers(headers: Mapping[str, str]) -> _Headers:
    encoded: _Headers = [(name, value.encode()) for name, value in headers.items()]
    return encoded if "content-type" in headers else _DEFAULT_HEADERS + encoded
