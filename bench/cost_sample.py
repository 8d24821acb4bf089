"""What AWS would count: a sample sent through API, processor and landing, with botocore watched.

Everything runs in this process against a laptop stack. Between the ingest queue and the processor's
Lambda handler stands what AWS calls an event source mapping: here it receives, calls the handler
and deletes, because its calls are on the bill too.

Sources: Amazon SQS pricing ("64 KB chunk"); Amazon DynamoDB Developer Guide, "DynamoDB on-demand
capacity mode" (request units) and "DynamoDB item sizes and formats".
"""

from __future__ import annotations

import contextlib
import io
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import processing
from ingest import bodies, gateway_event, handler_of, laptop, new_tenant

SQS_CHUNK = 64 * 1024
WRITE_UNIT, READ_UNIT = 1024, 4096

_S3_FREE = ("DeleteObject", "DeleteObjects")
_S3_GETS = ("GetObject", "HeadObject")
_S3_PUTS = ("PutObject", "ListObjectsV2")


@dataclass(frozen=True)
class Way:
    """One way of events to be counted."""

    stream: str
    batch: int
    """Events in a request."""
    requests: int
    messages: int = 10
    """Messages of the ingest queue in an invocation of the processor, at most."""

    @property
    def name(self) -> str:
        return f"{self.stream}-{self.batch}-{self.messages}"


WAYS = (
    Way("product", 1, 600, messages=1),
    Way("product", 1, 600),
    Way("product", 100, 60),
    Way("billing", 1, 600),
    Way("billing", 100, 60),
)
TENANTS = 10
EVENTS_PER_SECOND = 2_000
"""A tenant's limit, as in the plan ``team``."""

Counts = dict[str, dict[str, float]]
"""By part of the platform and unit."""


class Meter:
    """Counts what would be on a bill, by the part of the platform that is at work."""

    def __init__(self) -> None:
        self.part = "setup"
        self.counts: dict[str, Counter[str]] = {}
        self._lock = threading.Lock()
        self._under_way = 0

    def add(self, unit: str, amount: float = 1) -> None:
        with self._lock:
            self.counts.setdefault(self.part, Counter())[unit] += amount  # type: ignore[assignment]

    @contextmanager
    def at(self, part: str) -> Iterator[None]:
        before, self.part = self.part, part
        try:
            yield
        finally:
            self.part = before

    def watch(self) -> None:
        """Watch every botocore session that is made from now on, and Kafka's producers."""
        from botocore import handlers

        handlers.BUILTIN_HANDLERS.extend(
            (
                ("before-parameter-build", self._on_call),
                ("before-call", self._on_start),
                ("after-call", self._on_answer),
                ("after-call-error", self._on_end),
            )
        )
        from minilab.bus import kafka

        kafka.Producer = _counting(kafka.Producer, self.add)  # type: ignore[misc]

    def _on_call(
        self, params: Mapping[str, Any], model: Any, context: dict[str, Any], **_: Any
    ) -> None:
        service, operation = model.service_model.service_name, model.name
        context["asked"] = params
        self.add(f"calls {service}:{operation}")
        match service:
            case "dynamodb":
                writes, reads = _request_units(operation, params)
                self.add("dynamodb_writes", writes)
                self.add("dynamodb_reads", reads)
            case "sqs" if operation != "ReceiveMessage":
                sent = params.get("Entries", [params] if "MessageBody" in params else [])
                self._sqs(params, sum(map(_message_size, sent)))
            case "s3" if operation not in _S3_FREE:
                self.add("s3_gets" if operation in _S3_GETS else "s3_puts")
                assert operation in _S3_GETS + _S3_PUTS, operation
            case "glue":
                self.add("glue_requests")

    def _on_start(self, **_: Any) -> None:
        with self._lock:
            self._under_way += 1
            first = self._under_way == 1
        if first:
            self.add("waits")

    def _on_end(self, **_: Any) -> None:
        with self._lock:
            self._under_way -= 1

    def _on_answer(
        self, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any
    ) -> None:
        self._on_end()
        if model.name == "ReceiveMessage":
            messages = parsed.get("Messages", ())
            if messages:
                self._sqs(context["asked"], sum(map(_received_size, messages)))
            else:
                self.add("sqs_empty_receives")

    def _sqs(self, params: Mapping[str, Any], payload: int) -> None:
        queue = str(params.get("QueueUrl") or params.get("QueueName"))
        kind = "sqs_fifo" if queue.endswith(".fifo") else "sqs_standard"
        self.add(kind, max(1, math.ceil(payload / SQS_CHUNK)))


def _message_size(message: Mapping[str, Any]) -> int:
    attributes = message.get("MessageAttributes", {})
    return len(message.get("MessageBody", "").encode()) + _attributes_size(attributes)


def _received_size(message: Mapping[str, Any]) -> int:
    return len(message["Body"].encode()) + _attributes_size(message.get("MessageAttributes", {}))


def _attributes_size(attributes: Mapping[str, Any]) -> int:
    return sum(
        len(name) + len(value["DataType"]) + len(value["StringValue"].encode())
        for name, value in attributes.items()
    )


def _request_units(operation: str, params: Mapping[str, Any]) -> tuple[float, float]:
    """Write and read request units of a call. Raises KeyError for a call that is not known here."""
    match operation:
        case "PutItem":
            return _writes(params["Item"]), 0
        case "UpdateItem":
            values = params.get("ExpressionAttributeValues", {})
            return _writes({**params["Key"], **values}), 0
        case "TransactWriteItems":
            items = [next(iter(action.values())) for action in params["TransactItems"]]
            return 2 * sum(_writes(i.get("Item") or i["Key"]) for i in items), 0
        case "BatchWriteItem":
            requests = [each for some in params["RequestItems"].values() for each in some]
            return sum(_writes(each["PutRequest"]["Item"]) for each in requests), 0
        case "GetItem":  # no item of ours has more than one unit
            return 0, 1 if params.get("ConsistentRead") else 0.5
    raise KeyError(operation)


def _writes(item: Mapping[str, Any]) -> int:
    return math.ceil(sum(len(name) + _size(value) for name, value in item.items()) / WRITE_UNIT)


def _size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "L":
        return 3 + sum(1 + _size(each) for each in content)
    if kind == "M":
        return 3 + sum(1 + len(name) + _size(each) for name, each in content.items())
    return len(str(content).encode())


def _counting(base: Any, add: Callable[..., None]) -> Any:
    class Producer(base):  # type: ignore[misc]
        def produce(self, topic: str, value: bytes, key: str, **more: Any) -> None:
            headers = sum(len(name) + len(content) for name, content in more["headers"])
            add("kafka_bytes", len(value) + len(key) + headers)
            super().produce(topic, value, key, **more)

        def flush(self, *args: Any) -> int:
            add("kafka_flushes")
            left: int = super().flush(*args)
            return left

    return Producer


# The sample ------------------------------------------------------------------------------------


def measure(tell: Callable[[str], None]) -> dict[str, Any]:
    """Counts of every way by its name. Takes some minutes."""
    meter, found = Meter(), dict[str, Any]()
    meter.watch()
    with laptop():
        for way in WAYS:
            meter.counts = {}
            processing.deploy()
            run_way(meter, way)
            parts = {
                part: {unit: round(float(amount), 3) for unit, amount in sorted(units.items())}
                for part, units in meter.counts.items()
                if part != "setup"
            }
            found[way.name] = {
                "stream": way.stream,
                "batch": way.batch,
                "messages_an_invocation": way.messages,
                "events": way.batch * way.requests,
                "parts": parts,
            }
            tell(f"{way.name}: done")
    return found


def run_way(meter: Meter, way: Way) -> None:
    """Send events, process them and land them; nothing may be left over.

    A round that does not count comes first: then clients are made, and caches are warm.
    """
    from minilab.processing import handler

    handler._environment.cache_clear()
    keys = [new_tenant(EVENTS_PER_SECOND)[1] for _ in range(TENANTS)]
    handle = handler_of()
    with meter.at("setup"):
        _send(meter, way, handle, keys, TENANTS)
        _process(meter, way)
        _land(way, TENANTS)
    with meter.at("api"):
        _send(meter, way, handle, keys, way.requests)
    with meter.at("processor"):
        _process(meter, way)
    with meter.at("landing"):
        _land(way, way.requests)
        meter.add("kafka_bytes", meter.counts["processor"].get("kafka_bytes", 0))


def _send(
    meter: Meter, way: Way, handle: Callable[..., Any], keys: list[str], requests: int
) -> None:
    body = bodies(way.batch, way.stream)
    for number in range(requests):
        event = gateway_event(keys[number % len(keys)], way.batch, body(number))
        with _invoked(meter):
            answer = handle(event, None)
        assert answer["statusCode"] == 202, answer
        meter.add("http_api_requests", math.ceil(len(event["body"]) / (512 * 1024)))


def _land(way: Way, requests: int) -> None:
    from minilab.events.registry import load_registry
    from minilab.landing import land
    from minilab.settings import Settings

    summary = land(Settings.from_env(), load_registry(), [way.stream])
    assert summary.events == way.batch * requests, summary


def _process(meter: Meter, way: Way) -> None:
    """The event source mapping: receive, invoke, delete."""
    from minilab import aws
    from minilab.processing import handler
    from minilab.processing.queue import IngestSource
    from minilab.processing.records import SYSTEM_ATTRIBUTES
    from minilab.settings import Settings
    from minilab_local.gateway.function import Context

    settings = Settings.from_env()
    sqs, source = aws.client("sqs", settings), IngestSource(settings)
    url = sqs.get_queue_url(QueueName=settings.ingest_queue)["QueueUrl"]
    while True:
        received = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=way.messages,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not received:
            assert source.is_empty()
            return
        event = {"Records": [_lambda_record(message) for message in received]}
        with _invoked(meter):
            answer = handler.lambda_handler(event, Context("processor", "512", time.monotonic()))
        assert answer == {"batchItemFailures": []}, answer
        entries = [
            {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
            for n, message in enumerate(received)
        ]
        assert not sqs.delete_message_batch(QueueUrl=url, Entries=entries).get("Failed")


@contextmanager
def _invoked(meter: Meter) -> Iterator[None]:
    """One invocation of a function: its CPU, its waits, its log."""
    log, waits = io.StringIO(), meter.counts.get(meter.part, Counter())["waits"]
    cpu = time.process_time()
    with contextlib.redirect_stdout(log):
        yield
    meter.add("lambda_cpu_ms", 1000 * (time.process_time() - cpu))
    meter.add("lambda_requests")
    meter.add("lambda_waits", meter.counts[meter.part]["waits"] - waits)
    meter.add("log_bytes", len(log.getvalue().encode()))


def _lambda_record(message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"dataType": value["DataType"], "stringValue": value["StringValue"]}
            for name, value in message.get("MessageAttributes", {}).items()
        },
    }
