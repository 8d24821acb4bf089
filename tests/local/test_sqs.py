"""SQS over the endpoint: what AWS documents of standard queues, and that depth costs nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from minilab_local.aws.messages import InvalidReceiptHandle, Messages, NotInFlight

DAY = 86_400_000


# The structure by itself: time is handed in


class Log(list[Any]):
    """What a queue noted; :meth:`replayed` makes a second queue of it."""

    def replayed(self) -> Messages:
        again = Messages(lambda change: None)
        for change in self:
            again.redo(change)
        return again


def make() -> tuple[Messages, Log]:
    log = Log()
    return Messages(log.append), log


def receive(messages: Messages, now: int, count: int = 10, visibility: int = 1000) -> list[str]:
    taken = messages.receive(count, now, visibility, expired_before=now - DAY)
    return [stored.message_id for stored in taken]


def test_a_message_is_hidden_exactly_as_long_as_its_visibility() -> None:
    messages, _ = make()
    messages.send("a", "body", now=0)
    assert receive(messages, now=0, visibility=1000) == ["a"]
    assert receive(messages, now=999) == []
    assert messages.counts(999) == (0, 1, 0)
    assert receive(messages, now=1000) == ["a"]


def test_a_delayed_message_is_not_in_flight() -> None:
    messages, _ = make()
    messages.send("a", "body", now=0, delay_ms=500)
    assert messages.counts(499) == (0, 0, 1)
    assert receive(messages, now=499) == []
    assert receive(messages, now=500) == ["a"]


def test_only_the_latest_handle_deletes() -> None:
    messages, _ = make()
    messages.send("a", "body", now=0)
    first = messages.receive(1, 0, 10, expired_before=-DAY)[0].receipt_handle
    second = messages.receive(1, 10, 10, expired_before=-DAY)[0].receipt_handle
    messages.delete(first)
    assert len(messages) == 1
    messages.delete(second)
    messages.delete(second)  # once more is no error
    assert len(messages) == 0
    with pytest.raises(InvalidReceiptHandle):
        messages.delete("not a handle")


def test_visibility_can_be_cut_and_drawn_out_only_in_flight() -> None:
    messages, _ = make()
    messages.send("a", "body", now=0)
    handle = messages.receive(1, 0, 1000, expired_before=-DAY)[0].receipt_handle
    messages.change_visibility(handle, now=100, visibility_ms=5000)
    assert receive(messages, now=5099) == []
    messages.change_visibility(handle, now=5099, visibility_ms=0)
    with pytest.raises(NotInFlight):
        messages.change_visibility(handle, now=5100, visibility_ms=10)
    assert receive(messages, now=5100) == ["a"]


def test_what_is_older_than_the_retention_is_dropped() -> None:
    messages, _ = make()
    messages.send("old", "body", now=0)
    messages.send("new", "body", now=DAY)
    assert receive(messages, now=DAY + 1) == ["new"]
    assert len(messages) == 1


def test_a_replay_of_the_notes_gives_the_same_queue() -> None:
    messages, log = make()
    for number in range(6):
        messages.send(f"m{number}", "body", now=number, delay_ms=100 if number == 5 else 0)
    taken = messages.receive(3, 10, 1000, expired_before=-DAY)
    messages.delete(taken[0].receipt_handle)
    messages.change_visibility(taken[1].receipt_handle, 11, 0)
    again = log.replayed()
    assert again.counts(12) == messages.counts(12) == (3, 1, 1)
    again.delete(taken[2].receipt_handle)  # a handle given out before the crash still works
    assert sorted(receive(again, now=200)) == ["m1", "m3", "m4", "m5"]


def test_depth_costs_nothing() -> None:
    """The same work touches as many stored messages at 100,000 deep as in a short queue."""

    def work(messages: Messages, now: int) -> int:
        before = messages.steps
        for _ in range(20):
            taken = messages.receive(10, now, 30_000, expired_before=now - DAY)
            messages.change_visibility(taken[0].receipt_handle, now, 60_000)
            for stored in taken:
                messages.delete(stored.receipt_handle)
            messages.send(str(uuid4()), "body", now)
            messages.counts(now)
        return messages.steps - before

    costs = []
    for depth in (300, 100_000):
        messages, _ = make()
        for number in range(depth):
            messages.send(str(number), "body", now=number)
        costs.append(work(messages, now=depth))
    assert costs[0] == costs[1] == 20 * (10 + 1 + 10)


# Over the endpoint


@pytest.fixture
def sqs(aws_client: Callable[[str], Any]) -> Any:
    return aws_client("sqs")


@pytest.fixture
def queue(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName=f"q-{uuid4().hex}")["QueueUrl"])


def attribute(sqs: Any, queue: str, name: str) -> str:
    return str(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[name])["Attributes"][name])


def test_send_receive_delete(sqs: Any, queue: str) -> None:
    sent = sqs.send_message(
        QueueUrl=queue,
        MessageBody="grüße",
        MessageAttributes={
            "content-encoding": {"DataType": "String", "StringValue": "gzip+base64"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    )
    assert sent["MD5OfMessageBody"] == hashlib.md5("grüße".encode()).hexdigest()
    [message] = sqs.receive_message(
        QueueUrl=queue, AttributeNames=["All"], MessageAttributeNames=["All"]
    )["Messages"]
    assert message["MessageId"] == sent["MessageId"]
    assert message["Body"] == "grüße"
    assert message["MessageAttributes"]["raw"]["BinaryValue"] == b"\x00\xff"
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert abs(int(message["Attributes"]["SentTimestamp"]) - time.time() * 1000) < 60_000
    assert attribute(sqs, queue, "ApproximateNumberOfMessagesNotVisible") == "1"
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert attribute(sqs, queue, "ApproximateNumberOfMessagesNotVisible") == "0"


def test_the_query_protocol_sees_the_same_queue(sqs: Any, queue: str) -> None:
    """moto's own way (older SDKs, SNS) and the direct one share the messages."""
    import urllib.request

    body = f"Action=SendMessage&Version=2012-11-05&MessageBody=hello&QueueUrl={queue}"
    request = urllib.request.Request(
        queue,
        data=body.encode(),
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAMINILABLOCAL0000/20260101/"
            "us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert b"<MessageId>" in response.read()
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == "hello"


def test_redelivery_then_dead_letter(sqs: Any, queue: str) -> None:
    grave = sqs.create_queue(QueueName=f"dlq-{uuid4().hex}")["QueueUrl"]
    policy = {"deadLetterTargetArn": attribute(sqs, grave, "QueueArn"), "maxReceiveCount": 2}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": json.dumps(policy)})
    assert json.loads(attribute(sqs, queue, "RedrivePolicy")) == policy
    sent = sqs.send_message(QueueUrl=queue, MessageBody="poison")
    for count in ("1", "2"):
        [message] = sqs.receive_message(
            QueueUrl=queue, VisibilityTimeout=0, AttributeNames=["ApproximateReceiveCount"]
        )["Messages"]
        assert message["Attributes"]["ApproximateReceiveCount"] == count
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    [dead] = sqs.receive_message(QueueUrl=grave)["Messages"]
    assert (dead["MessageId"], dead["Body"]) == (sent["MessageId"], "poison")
    assert attribute(sqs, queue, "ApproximateNumberOfMessages") == "0"


def test_a_long_poll_ends_when_a_message_comes(sqs: Any, queue: str) -> None:
    received: list[Any] = []
    waiting = threading.Thread(
        target=lambda: received.append(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20))
    )
    waiting.start()
    time.sleep(0.2)
    sqs.send_message(QueueUrl=queue, MessageBody="at last")
    waiting.join(15)
    assert received[0]["Messages"][0]["Body"] == "at last"


def test_a_long_poll_sees_a_message_come_back(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="again")
    sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1)
    answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)
    assert answer["Messages"][0]["Body"] == "again"


def test_batches(sqs: Any, queue: str) -> None:
    entries = [{"Id": str(n), "MessageBody": f"m{n}"} for n in range(10)]
    assert len(sqs.send_message_batch(QueueUrl=queue, Entries=entries)["Successful"]) == 10
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert [m["Body"] for m in messages] == [f"m{n}" for n in range(10)]
    handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
    changed = sqs.change_message_visibility_batch(
        QueueUrl=queue, Entries=[{**h, "VisibilityTimeout": 100} for h in handles[:5]]
    )
    assert len(changed["Successful"]) == 5
    handles[9]["ReceiptHandle"] = base64.b64encode(b"nonsense").decode()
    answer = sqs.delete_message_batch(QueueUrl=queue, Entries=handles)
    assert [entry["Id"] for entry in answer["Successful"]] == [str(n) for n in range(9)]
    assert [entry["Code"] for entry in answer["Failed"]] == ["ReceiptHandleIsInvalid"]


def test_a_message_may_have_one_mebibyte(sqs: Any, queue: str) -> None:
    whole = "x" * 1_048_576
    sqs.send_message(QueueUrl=queue, MessageBody=whole)
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == whole
    with pytest.raises(ClientError, match="shorter than 1048576 bytes"):
        sqs.send_message(QueueUrl=queue, MessageBody=whole + "x")
    with pytest.raises(ClientError, match="shorter than 1048576 bytes"):  # bytes, not characters
        sqs.send_message(QueueUrl=queue, MessageBody="ü" * 600_000)
    half = "ü" * 270_000  # 540,000 bytes
    with pytest.raises(ClientError) as raised:
        sqs.send_message_batch(
            QueueUrl=queue, Entries=[{"Id": str(n), "MessageBody": half} for n in range(2)]
        )
    assert raised.value.response["Error"]["Code"] == "AWS.SimpleQueueService.BatchRequestTooLong"
    assert attribute(sqs, queue, "ApproximateNumberOfMessages") == "0"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"MessageBody": "a\x00b"}, "InvalidMessageContents"),
        ({"MessageBody": ""}, "MissingParameter"),
        ({"MessageBody": "x", "DelaySeconds": 901}, "InvalidParameterValue"),
    ],
)
def test_what_aws_refuses_is_refused(
    sqs: Any, queue: str, arguments: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as raised:
        sqs.send_message(QueueUrl=queue, **arguments)
    assert raised.value.response["Error"]["Code"] == code


def test_a_handle_of_nothing(sqs: Any, queue: str) -> None:
    for call in (sqs.delete_message, sqs.change_message_visibility):
        extra = {"VisibilityTimeout": 1} if call == sqs.change_message_visibility else {}
        with pytest.raises(ClientError) as raised:
            call(QueueUrl=queue, ReceiptHandle="nonsense", **extra)
        assert raised.value.response["Error"]["Code"] == "ReceiptHandleIsInvalid"


def test_a_queue_that_does_not_exist(sqs: Any, queue: str) -> None:
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.receive_message(QueueUrl=queue + "-not")


def test_purge(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    sqs.purge_queue(QueueUrl=queue)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    with pytest.raises(ClientError, match="every 60 seconds"):
        sqs.purge_queue(QueueUrl=queue)


def test_a_policy_outlives_other_attributes(sqs: Any, queue: str) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*"}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "5"})
    assert json.loads(attribute(sqs, queue, "Policy")) == policy


def test_sns_delivers_into_a_queue(sqs: Any, queue: str, aws_client: Callable[[str], Any]) -> None:
    sns = aws_client("sns")
    topic = sns.create_topic(Name=f"t-{uuid4().hex}")["TopicArn"]
    arn = attribute(sqs, queue, "QueueArn")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="hello")
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["Message"] == "hello"


def test_fifo_keeps_order_and_one_of_each(sqs: Any) -> None:
    url = sqs.create_queue(
        QueueName=f"q-{uuid4().hex}.fifo",
        Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"},
    )["QueueUrl"]
    for body in ("a", "b", "a"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [m["Body"] for m in messages] == ["a", "b"]
