"""FIFO queues: the structure against a naive model, and over the endpoint what AWS documents."""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from minilab_local.aws.fifo import DEDUPLICATION_MS, ExpiredReceiptHandle, FifoMessages
from minilab_local.aws.messages import NotInFlight, Stored

DAY = 86_400_000
GROUPS = st.sampled_from("abc")
MAX_RECEIVES = 3


# The structure by itself: time is handed in


def make() -> tuple[FifoMessages, list[Any]]:
    log: list[Any] = []
    return FifoMessages(log.append), log


def send(messages: FifoMessages, name: str, now: int, window: Any = None, delay: int = 0) -> str:
    """Send a message called ``name`` to the group of its first letter."""
    sent = messages.send_once(window or (None, name), name, {"group": name[0]}, now, delay)
    return sent.message_id


def receive(
    messages: FifoMessages, now: int, count: int = 10, visibility: int = 1000
) -> list[Stored]:
    return messages.receive(count, now, visibility, expired_before=now - DAY)


def names(taken: list[Stored]) -> list[str]:
    return [stored.message_id for stored in taken]


@dataclass
class Sent:
    """A message of the naive model."""

    name: str
    group: str
    ready_at: int
    receives: int = 0
    handle: str = ""
    flies_until: int = 0


class Model(RuleBasedStateMachine):
    """The naive model scans a list. It does not say whose turn it is among the groups."""

    def __init__(self) -> None:
        super().__init__()
        self.messages, self.log = make()
        self.now = 1_000
        self.stored: list[Sent] = []
        self.seen: dict[str, tuple[int, str]] = {}
        self.old_handles: list[str] = []
        self.count = 0

    def line(self, group: str) -> list[Sent]:
        """What could be received of a group now, in order."""
        members = [m for m in self.stored if m.group == group]
        if any(m.flies_until > self.now for m in members):
            return []
        delayed = next((n for n, m in enumerate(members) if m.ready_at > self.now), len(members))
        return members[:delayed]

    @rule(group=GROUPS, window=st.sampled_from("wxyz"), delay=st.sampled_from([0, 0, 0, 700]))
    def send(self, group: str, window: str, delay: int) -> None:
        self.count += 1
        name = f"{group}{self.count}"
        until, first = self.seen.get(window, (0, ""))
        answer = send(self.messages, name, self.now, (None, window), delay)
        if until > self.now:
            assert answer == first
        else:
            assert answer == name
            self.seen[window] = self.now + DEDUPLICATION_MS, name
            self.stored.append(Sent(name, group, self.now + delay))

    @rule(count=st.integers(1, 10), visibility=st.sampled_from([0, 500, 2_000]))
    def receive(self, count: int, visibility: int) -> None:
        buried: list[str] = []
        taken = self.messages.receive(
            count,
            self.now,
            visibility,
            expired_before=-1,
            max_receives=MAX_RECEIVES,
            bury=lambda stored: buried.append(stored.message_id),
        )
        assert len(taken) <= count
        left = 0
        for group in "abc":
            line = self.line(group)
            touched = [n for n in buried if n[0] == group] + [
                stored.message_id for stored in taken if stored.message_id[0] == group
            ]
            assert sorted(touched, key=lambda name: int(name[1:])) == [
                m.name for m in line[: len(touched)]
            ]
            left += len(line) - len(touched)
        assert len(taken) == count or left == 0
        by_name = {m.name: m for m in self.stored}
        order: dict[str, list[int]] = {}
        for stored in taken:
            message = by_name[stored.message_id]
            message.receives += 1
            assert stored.receives == message.receives <= MAX_RECEIVES
            if message.handle:
                self.old_handles.append(message.handle)
            message.handle = stored.receipt_handle
            message.flies_until = self.now + visibility
            order.setdefault(message.group, []).append(stored.number)
        assert all(numbers == sorted(numbers) for numbers in order.values())
        assert all(by_name[name].receives == MAX_RECEIVES for name in buried)
        self.stored = [m for m in self.stored if m.name not in buried]

    @precondition(lambda self: any(m.handle for m in self.stored))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from([m for m in self.stored if m.handle]))
        if message.flies_until > self.now:
            self.messages.delete(message.handle, self.now)
            self.stored.remove(message)
            self.messages.delete(message.handle, self.now)  # once more is no error
        else:
            with pytest.raises(ExpiredReceiptHandle):
                self.messages.delete(message.handle, self.now)

    @precondition(lambda self: any(m.handle for m in self.stored))
    @rule(data=st.data(), visibility=st.sampled_from([0, 300, 5_000]))
    def change_visibility(self, data: st.DataObject, visibility: int) -> None:
        message = data.draw(st.sampled_from([m for m in self.stored if m.handle]))
        if message.flies_until > self.now:
            self.messages.change_visibility(message.handle, self.now, visibility)
            message.flies_until = self.now + visibility
        else:
            with pytest.raises(NotInFlight):
                self.messages.change_visibility(message.handle, self.now, visibility)

    @precondition(lambda self: self.old_handles)
    @rule(data=st.data())
    def use_an_old_handle(self, data: st.DataObject) -> None:
        with pytest.raises(NotInFlight):
            self.messages.change_visibility(
                data.draw(st.sampled_from(self.old_handles)), self.now, 10
            )

    @rule(ms=st.sampled_from([1, 100, 499, 500, 2_000, DEDUPLICATION_MS - 1, DEDUPLICATION_MS]))
    def wait(self, ms: int) -> None:
        self.now += ms

    @rule()
    def purge(self) -> None:
        self.messages.purge()
        self.stored.clear()

    @rule()
    def crash(self) -> None:
        again, _ = make()
        for change in self.log:
            again.redo(change)
        self.go_on_with(again)

    @rule()
    def stop_and_return(self) -> None:
        self.go_on_with(pickle.loads(pickle.dumps(self.messages)))

    def go_on_with(self, messages: FifoMessages) -> None:
        messages.note = self.log.append
        self.messages = messages

    @invariant()
    def counts_are_the_same(self) -> None:
        flying = sum(m.flies_until > self.now for m in self.stored)
        delayed = sum(m.ready_at > self.now for m in self.stored)
        ready = len(self.stored) - flying - delayed
        assert self.messages.counts(self.now) == (ready, flying, delayed)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def test_a_message_that_comes_back_takes_its_place() -> None:
    messages, _ = make()
    for name in ("a1", "a2", "a3"):
        send(messages, name, now=0)
    first, second = receive(messages, now=0, count=2)
    messages.change_visibility(first.receipt_handle, 10, 0)
    assert receive(messages, now=10) == []  # a2 is still in flight
    messages.delete(second.receipt_handle, 20)
    assert names(receive(messages, now=20)) == ["a1", "a3"]


def test_groups_take_turns_and_do_not_wait_for_each_other() -> None:
    messages, _ = make()
    for name in ("a1", "a2", "b1", "c1"):
        send(messages, name, now=0)
    assert names(receive(messages, now=0, count=1)) == ["a1"]
    assert names(receive(messages, now=0, count=1)) == ["b1"]
    assert names(receive(messages, now=0)) == ["c1"]
    assert names(receive(messages, now=1000, count=1)) == ["a1"]


def test_what_is_older_than_the_retention_frees_its_group() -> None:
    messages, _ = make()
    send(messages, "a1", now=0)
    send(messages, "a2", now=DAY)
    assert names(receive(messages, now=DAY + 1)) == ["a2"]
    assert len(messages) == 1


def test_a_grave_keeps_a_message_of_any_deduplication_id() -> None:
    messages, _ = make()
    grave, _ = make()
    send(messages, "a1", now=0)
    send(messages, "a2", now=0)
    receive(messages, now=0, count=1, visibility=10)
    taken = messages.receive(
        *(10, 10, 10),
        expired_before=0,
        max_receives=1,
        bury=lambda stored: grave.take_over(stored, 10),
    )
    assert names(taken) == ["a2"]
    [dead] = receive(grave, now=20)
    assert (dead.message_id, dead.receives, dead.sent_at) == ("a1", 2, 10)
    assert dead.content == {"group": "a", "deduplication": "a1"}


def test_the_window_of_a_replayed_queue_closes_in_time() -> None:
    messages, log = make()
    send(messages, "a1", 0, "w")
    send(messages, "a2", DEDUPLICATION_MS, "w")
    again, _ = make()
    for change in log:
        again.redo(change)
    assert send(again, "a3", DEDUPLICATION_MS + 1, "w") == "a2"
    assert send(again, "a3", 2 * DEDUPLICATION_MS, "w") == "a3"


@pytest.mark.parametrize("groups", [1, 50], ids=["one group", "many groups"])
def test_depth_costs_nothing(groups: int) -> None:
    """The same work touches as many stored messages at 50,000 deep as in a short queue."""

    def work(messages: FifoMessages, now: int) -> int:
        before = messages.steps
        for _ in range(20):
            taken = receive(messages, now)
            assert len(taken) == 10
            messages.change_visibility(taken[0].receipt_handle, now, 60_000)
            for stored in taken:
                messages.delete(stored.receipt_handle, now)
            messages.send_once((None, str(uuid4())), str(uuid4()), {"group": "0"}, now)
            messages.counts(now)
        return messages.steps - before

    costs = []
    for depth in (1_000, 50_000):
        messages, _ = make()
        for number in range(depth):
            content = {"group": str(number % groups)}
            messages.send_once((None, number), str(number), content, now=1)
        costs.append(work(messages, now=1))
    assert costs[0] == costs[1] == 20 * (10 + 10 + 1 + 10)  # taken, out of line, changed, deleted


# Over the endpoint


@pytest.fixture
def sqs(aws_client: Callable[[str], Any]) -> Any:
    return aws_client("sqs")


@pytest.fixture
def make_queue(sqs: Any) -> Callable[..., str]:
    def make_queue(**attributes: str) -> str:
        name = f"q-{uuid4().hex}.fifo"
        created = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true", **attributes})
        return str(created["QueueUrl"])

    return make_queue


@pytest.fixture
def queue(make_queue: Callable[..., str]) -> str:
    return make_queue(ContentBasedDeduplication="true")


def bodies(sqs: Any, queue: str, **arguments: Any) -> list[str]:
    answer = sqs.receive_message(
        **{"QueueUrl": queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 60, **arguments}
    )
    return [message["Body"] for message in answer.get("Messages", [])]


def test_send_receive_delete(sqs: Any, queue: str) -> None:
    sent = [
        sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId="g")
        for body in ("one", "two")
    ]
    numbers = [answer["SequenceNumber"] for answer in sent]
    assert [len(number) for number in numbers] == [20, 20]
    assert int(numbers[0]) < int(numbers[1])
    received = sqs.receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=10,
        MessageSystemAttributeNames=["All"],
        ReceiveRequestAttemptId="once",
    )["Messages"]
    assert [m["MessageId"] for m in received] == [answer["MessageId"] for answer in sent]
    attributes = received[0]["Attributes"]
    assert attributes["MessageGroupId"] == "g"
    assert attributes["MessageDeduplicationId"] == hashlib.sha256(b"one").hexdigest()
    assert attributes["SequenceNumber"] == numbers[0]
    for message in received:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    assert counts == dict.fromkeys(names, "0")


def test_a_group_in_flight_waits_and_the_others_do_not(sqs: Any, queue: str) -> None:
    for body in ("a1", "b1", "a2"):
        sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId=body[0])
    [first] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert first["Body"] == "a1"
    assert bodies(sqs, queue) == ["b1"]
    assert bodies(sqs, queue) == []
    sqs.change_message_visibility(
        QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0
    )
    assert bodies(sqs, queue) == ["a1", "a2"]


def test_a_long_poll_ends_when_the_group_is_free(sqs: Any, queue: str) -> None:
    for body in ("1", "2"):
        sqs.send_message(QueueUrl=queue, MessageBody=body, MessageGroupId="g")
    [first] = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=600)["Messages"]
    received: list[str] = []
    waiting = threading.Thread(
        target=lambda: received.extend(bodies(sqs, queue, WaitTimeSeconds=20))
    )
    waiting.start()
    time.sleep(0.2)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"])
    waiting.join(15)
    assert received == ["2"]


def test_a_duplicate_is_told_of_the_first_also_after_that_is_deleted(sqs: Any, queue: str) -> None:
    def send(body: str, group: str) -> dict[str, Any]:
        answer = sqs.send_message(
            QueueUrl=queue, MessageBody=body, MessageGroupId=group, MessageDeduplicationId="same"
        )
        return {key: answer[key] for key in ("MessageId", "SequenceNumber")}

    first = send("one", "g")
    assert send("two", "g") == first
    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == "one"
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert send("three", "h") == first
    batch = sqs.send_message_batch(
        QueueUrl=queue,
        Entries=[
            {
                "Id": str(n),
                "MessageBody": str(n),
                "MessageGroupId": "g",
                "MessageDeduplicationId": name,
            }
            for n, name in enumerate(["same", "other", "other"])
        ],
    )["Successful"]
    assert batch[0]["MessageId"] == first["MessageId"]
    assert batch[1]["SequenceNumber"] == batch[2]["SequenceNumber"]
    assert bodies(sqs, queue) == ["1"]


def test_deduplication_within_a_group(sqs: Any, make_queue: Callable[..., str]) -> None:
    queue = make_queue(DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in "aab":
        sqs.send_message(
            QueueUrl=queue, MessageBody=group, MessageGroupId=group, MessageDeduplicationId="x"
        )
    assert sorted(bodies(sqs, queue)) == ["a", "b"]


def test_the_query_protocol_answers_a_duplicate_the_same(sqs: Any, queue: str) -> None:
    import re
    import urllib.request

    def send() -> list[bytes]:
        request = urllib.request.Request(
            queue,
            data=f"Action=SendMessage&MessageBody=hello&MessageGroupId=g&QueueUrl={queue}".encode(),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAMINILABLOCAL0000/20260101/"
                "us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return re.findall(rb"<(?:MessageId|SequenceNumber)>.*?</", response.read())

    first = send()
    assert len(first) == 2
    assert send() == first
    assert bodies(sqs, queue) == ["hello"]


def test_poison_goes_to_the_dead_letter_queue_and_frees_its_group(
    sqs: Any, queue: str, make_queue: Callable[..., str]
) -> None:
    grave = make_queue()
    arn = sqs.get_queue_attributes(QueueUrl=grave, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 2}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": json.dumps(policy)})
    sent = sqs.send_message(QueueUrl=queue, MessageBody="poison", MessageGroupId="g")
    sqs.send_message(QueueUrl=queue, MessageBody="good", MessageGroupId="g")
    for _ in range(2):
        taken = bodies(sqs, queue, MaxNumberOfMessages=1, VisibilityTimeout=0)
        assert taken == ["poison"]
    assert bodies(sqs, queue) == ["good"]
    [dead] = sqs.receive_message(QueueUrl=grave, AttributeNames=["All"])["Messages"]
    assert (dead["MessageId"], dead["Body"]) == (sent["MessageId"], "poison")
    assert dead["Attributes"]["MessageGroupId"] == "g"
    assert dead["Attributes"]["MessageDeduplicationId"] == sent["MessageId"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "MissingParameter"),
        ({"MessageDeduplicationId": "d"}, "MissingParameter"),
        ({"MessageGroupId": "g"}, "InvalidParameterValue"),
        (
            {"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 1},
            "InvalidParameterValue",
        ),
        ({"MessageGroupId": "g h", "MessageDeduplicationId": "d"}, "InvalidParameterValue"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "d" * 129}, "InvalidParameterValue"),
    ],
)
def test_what_aws_refuses_is_refused(
    sqs: Any, make_queue: Callable[..., str], arguments: dict[str, Any], code: str
) -> None:
    queue = make_queue()
    with pytest.raises(ClientError) as raised:
        sqs.send_message(QueueUrl=queue, MessageBody="x", **arguments)
    assert raised.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError) as raised:
        sqs.send_message_batch(
            QueueUrl=queue, Entries=[{"Id": "0", "MessageBody": "x", **arguments}]
        )
    assert raised.value.response["Error"]["Code"] == code
    assert bodies(sqs, queue) == []


def test_a_handle_whose_flight_is_over(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="g")
    [message] = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)["Messages"]
    handle = message["ReceiptHandle"]
    with pytest.raises(ClientError, match="receipt handle has expired"):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    answer = sqs.delete_message_batch(
        QueueUrl=queue, Entries=[{"Id": "0", "ReceiptHandle": handle}]
    )
    assert [entry["Code"] for entry in answer["Failed"]] == ["InvalidParameterValue"]
    assert bodies(sqs, queue) == ["x"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"DeduplicationScope": "message"},
        {"FifoThroughputLimit": "perMessageGroupId"},  # needs the scope messageGroup
        {"FifoQueue": "false"},
    ],
)
def test_settings_that_cannot_be(sqs: Any, queue: str, attributes: dict[str, str]) -> None:
    with pytest.raises(ClientError) as raised:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)
    assert raised.value.response["Error"]["Code"].startswith("InvalidAttribute")


def test_purge_keeps_the_window(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="g")
    sqs.purge_queue(QueueUrl=queue)
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="g")
    assert bodies(sqs, queue) == []
