"""What travels: SQS messages, the ingest queue, the failed queue, claims."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from minilab import aws
from minilab.bus import failed_queue
from minilab.bus.failed_queue import FailedQueue, FailedRecord
from minilab.bus.ingest_queue import (
    MAX_INLINE_BYTES,
    IngestMessage,
    IngestQueue,
    Origin,
    in_messages,
    size_in_message,
)
from minilab.bus.message import as_sqs_json, body_of, calls, headers_of, sqs_entry
from minilab.bus.publisher import MAX_MESSAGE_BYTES
from minilab.events.failures import Violation
from minilab.events.formats import open_message
from minilab.events.registry import load_registry
from minilab.lake.claims import ClaimError, Claims
from minilab.provision import resources
from minilab.settings import Settings

HEADERS = st.dictionaries(
    st.from_regex(r"[a-z][a-z-]{0,20}", fullmatch=True).filter(lambda n: n != "content-encoding"),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=40),
    max_size=8,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def strings(attributes: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in attributes.items()}


@given(body=st.binary(max_size=300) | st.text().map(str.encode), headers=HEADERS)
def test_any_body_and_headers_come_back(body: bytes, headers: dict[str, str]) -> None:
    entry = sqs_entry(body, headers)
    attributes = strings(entry.attributes)
    decoded = body_of(entry.text, attributes)
    back = headers_of(attributes, decoded=decoded is not None)
    if body:
        assert (entry.text.encode() if decoded is None else decoded) == body
        assert back == headers
    else:
        assert open_nothing(decoded, back)
    assert entry.text, "SQS takes no empty body"
    size = len(entry.text.encode()) + sum(
        len(name.encode()) + len(value.encode()) + 6 for name, value in attributes.items()
    )
    assert entry.size == size


def open_nothing(body: bytes | None, headers: Any) -> bool:
    import gzip

    assert body is not None
    return headers["content-encoding"] == "gzip" and gzip.decompress(body) == b""


@given(JSON)
def test_json_for_sqs_is_the_same_json_and_plain_text(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")
    if b"\xed" in text and not _is_utf8(text):
        return  # a lone surrogate: no JSON text holds it unescaped
    safe = as_sqs_json(text)
    assert json.loads(safe) == value
    assert body_of(*_text_and_attributes(safe)) is None, "it travels as it is"
    assert size_in_message(text) == len(safe)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text_and_attributes(body: bytes) -> tuple[str, dict[str, str]]:
    entry = sqs_entry(body, {})
    return entry.text, strings(entry.attributes)


@given(st.lists(st.integers(1, MAX_MESSAGE_BYTES), max_size=60))
def test_calls_are_within_the_limits_and_lose_nothing(sizes: list[int]) -> None:
    made = list(calls(sizes))
    assert [index for call in made for index in call] == list(range(len(sizes)))
    for call in made:
        assert 1 <= len(call) <= 10
        assert sum(sizes[i] for i in call) <= MAX_MESSAGE_BYTES
    for before, after in pairwise(made):
        full = len(before) == 10
        assert full or sum(sizes[i] for i in before) + sizes[after[0]] > MAX_MESSAGE_BYTES


SIZES = st.integers(1, 3000) | st.integers(MAX_INLINE_BYTES // 3, MAX_INLINE_BYTES)


@given(st.lists(SIZES, max_size=40))
def test_messages_are_within_the_limit_with_their_brackets(sizes: list[int]) -> None:
    made = list(in_messages(sizes))
    assert [index for message in made for index in message] == list(range(len(sizes)))
    for message in made:
        assert len(message) == 1 or _packed(sizes, message) <= MAX_INLINE_BYTES
    for before, after in pairwise(made):
        assert _packed(sizes, [*before, after[0]]) > MAX_INLINE_BYTES


def _packed(sizes: list[int], message: list[int]) -> int:
    return sum(sizes[i] for i in message) + len(message) - 1 + 2


def origin(**changes: Any) -> Origin:
    values: dict[str, Any] = {
        "stream": "product",
        "tenant": "acme",
        "received_at": "2026-01-31T17:00:00.000Z",
        "request_id": "r-1",
        "user_agent": None,
    }
    return Origin(**{**values, **changes})


@given(st.none() | st.text())
def test_an_origin_comes_back_with_a_user_agent_that_an_attribute_can_hold(
    agent: str | None,
) -> None:
    attributes = origin(user_agent=agent).as_attributes()
    assert all(0 < len(value) <= 256 for value in attributes.values())
    back = Origin.from_attributes(attributes)
    expected = "".join(c for c in agent or "" if " " <= c <= "~")[:256] or None
    assert back == origin(user_agent=expected)


@given(st.lists(JSON, min_size=1, max_size=5), st.sampled_from(["", "\ufffe", "\uffff\ufffe"]))
def test_the_events_of_an_ingest_message_come_back(values: list[Any], odd: str) -> None:
    events = tuple(
        json.dumps({"v": value, "odd": odd}, ensure_ascii=False).encode(errors="replace")
        for value in values
    )
    entry = IngestMessage(origin(), events, "d").entry()
    assert body_of(entry.text, strings(entry.attributes)) is None
    opened = open_message(entry.text.encode()).events
    assert [json.loads(event) for event in opened] == [json.loads(event) for event in events]


def test_the_fullest_message_with_the_most_odd_characters_is_one_that_sqs_takes() -> None:
    event = b'{"x":"' + "\uffff".encode() * 150_000 + b'"}'
    assert size_in_message(event) == len(event) + 3 * 150_000
    events = [event] * 3
    for message in in_messages(map(size_in_message, events)):
        some = tuple(events[i] for i in message)
        agent = "a" * 1000
        entry = IngestMessage(origin(user_agent=agent, tenant="t" * 64), some, "d").entry()
        assert entry.size <= MAX_MESSAGE_BYTES


# Sending -------------------------------------------------------------------------------------


@pytest.fixture
def queues(settings: Settings) -> Settings:
    registry = load_registry()
    for resource in resources(settings, registry):
        if resource.kind == "bucket" or (
            resource.kind == "queue"
            and resource.name
            in (settings.ingest_queue, settings.ingest_dead_letter_queue, settings.failed_queue)
        ):
            resource.supply()
    return settings


class Partly:
    """An SQS client whose calls fail in part, or altogether, as told; None: not at all."""

    def __init__(self, settings: Settings, failures: list[Any]) -> None:
        self.sqs, self.failures = aws.client("sqs", settings), failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sqs, name)

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, Exception):
            raise failure
        bad = failure or {}
        good = [entry for entry in Entries if entry["Id"] not in bad]
        if good:
            self.sqs.send_message_batch(QueueUrl=QueueUrl, Entries=good)
        return {"Failed": [{"Id": i, "Code": code, "Message": "no"} for i, code in bad.items()]}


def received(settings: Settings, queue: str) -> Iterator[dict[str, Any]]:
    sqs = aws.client("sqs", settings)
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    while batch := sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=0,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["MessageGroupId"],
    ).get("Messages"):
        for message in batch:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            yield message


def test_the_ingest_queue_says_of_each_message_whether_it_was_taken(queues: Settings) -> None:
    messages = [
        IngestMessage(origin(tenant=f"t{n}"), (f'{{"n":{n}}}'.encode(),), f"d{n}")
        for n in range(25)
    ]
    throttled = ClientError({"Error": {"Code": "RequestThrottled", "Message": "slow"}}, "Send")
    sqs = Partly(queues, [{"3": "InternalError", "9": "InternalError"}, throttled, None])
    why = IngestQueue(queues, sqs).send(messages)
    refused = [n for n, problem in enumerate(why) if problem is not None]
    assert refused == [3, 9, *range(10, 20)]
    assert why[3] == "InternalError: no" and "RequestThrottled" in str(why[10])
    taken = list(received(queues, queues.ingest_queue))
    assert {m["Attributes"]["MessageGroupId"] for m in taken} == {
        f"t{n}" for n in range(25) if n not in refused
    }
    for message in taken:
        found = Origin.from_attributes(strings(message["MessageAttributes"]))
        assert found.tenant == message["Attributes"]["MessageGroupId"]


def record(**changes: Any) -> FailedRecord:
    values: dict[str, Any] = {
        "stage": "processing",
        "stream": "product",
        "reason": "not_json",
        "violations": (Violation("/data", "json", "It is not."),),
        "body": b"\x00\xff{",
        "bus": "sqs",
        "shard": "minilab-x-ingest.fifo",
        "position": "m-1",
        "item": 3,
        "published_ms": 1_700_000_000_000,
        "headers": {"request-id": "r"},
        "tenant": "acme",
    }
    return FailedRecord(**{**values, **changes})


class NoClaims:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError("nothing here is to be claimed")


@given(
    body=st.binary(max_size=400),
    name=st.none() | st.text(st.characters(codec="utf-8"), max_size=30),
    item=st.integers(0, 2**31 - 1),
    violations=st.lists(
        st.builds(Violation, *[st.text(st.characters(codec="utf-8"), max_size=30)] * 3), max_size=4
    ),
)
def test_any_failed_record_comes_back(
    body: bytes, name: str | None, item: int, violations: list[Violation]
) -> None:
    before = record(body=body, id=name, type=name, item=item, violations=tuple(violations))
    text = failed_queue.encode(before, NoClaims())  # type: ignore[arg-type]
    assert body_of(*_text_and_attributes(text)) is None
    assert failed_queue.decode(text, NoClaims()) == before  # type: ignore[arg-type]


def test_the_largest_failed_record_is_one_that_sqs_takes(queues: Settings) -> None:
    body = secrets.token_bytes(3_000_000)
    hostile = record(
        body=body,
        id="\ud800" * 1_000_000,
        tenant="../" * 500_000,
        violations=tuple(Violation(f"/{n}", "r", "\uffff" * 1500) for n in range(5000)),
    )
    plain = record(body=body)
    inline = record(body=body[: 512 * 1024], tenant="\ud800")
    assert FailedQueue(queues).send([hostile, plain, inline]) == [None, None, None]
    claims = Claims(queues)
    found = [
        failed_queue.decode(message["Body"].encode(), claims)
        for message in received(queues, queues.failed_queue)
    ]
    assert len(found) == 3
    back = next(r for r in found if r.tenant and r.tenant.startswith("../"))
    assert back.body == body and back.id is not None and back.id.startswith("\ufffd")
    kept = len(back.violations) - 1
    assert kept > 10
    assert back.violations[-1] == Violation(
        "", "and-more", f"{5000 - kept:,} more rules were broken."
    )
    assert plain in found
    assert next(r for r in found if r.tenant == "\ufffd").body == inline.body


def test_a_record_whose_claim_cannot_be_stored_is_refused_alone(queues: Settings) -> None:
    aws.client("s3", queues).delete_bucket(Bucket=queues.lake_bucket)
    why = FailedQueue(queues).send([record(), record(body=b"x" * 600_000), record(item=9)])
    assert why[0] is None and why[2] is None
    assert "NoSuchBucket" in str(why[1])


# Claims --------------------------------------------------------------------------------------


def test_a_claim_comes_back_for_its_tenant_alone(queues: Settings) -> None:
    claims = Claims(queues)
    uri = claims.put("acme", b'{"a":1}', "json")
    assert uri == claims.put("acme", b'{"a":1}', "json"), "the same payload, the same name"
    assert claims.get("acme", uri) == ("json", b'{"a":1}')
    assert claims.get("acme", claims.put("acme", b"\xff", "bytes")) == ("bytes", b"\xff")
    with pytest.raises(ClaimError, match="no claim of the tenant other"):
        claims.get("other", uri)
    with pytest.raises(ClaimError, match="no claim"):
        claims.get("ac", uri)


@pytest.mark.parametrize("bad", ["", "s3://other/claims/acme/", "claims/acme/", "x" * 64 + ".json"])
def test_what_is_no_claim_is_not_even_looked_up(queues: Settings, bad: str) -> None:
    claims = Claims(queues)
    uri = claims.put("acme", b"1", "json")
    name = uri.rpartition("/")[2]
    for wrong in (bad, bad + name, uri + "x", uri.replace(".json", ".exe"), uri[:-6] + ".json"):
        with pytest.raises(ClaimError, match="is no claim of the tenant acme"):
            claims.get("acme", wrong)


def test_a_claim_that_is_gone_or_damaged_says_so(queues: Settings) -> None:
    claims, s3 = Claims(queues), aws.client("s3", queues)
    uri = claims.put("acme", b"1", "json")
    where = {"Bucket": queues.lake_bucket, "Key": uri.split("/", 3)[3]}
    s3.put_object(**where, Body=b"2")
    with pytest.raises(ClaimError, match="does not hold"):
        claims.get("acme", uri)
    s3.delete_object(**where)
    with pytest.raises(ClaimError, match="not there any more"):
        claims.get("acme", uri)
