"""The Lambda function: an event of the queue in, the messages that are to come again out."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from processing_fixtures import World, event, events_on_queue, fill, message, on_topic, record

from minilab.processing import handler
from minilab.processing.deliver import Trouble
from minilab.processing.environment import Environment
from minilab.processing.records import Record

if TYPE_CHECKING:
    from conftest import Lab


@dataclass
class Context:
    """What Lambda hands in with an event."""

    function_name: str = "minilab-processor"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:1:function:minilab-processor"
    aws_request_id: str = "request"


def as_lambda_has_it(received: dict[str, Any]) -> dict[str, Any]:
    """A message of ReceiveMessage as the event source mapping hands it over (Lambda Developer
    Guide, "Using Lambda with Amazon SQS", the example of a FIFO queue)."""
    return {
        "messageId": received["MessageId"],
        "receiptHandle": received["ReceiptHandle"],
        "body": received["Body"],
        "attributes": received["Attributes"],
        "messageAttributes": {
            name: {
                "stringValue": value["StringValue"],
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": value["DataType"],
            }
            for name, value in received["MessageAttributes"].items()
        },
        "md5OfBody": received["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:1:minilab-x-ingest.fifo",
        "awsRegion": "us-east-1",
    }


def receive(lab: Lab) -> list[dict[str, Any]]:
    sqs = lab.client("sqs")
    url = sqs.get_queue_url(QueueName=lab.settings.ingest_queue)["QueueUrl"]
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    )
    found: list[dict[str, Any]] = answer.get("Messages", [])
    return found


@pytest.fixture(autouse=True)
def another_instance() -> Any:
    handler._environment.cache_clear()
    yield
    handler._environment.cache_clear()


def test_it_delivers_and_tells_its_metrics(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    fill(
        lab,
        [
            message(event("p1"), event("p2")),
            message(event("b1", "beta", "billing"), tenant="beta", stream="billing"),
        ],
    )
    records = [as_lambda_has_it(m) for m in receive(lab)]
    assert len(records) == 2
    assert handler.lambda_handler({"Records": records}, Context()) == {"batchItemFailures": []}
    assert {e["id"] for _, e in on_topic(lab.settings, "product")} == {"p1", "p2"}
    assert [e["id"] for e in events_on_queue(lab, "billing")] == ["b1"]
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [metrics] = [line for line in told if "_aws" in line]
    assert (metrics["Events"], metrics["MessagesDone"], metrics["MessagesFailed"]) == (
        [3.0], [2.0], [0.0]
    )  # fmt: skip
    assert "Backlog" not in metrics, "SQS feeds the function, whatever waits"
    assert metrics["environment"] == lab.settings.env
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Minilab"


def as_record(each: Record) -> dict[str, Any]:
    return as_lambda_has_it(
        {
            "MessageId": each.message_id,
            "ReceiptHandle": each.receipt,
            "Body": each.text,
            "MD5OfBody": "",
            "Attributes": {
                "ApproximateReceiveCount": str(each.times_received),
                "MessageGroupId": each.group,
                "SentTimestamp": str(each.sent_ms),
            },
            "MessageAttributes": {
                name: {"StringValue": value, "DataType": "String"}
                for name, value in each.attributes.items()
            },
        }
    )


def test_a_record_is_the_same_from_lambda_as_from_sqs(lab: Lab) -> None:
    fill(lab, [message(event("same", "gamma"), tenant="gamma")])
    [received] = [m for m in receive(lab) if "same" in m["Body"]]
    from_sqs = Record.from_sqs(received)
    assert Record.from_lambda(as_lambda_has_it(received)) == from_sqs
    assert (from_sqs.group, from_sqs.times_received) == ("gamma", 1)
    assert abs(from_sqs.sent_ms / 1000 - time.time()) < 60


def test_the_rest_of_a_group_comes_again_behind_its_first_failure(world: World) -> None:
    batch = [
        record(event(name, name[0]), tenant=name[0], times_received=3)
        for name in ("a1", "b1", "a2", "b2", "c1", "c2")
    ]
    world.troubles = {"a2": Trouble("no", away=False), "b1": Trouble("away", away=True)}
    answer = handler.handle(world.environment, {"Records": [as_record(each) for each in batch]})
    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == [
        batch[i].message_id for i in (1, 2, 3)
    ]
    assert world.hidden == [(batch[1].message_id, 480), (batch[3].message_id, 480)], (
        "only what waits for a bus is hidden for longer: 120 s, doubled each time"
    )
    assert world.deleted == [], "the event source mapping deletes"


def test_what_failed_five_times_is_given_up_and_does_not_come_again(world: World) -> None:
    last = record(event("a"), times_received=5)
    world.troubles = {"a": Trouble("no", away=False)}
    answer = handler.handle(world.environment, {"Records": [as_record(last)]})
    assert answer == {"batchItemFailures": []}
    assert world.given_up == [(last.message_id, "no")]


def test_kafka_that_is_away_is_reported_and_hidden_for_longer(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilab.bus.kafka._CONNECT_SECONDS", 0.3)
    gone = dataclasses.replace(lab.settings, kafka_bootstrap_servers="127.0.0.1:1")
    fill(lab, [message(event("late", "delta"), tenant="delta")])
    records = [as_lambda_has_it(m) for m in receive(lab) if "late" in m["Body"]]
    answer = handler.handle(Environment.of(gone, lab.registry), {"Records": records})
    assert answer == {"batchItemFailures": [{"itemIdentifier": records[0]["messageId"]}]}
    assert "late" not in {e["id"] for _, e in on_topic(lab.settings, "product")}
