"""AWS throttles, times out, takes half of it: the client is told to come again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.stub import Stubber

from minilab.aws import AwsError
from minilab.bus.failed_queue import FailedQueue
from minilab.bus.ingest_queue import IngestQueue
from minilab.ingest.environment import Environment
from minilab.ingest.idempotency import LEASE_SECONDS, Idempotency
from minilab.ingest.limits import RateCounter
from minilab.ingest.openapi import openapi_document
from minilab.ingest.parallel import Parallel
from minilab.tenants import Tenants
from minilab.tenants.directory import Directory
from tests.ingest.client import Client, new_tenant, page_viewed, received
from tests.ingest.conftest import Front

Change = Callable[[Environment], Environment]


class Failing:
    """A boto3 client, some of whose calls fail: as many times as said, then it is well."""

    def __init__(self, inner: Any, errors: dict[str, list[Exception]]) -> None:
        self._inner, self._errors = inner, errors

    def __getattr__(self, name: str) -> Any:
        effect = getattr(self._inner, name)

        def called(**arguments: Any) -> Any:
            if errors := self._errors.get(name):
                raise errors.pop(0)
            return effect(**arguments)

        return called if callable(effect) and name in self._errors else effect


def throttled(client: Any, operation: str, code: str) -> Exception:
    """The very error that botocore raises for such an answer."""
    arguments: dict[str, dict[str, Any]] = {
        "get_item": {"TableName": "t", "Key": {}},
        "put_item": {"TableName": "t", "Item": {}},
        "update_item": {"TableName": "t", "Key": {}},
        "transact_write_items": {"TransactItems": [{}]},
        "batch_write_item": {"RequestItems": {"t": [{}]}},
        "send_message_batch": {"QueueUrl": "u", "Entries": []},
    }
    fresh = boto3.client(
        client.meta.service_model.service_name,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with Stubber(fresh) as stubber:
        stubber.add_client_error(operation, code, "slow down", http_status_code=400)
        try:
            getattr(fresh, operation)(**arguments[operation])
        except Exception as error:
            return error
    raise AssertionError


AWAY = ConnectTimeoutError(endpoint_url="https://aws")


def dynamodb_with(front: Front, errors: dict[str, list[Exception]]) -> Change:
    client = Failing(front.lab.client("dynamodb"), errors)

    def change(env: Environment) -> Environment:
        return replace(
            env,
            directory=Directory(Tenants(front.settings, lambda: client)),
            counter=RateCounter(front.settings, lambda: client),
            idempotency=Idempotency(front.settings, lambda: client, Parallel()),
        )

    return change


def sqs_with(front: Front, errors: dict[str, list[Exception]]) -> Change:
    client = Failing(front.lab.client("sqs"), errors)
    return lambda env: replace(
        env,
        send=IngestQueue(front.settings, client).send,
        send_failed=FailedQueue(front.settings, client).send,
    )


@pytest.fixture
def key(front: Front) -> Iterator[str]:
    received(front.settings, front.settings.ingest_queue)
    received(front.settings, front.settings.failed_queue)
    yield new_tenant(front.settings)[1]


def queued(front: Front) -> int:
    return len(received(front.settings, front.settings.ingest_queue))


def is_deferred(answer: Any) -> bool:
    if "results" in answer.json():
        told = {(r["status"], r["problem"]["reason"]) for r in answer.json()["results"]}
        assert told == {("deferred", "unavailable")}
    else:
        assert answer.problem["reason"] == "unavailable"
    return answer.status == 503 and int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("operation", ["get_item", "update_item", "put_item"])
@pytest.mark.parametrize("how", ["throttled", "away"])
def test_dynamodb_that_is_throttled_or_away_defers(
    front: Front, key: str, operation: str, how: str
) -> None:
    error = AWAY
    if how == "throttled":
        code = "ProvisionedThroughputExceededException"
        error = throttled(front.lab.client("dynamodb"), operation, code)
    client = front.with_environment(dynamodb_with(front, {operation: [error]}), key)
    event = page_viewed()
    assert is_deferred(client.send(event))
    assert queued(front) == 0
    assert client.send(event).json()["status"] == "accepted"
    assert queued(front) == 1


def test_batches_are_deferred_too(front: Front, key: str) -> None:
    error = throttled(front.lab.client("dynamodb"), "transact_write_items", "ThrottlingException")
    errors: dict[str, list[Exception]] = {"transact_write_items": [error] * 4}
    client = front.with_environment(dynamodb_with(front, errors), key)
    batch = [page_viewed() for _ in range(3)]
    assert is_deferred(client.send_batch(batch))
    assert queued(front) == 0
    assert client.send_batch(batch).json()["accepted"] == 3


def test_a_passing_conflict_of_transactions_is_waited_for(front: Front, key: str) -> None:
    error = throttled(front.lab.client("dynamodb"), "transact_write_items", "ThrottlingException")
    errors: dict[str, list[Exception]] = {"transact_write_items": [error] * 2}
    client = front.with_environment(dynamodb_with(front, errors), key)
    assert client.send_batch([page_viewed(), page_viewed()]).status == 202


@pytest.mark.parametrize("events", [1, 3])
def test_an_answer_that_dynamodb_lost_is_no_duplicate(front: Front, key: str, events: int) -> None:
    """The first try was carried out, its answer timed out, and the client tried again."""
    real = front.lab.client("dynamodb")

    class Twice(Failing):
        def __getattr__(self, name: str) -> Any:
            effect = getattr(self._inner, name)
            if name not in ("put_item", "transact_write_items"):
                return effect

            def called(**arguments: Any) -> Any:
                if name not in self._errors:
                    self._errors[name] = []
                    effect(**arguments)
                return effect(**arguments)

            return called

    client = Twice(real, {})
    change: Change = lambda env: replace(  # noqa: E731
        env, idempotency=Idempotency(front.settings, lambda: client, Parallel())
    )
    sender = front.with_environment(change, key)
    batch = [page_viewed() for _ in range(events)]
    answer = sender.send(batch[0]) if events == 1 else sender.send_batch(batch)
    assert answer.status == 202
    assert answer.json().get("status", "accepted") == "accepted"
    assert queued(front) == 1


@pytest.mark.parametrize("events", [1, 30])
def test_a_mark_that_fails_is_accepted_all_the_same(front: Front, key: str, events: int) -> None:
    def fail(*_: Any) -> list[str]:
        return ["throttled"]

    class Unmarked:
        def __init__(self, inner: Any) -> None:
            self.claim, self.release, self.accept = inner.claim, inner.release, fail

    change: Change = lambda env: replace(env, idempotency=Unmarked(env.idempotency))  # noqa: E731
    client = front.with_environment(change, key)
    batch = [page_viewed() for _ in range(events)]
    assert client.send_batch(batch).json()["accepted"] == events
    ahead = LEASE_SECONDS + 1

    def later(env: Environment) -> Environment:
        return replace(env, now=lambda: Environment.of(front.settings).now() + ahead)

    retry = front.with_environment(later, key).send_batch(batch)
    assert retry.json()["accepted"] == events
    assert queued(front) == 1, "SQS knew the message"


def test_marks_that_are_taken_in_part_are_sent_again(front: Front, key: str) -> None:
    real = front.lab.client("dynamodb")
    calls: list[int] = []

    class Half(Failing):
        def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> Any:
            [(table, requests)] = RequestItems.items()
            calls.append(len(requests))
            taken = requests[: max(1, len(requests) // 2)]
            self._inner.batch_write_item(RequestItems={table: taken})
            return {"UnprocessedItems": {table: requests[len(taken) :]}}

    client = Half(real, {})
    change: Change = lambda env: replace(  # noqa: E731
        env, idempotency=Idempotency(front.settings, lambda: client, Parallel())
    )
    batch = [page_viewed() for _ in range(4)]
    assert front.with_environment(change, key).send_batch(batch).status == 202
    assert calls == [4, 2, 1]
    assert front.client(key).send_batch(batch).json()["duplicate"] == 4


@pytest.mark.parametrize("how", ["throttled", "away", "lost"])
@pytest.mark.parametrize("events", [1, 3])
def test_sqs_that_does_not_take_it_defers_and_lets_go(
    front: Front, key: str, how: str, events: int
) -> None:
    errors: dict[str, Exception] = {
        "throttled": throttled(front.lab.client("sqs"), "send_message_batch", "RequestThrottled"),
        "away": AWAY,
        "lost": ReadTimeoutError(endpoint_url="https://sqs"),
    }
    client = front.with_environment(sqs_with(front, {"send_message_batch": [errors[how]]}), key)
    batch = [page_viewed() for _ in range(events)]
    send: Callable[[Client], Any] = lambda c: (  # noqa: E731
        c.send(batch[0]) if events == 1 else c.send_batch(batch)
    )
    assert is_deferred(send(client))
    assert queued(front) == 0
    retry = send(client)
    assert retry.status == 202, "the claim was given back: no lease to wait for"
    assert queued(front) == 1


def test_sqs_may_take_half_of_a_batch(front: Front, key: str) -> None:
    real = front.lab.client("sqs")

    class Half(Failing):
        def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> Any:
            if self._errors.pop("once", None) is None:
                return self._inner.send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
            answer = self._inner.send_message_batch(QueueUrl=QueueUrl, Entries=Entries[:1])
            failed = {"Id": Entries[1]["Id"], "Code": "InternalError", "SenderFault": False}
            return answer | {"Failed": [failed]}

    sqs = Half(real, {"once": []})
    change: Change = lambda env: replace(env, send=IngestQueue(front.settings, sqs).send)  # noqa: E731
    client = front.with_environment(change, key)
    paid = openapi_document(front.lab.registry)["paths"]["/v1/streams/billing/events"]["post"]
    billing = paid["requestBody"]["content"]["application/cloudevents+json"]["example"]
    batch = [page_viewed(), billing, page_viewed()]  # a message for each stream
    answer = client.send_batch(batch)
    assert answer.status == 207 and int(answer.headers["retry-after"]) >= 1
    assert [r["status"] for r in answer.json()["results"]] == ["accepted", "deferred", "accepted"]
    retry = client.send_batch(batch).json()
    assert [r["status"] for r in retry["results"]] == ["duplicate", "accepted", "duplicate"]
    assert queued(front) == 2


def test_what_cannot_be_kept_is_not_rejected_yet(front: Front, key: str) -> None:
    errors: dict[str, list[Exception]] = {"send_message_batch": [AWAY, AWAY, AWAY]}
    client = front.with_environment(sqs_with(front, errors), key)
    assert is_deferred(client.post(b"{"))
    assert is_deferred(client.send(page_viewed(data={})))
    assert is_deferred(client.send_batch([page_viewed(data={})]))
    assert client.send(page_viewed(data={})).status == 422
    assert len(received(front.settings, front.settings.failed_queue)) == 1


def test_s3_that_is_away_defers_what_is_large(front: Front, key: str) -> None:
    class Away:
        def __init__(self, inner: Any) -> None:
            self.uri_prefix = inner.uri_prefix

        def put(self, *_: Any) -> str:
            raise AwsError("Writing failed: AWS cannot be reached.")

    change: Change = lambda env: replace(env, payloads=Away(env.payloads))  # noqa: E731
    client = front.with_environment(change, key)
    big = page_viewed(data=page_viewed()["data"] | {"note": "x" * 1_100_000})
    assert is_deferred(client.send(big))
    answer = client.send_batch([page_viewed(), big])
    assert [r["status"] for r in answer.json()["results"]] == ["accepted", "deferred"]
    assert front.client(key).send(big).status == 202


def test_an_error_that_nobody_foresaw_is_a_problem_too(
    front: Front, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(messages: Sequence[Any]) -> list[str | None]:
        raise ZeroDivisionError("unforeseen")

    client = front.with_environment(lambda env: replace(env, send=fail), key)
    answer = client.send(page_viewed())
    assert answer.status == 500 and answer.problem["reason"] == "internal"
    assert "unforeseen" not in answer.body.decode()
