"""What a client sees, against the laptop's AWS."""

from __future__ import annotations

import json
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from minilab.bus.failed_queue import decode
from minilab.bus.ingest_queue import MAX_INLINE_BYTES, Origin
from minilab.events.formats import MAX_EVENT_BYTES, open_message
from minilab.ingest.openapi import openapi_document
from minilab.ingest.problems import KINDS
from minilab.lake.claims import Claims
from minilab.tenants import Tenants
from minilab.tenants.keys import new_key
from tests.ingest.client import (
    BATCHED,
    STRUCTURED,
    Client,
    new_tenant,
    page_viewed,
    received,
)
from tests.ingest.conftest import Front

WEBHOOKS = "/v1/streams/webhooks/events"


@pytest.fixture(autouse=True)
def empty_queues(front: Front) -> None:
    received(front.settings, front.settings.ingest_queue)
    received(front.settings, front.settings.failed_queue)


def queued(front: Front) -> list[tuple[Origin, list[dict[str, Any]]]]:
    """What is in the ingest queue: each message's origin and events."""
    found = []
    for message in received(front.settings, front.settings.ingest_queue):
        attributes = {n: a["StringValue"] for n, a in message["MessageAttributes"].items()}
        origin = Origin.from_attributes(attributes)
        assert message["Attributes"]["MessageGroupId"] == origin.tenant
        events = open_message(message["Body"].encode()).events
        found.append((origin, [json.loads(event) for event in events]))
    return found


def failed(front: Front) -> list[Any]:
    claims = Claims(front.settings)
    messages = received(front.settings, front.settings.failed_queue)
    return [decode(message["Body"].encode(), claims) for message in messages]


def test_an_event_is_accepted_once(front: Front) -> None:
    tenant, key = new_tenant(front.settings)
    event = page_viewed()
    first = Client(front.handler, key).post(json.dumps(event).encode(), user_agent="sdk/1.0")
    assert first.status == 202
    assert first.json() == {
        "status": "accepted",
        "id": event["id"],
        "source": event["source"],
        "type": event["type"],
        "stream": "product",
        "received_at": first.json()["received_at"],
    }
    again = Client(front.handler, key).send(event)
    assert again.status == 202
    assert again.json() == first.json() | {"status": "duplicate"}

    [(origin, events)] = queued(front)
    assert events == [event | {"tenant": tenant}]
    assert (origin.stream, origin.tenant, origin.user_agent) == ("product", tenant, "sdk/1.0")
    assert origin.received_at == first.json()["received_at"]


def test_what_was_sent_travels_byte_for_byte(front: Front, client: Client) -> None:
    tenant, key = new_tenant(front.settings)
    text = json.dumps(page_viewed(tenant=tenant), indent=3).replace("u1", "\\u0075\\u0031")
    assert Client(front.handler, key).post(text.encode()).status == 202
    [message] = received(front.settings, front.settings.ingest_queue)
    assert message["Body"] == text


def test_a_batch_is_answered_event_by_event(front: Front, client: Client) -> None:
    good, other = page_viewed(), page_viewed(id="same", source="/batch")
    billing = page_viewed(
        type="billing.payment_failed.v1",
        data={"invoice_id": "i", "amount_cents": -1},
    )
    batch = [good, page_viewed(type="product.nope.v1"), other, 7, billing, other]
    answer = client.send_batch(batch)

    assert answer.status == 207, answer.body
    document = answer.json()
    assert {s: document[s] for s in ("accepted", "duplicate", "rejected", "deferred")} == {
        "accepted": 2,
        "duplicate": 1,
        "rejected": 3,
        "deferred": 0,
    }
    results = document["results"]
    assert [r["index"] for r in results] == list(range(6))
    assert [r["status"] for r in results] == [
        *("accepted", "rejected", "accepted", "rejected", "rejected", "duplicate")
    ]
    reasons = [r["problem"]["reason"] for r in results if "problem" in r]
    assert reasons == ["unknown_type", "not_an_event", "contract_violation"]
    assert len(results[4]["problem"]["violations"]) > 1, "every broken rule is named"

    [(origin, events)] = queued(front)
    assert [e["id"] for e in events] == [good["id"], "same"]
    records = {record.item: record for record in failed(front)}
    assert set(records) == {1, 3, 4}
    assert records[3].body == b"7" and records[3].stream == "unrouted"
    assert json.loads(records[4].body) == billing
    assert {r.tenant for r in records.values()} == {origin.tenant}
    assert {(r.stage, r.bus, r.shard) for r in records.values()} == {
        ("ingest", "api", "POST /v1/events")
    }
    assert {r.position for r in records.values()} == {origin.request_id}

    again = client.send_batch([good, other])
    assert again.status == 202 and again.json()["duplicate"] == 2
    assert again.json()["results"][0]["received_at"] == results[0]["received_at"]
    assert queued(front) == []


def test_a_batch_of_a_hundred_goes_in_one_message(front: Front, client: Client) -> None:
    batch = [page_viewed() for _ in range(100)]
    answer = client.send_batch(batch)
    assert answer.status == 202 and answer.json()["accepted"] == 100
    [(_, events)] = queued(front)
    assert [e["id"] for e in events] == [e["id"] for e in batch]


def test_streams_of_a_batch_get_messages_of_their_own(front: Front, client: Client) -> None:
    document = openapi_document(front.lab.registry)
    post = document["paths"]["/v1/streams/billing/events"]["post"]
    paid = post["requestBody"]["content"][STRUCTURED]["example"]
    answer = client.send_batch([page_viewed(), paid, page_viewed()])
    assert answer.status == 202, answer.body
    sizes = {origin.stream: len(events) for origin, events in queued(front)}
    assert sizes == {"product": 2, "billing": 1}


def test_the_same_id_with_other_content_is_a_conflict(front: Front, client: Client) -> None:
    event = page_viewed()
    assert client.send(event).status == 202
    other = event | {"data": event["data"] | {"path": "/other"}}
    answer = client.send(other)
    assert answer.status == 409 and answer.problem["reason"] == "conflict"
    assert "retry-after" not in answer.headers
    assert client.send(event).json()["status"] == "duplicate"
    [record] = failed(front)
    assert json.loads(record.body) == other and record.reason == "conflict"
    twice = client.send_batch([page_viewed(id="x"), page_viewed(id="x", subject="other")])
    assert [r["status"] for r in twice.json()["results"]] == ["accepted", "rejected"]
    assert twice.json()["results"][1]["problem"]["reason"] == "conflict"


def test_the_sdk_is_a_client_in_every_mode(front: Front, client: Client) -> None:
    def event(**attributes: str) -> CloudEvent:
        named = {"type": "product.page_viewed.v1", "source": "/sdk", **attributes}
        return CloudEvent(named, page_viewed()["data"])

    json_type = {"datacontenttype": "application/json"}
    messages = [
        to_structured(event(), JSONFormat()),
        to_binary(event(**json_type), JSONFormat()),
        to_binary(event(subject="Euro € 😀"), JSONFormat()),
    ]
    for message in messages:
        answer = client.request("POST", "/v1/events", message.headers, message.body)
        assert answer.status == 202, answer.body
    format = JSONFormat()
    batch = b"[" + b",".join(format.write(event()) for _ in range(3)) + b"]"
    assert client.post(batch, BATCHED).json()["accepted"] == 3
    events = [event for _, some in queued(front) for event in some]
    assert len(events) == 6
    assert {e["data"]["path"] for e in events} == {"/"}
    assert events[2]["subject"] == "Euro € 😀"


def test_a_stream_without_contracts_takes_anything_by_its_path(front: Front) -> None:
    tenant, key = new_tenant(front.settings)
    client = Client(front.handler, key)
    headers = {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "hook-1",
        "ce-source": "https://github.com/acme",
        "ce-type": "com.github.push",
    }
    answer = client.request("POST", WEBHOOKS, headers, b'{"ref": "main", "ref": "twice"}')
    assert answer.status == 202 and answer.json()["stream"] == "webhooks"
    binary = client.request(
        "POST", WEBHOOKS, headers | {"ce-id": "2", "content-type": "image/png"}, b"\x89PNG"
    )
    assert binary.status == 202, binary.body
    [(_, [first]), (_, [second])] = queued(front)
    assert first["tenant"] == tenant and first["data"] == {"ref": "twice"}
    assert second["data_base64"] == b64encode(b"\x89PNG").decode()

    by_type = client.request("POST", "/v1/events", headers | {"ce-id": "3"}, b"{}")
    assert by_type.problem["reason"] == "unknown_type"
    assert WEBHOOKS in by_type.problem["detail"]
    foreign = client.send(page_viewed(), WEBHOOKS)
    assert foreign.problem["reason"] == "wrong_stream"
    assert client.send(page_viewed(), "/v1/streams/product/events").status == 202


@pytest.mark.parametrize("kind", ["data", "data_base64"])
def test_a_large_payload_is_claimed(front: Front, kind: str) -> None:
    tenant, key = new_tenant(front.settings)
    client = Client(front.handler, key)
    event = page_viewed(type="com.example.big", data=..., subject=kind)
    payload: Any = {"text": "x" * MAX_INLINE_BYTES}
    event[kind] = payload if kind == "data" else b64encode(b"\x00" * 900_000).decode()
    text = json.dumps(event).encode()
    answer = client.post(text, path=WEBHOOKS)
    assert answer.status == 202, answer.body
    assert client.post(text, path=WEBHOOKS).json()["status"] == "duplicate"

    [(_, [travelling])] = queued(front)
    uri = travelling.pop("dataref")
    assert travelling == {k: v for k, v in event.items() if k != kind} | {"tenant": tenant}
    how, content = Claims(front.settings).get(tenant, uri)
    assert how == ("json" if kind == "data" else "base64")
    assert (json.loads(content) if kind == "data" else content.decode()) == event[kind]


def test_large_events_of_a_batch_travel_beside_small_ones(front: Front, client: Client) -> None:
    big = page_viewed(data=page_viewed()["data"] | {"note": "x" * MAX_INLINE_BYTES})
    half = [page_viewed(subject="x" * 60_000) for _ in range(20)]
    answer = client.send_batch([half[0], big, *half[1:]])
    assert answer.status == 202, answer.body[:1000]
    messages = queued(front)
    assert len(messages) == 2, "1.2 MB of events do not fit into one message"
    events = [event for _, some in messages for event in some]
    assert [e["id"] for e in events] == [half[0]["id"], big["id"], *(e["id"] for e in half[1:])]
    assert ["dataref" in e for e in events].count(True) == 1


def test_sizes_have_their_limits(front: Front, client: Client) -> None:
    too_much = client.post(b"x" * (6 * 1024 * 1024 + 1))
    assert too_much.status == 413
    assert failed(front) == [], "not even looked at"
    event = json.dumps(page_viewed(data=page_viewed()["data"] | {"n": "x" * MAX_EVENT_BYTES}))
    assert client.post(event.encode()).status == 413
    [record] = failed(front)
    assert record.body == event.encode() and record.reason == "too_large"
    envelope = client.send(page_viewed(subject="x" * 70_000))
    assert envelope.status == 413 and "Without its data" in envelope.problem["detail"]
    many = client.send_batch([page_viewed()] * 1001)
    assert many.status == 413 and "1,000" in many.problem["detail"]


@pytest.mark.parametrize(
    ("content_type", "body", "status", "reason"),
    [
        (STRUCTURED, b"", 400, "empty_message"),
        (STRUCTURED, b"{", 400, "not_json"),
        (STRUCTURED, b"\xff", 400, "not_utf8"),
        (STRUCTURED, b"[" * 5000, 400, "too_deep"),
        (STRUCTURED, b"[]", 400, "not_an_event"),
        (STRUCTURED, b"null", 400, "not_an_event"),
        (BATCHED, b"[]", 400, "empty_batch"),
        (BATCHED, b"{}", 400, "not_json"),
        ("application/json", b"{}", 400, "not_an_event"),
        (None, b"", 400, "not_an_event"),
        ("application/cloudevents+xml", b"<event/>", 415, "unsupported_media_type"),
        (STRUCTURED, b"{}", 422, "missing_attribute"),
        (STRUCTURED, b'{"specversion":"0.3"}', 422, "unsupported_specversion"),
        (STRUCTURED, b'{"id":"1","id":"2"}', 422, "duplicate_key"),
    ],
)
def test_what_cannot_be_read_is_told_and_kept(
    front: Front, client: Client, content_type: str | None, body: bytes, status: int, reason: str
) -> None:
    answer = client.post(body, content_type)
    assert (answer.status, answer.problem["reason"]) == (status, reason), answer.body
    assert answer.problem["type"] == f"/problems/{reason.replace('_', '-')}"
    assert answer.problem["title"] == KINDS[reason].title
    records = failed(front)
    if status == 415:
        assert answer.headers["accept"] == f"{STRUCTURED}, {BATCHED}"
        assert records == []
    else:
        assert [(r.body, r.reason) for r in records] == [(body, reason)]
        assert "authorization" not in records[0].headers
    assert queued(front) == []


def test_a_malformed_binary_request_keeps_its_headers(front: Front, client: Client) -> None:
    headers = {"ce-id": "%zz", "ce-source": "/a", "content-type": "application/json"}
    answer = client.request("POST", "/v1/events", headers, b"{}")
    assert answer.problem["reason"] == "malformed_binding"
    [record] = failed(front)
    assert record.headers == headers and record.body == b"{}"


@pytest.mark.parametrize("name", ["receivedat", "tenantplan", "tenantregion", "useragent"])
def test_what_the_platform_sets_is_left_to_it(client: Client, name: str) -> None:
    for value in ("x", None):
        answer = client.send(page_viewed(**{name: value}))
        assert answer.status == 422 and answer.problem["reason"] == "reserved_attribute"
        assert answer.problem["violations"][0]["path"] == f"/{name}"


def test_a_tenant_that_is_null_is_set(front: Front) -> None:
    tenant, key = new_tenant(front.settings)
    assert Client(front.handler, key).send(page_viewed(tenant=None)).status == 202
    [(_, [event])] = queued(front)
    assert event["tenant"] == tenant


# Keys and tenants --------------------------------------------------------------------------------


def test_a_key_is_needed(front: Front) -> None:
    tenant, key = new_tenant(front.settings)
    text, _ = new_key(tenant, "2026-01-31T00:00:00Z")
    wrong_secret = key[:-1] + ("A" if key[-1] != "A" else "B")
    for bad in (None, "x", text, wrong_secret, key + "x"):
        answer = Client(front.handler, bad).send(page_viewed())
        assert answer.status == 401 and answer.problem["reason"] == "unauthenticated"
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith("Bearer")
        assert ("invalid_token" in challenge) == (bad is not None)
    basic = Client(front.handler).post(b"{}", authorization=f"Basic {key}")
    assert basic.status == 401
    assert Client(front.handler).post(b"{}", authorization=f"bearer  {key}").status == 422
    assert queued(front) == [] and len(failed(front)) == 1


def test_expired_revoked_and_suspended(front: Front) -> None:
    store = Tenants(front.settings)
    tenant, old = new_tenant(front.settings)
    new, key = new_key(tenant, "2026-01-31T00:00:00Z")
    store.rotate(tenant, key, now=0, old_until=1)
    assert Client(front.handler, old).send(page_viewed()).status == 401, "expired"
    newest, key = new_key(tenant, "2026-01-31T00:00:00Z")
    store.rotate(tenant, key, now=0, old_until=0)
    assert Client(front.handler, new).send(page_viewed()).status == 401, "revoked"
    store.change(tenant, status="suspended")
    answer = Client(front.handler, newest).send(page_viewed())
    assert answer.status == 403 and answer.problem["reason"] == "suspended"


def test_no_tenant_can_speak_for_another(front: Front) -> None:
    (name, key), (other, _) = (new_tenant(front.settings) for _ in range(2))
    client = Client(front.handler, key)
    answer = client.send(page_viewed(tenant=other))
    assert answer.status == 403 and answer.problem["reason"] == "wrong_tenant"
    batch = client.send_batch([page_viewed(tenant=other), page_viewed(tenant=name)])
    assert [r["status"] for r in batch.json()["results"]] == ["rejected", "accepted"]
    assert {r.tenant for r in failed(front)} == {name}, "kept as what it is: the sender's"
    assert all(origin.tenant == name for origin, _ in queued(front))

    uri = Claims(front.settings).put(other, b'{"secret":1}', "json")
    theirs = client.send(page_viewed(type="com.x", dataref=uri, data=...), WEBHOOKS)
    assert theirs.status == 422 and theirs.problem["reason"] == "reserved_attribute"
    own = client.send(
        page_viewed(type="com.x", dataref="https://example.com/1", data=...), WEBHOOKS
    )
    assert own.status == 202


def test_the_same_id_in_two_tenants_is_two_events(front: Front) -> None:
    event = page_viewed()
    clients = [front.client(), front.client()]
    assert [c.send(event).json()["status"] for c in clients] == ["accepted", "accepted"]
    changed = event | {"subject": "mine"}
    third = front.client()
    assert third.send(changed).json()["status"] == "accepted", "no conflict with others' events"
    assert len({origin.tenant for origin, _ in queued(front)}) == 3


def test_streams_are_a_tenants_own(front: Front) -> None:
    _, key = new_tenant(front.settings, streams=("webhooks",))
    client = Client(front.handler, key)
    answer = client.send(page_viewed())
    assert answer.status == 403 and answer.problem["reason"] == "forbidden_stream"
    assert client.send(page_viewed(), "/v1/streams/product/events").status == 403
    assert client.send(page_viewed(type="com.x"), WEBHOOKS).status == 202
    assert client.send(page_viewed(), "/v1/streams/nope/events").status == 404


# Limits ------------------------------------------------------------------------------------------


def test_a_tenants_limit_is_its_own(front: Front) -> None:
    _, key = new_tenant(front.settings, rate=2)
    client = Client(front.handler, key)
    statuses = [client.send(page_viewed()).status for _ in range(40)]
    over = [status for status in statuses if status == 429]
    assert statuses.count(202) in range(20, 41) and set(statuses) <= {202, 429}
    if over:  # unless a window ended just then
        answer = client.send_batch([page_viewed()] * 20)
        assert answer.status == 429 and 1 <= int(answer.headers["retry-after"]) <= 10
        assert answer.problem["reason"] == "rate_limited"
    assert front.client().send(page_viewed()).status == 202, "another tenant is not touched"
    assert len(queued(front)) == statuses.count(202) + 1
    too_large = client.send_batch([page_viewed()] * 21)
    assert too_large.status == 413, "no waiting will make room for it"


# One at a time -----------------------------------------------------------------------------------


def test_of_many_at_once_one_is_sent(front: Front, client: Client) -> None:
    event = page_viewed()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.send(event), range(24)))
    told = [a.json()["status"] if a.status == 202 else a.problem["reason"] for a in answers]
    assert told.count("accepted") == 1 and set(told) <= {"accepted", "duplicate", "in_progress"}
    waits = [a.headers["retry-after"] for a in answers if a.status == 409]
    assert all(1 <= int(wait) <= 10 for wait in waits)
    assert len(queued(front)) == 1
    assert client.send(event).json()["status"] == "duplicate"


def test_of_many_batches_at_once_each_event_is_sent_once(front: Front, client: Client) -> None:
    events = [page_viewed(id=f"{uuid4().hex[:8]}-{n}") for n in range(30)]
    batches = [events[:20], events[10:], events[5:25], list(reversed(events))]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(client.send_batch, batches))
    statuses = [r["status"] for a in answers for r in a.json()["results"]]
    assert set(statuses) <= {"accepted", "duplicate", "deferred"}
    assert statuses.count("accepted") <= 30
    for _ in range(20):
        answer = client.send_batch(events)
        if answer.json()["deferred"] == 0:
            break
    assert answer.status == 202
    ids = [event["id"] for _, some in queued(front) for event in some]
    assert sorted(ids) == sorted(e["id"] for e in events)


# Beside the way of events ------------------------------------------------------------------------


def test_what_there_is_to_read(front: Front) -> None:
    client = Client(front.handler)
    assert client.get("/v1/health").json() == {"status": "ok"}
    contracts = client.get("/v1/contracts").json()
    assert {s["name"] for s in contracts["streams"]} == set(front.lab.registry.streams)
    for entry in contracts["contracts"]:
        schema = client.get(entry["href"])
        assert schema.headers["content-type"] == "application/schema+json"
        assert schema.json() == front.lab.registry.contracts[entry["type"]].schema
    assert client.get("/v1/contracts/nope.nope.v1").status == 404
    head = client.request("HEAD", "/v1/health")
    assert head.status == 200 and head.body == b""


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/events", "POST"),
        ("DELETE", "/v1/streams/product/events", "POST"),
        ("POST", "/v1/health", "GET, HEAD"),
        ("PATCH", "/v1/contracts/x", "GET, HEAD"),
    ],
)
def test_other_methods_are_told_which_there_are(
    front: Front, method: str, path: str, allow: str
) -> None:
    answer = Client(front.handler).request(method, path)
    assert answer.status == 405 and answer.headers["allow"] == allow
    assert answer.problem["reason"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/events/", "/v2/events", "/v1/streams//events"])
def test_elsewhere_there_is_nothing(front: Front, path: str) -> None:
    answer = Client(front.handler).request("POST", path)
    assert answer.status == 404 and answer.problem["reason"] == "not_found"
