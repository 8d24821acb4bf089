"""Failed events sent round again: which way, as whose, and what cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from minilab.bus.ingest_queue import MAX_INLINE_BYTES, Origin
from minilab.bus.message import body_of
from minilab.events.registry import UNROUTED
from minilab.failed import FailedEvent, replay
from minilab.lake.claims import Claims
from minilab.landing import land
from minilab.tenants.model import ALL_STREAMS, ApiKey, Tenant
from minilab.tenants.store import Tenants

if TYPE_CHECKING:
    from conftest import Lab

CAME = datetime(2026, 11, 24, 10, 11, 12, 345000, tzinfo=UTC)


def event(**changes: Any) -> bytes:
    whole = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/t",
        "type": "product.page_viewed.v1",
        "tenant": "acme",
        "data": {"user_id": "u", "session_id": "s", "path": "/"},
    }
    kept = {name: value for name, value in (whole | changes).items() if value is not ...}
    return json.dumps(kept).encode()


@pytest.fixture(scope="module", autouse=True)
def tenants(lab: Lab) -> None:
    create(lab, "acme", ALL_STREAMS)
    create(lab, "narrow", "billing")


def create(lab: Lab, name: str, *streams: str) -> None:
    tenant = Tenant(name, "free", "eu", "active", streams, 10, "2026-01-01T00:00:00.000Z")
    key = ApiKey(f"key-{name}", name, "0" * 64, "2026-01-01T00:00:00.000Z")
    Tenants(lab.settings).create(tenant, key)


@pytest.fixture
def failed(request: pytest.FixtureRequest) -> Callable[..., FailedEvent]:
    """Makes failed events with ids of this test's own."""
    made: list[FailedEvent] = []

    def make(**changes: Any) -> FailedEvent:
        made.append(
            replace(
                FailedEvent(
                    failed_id=f"{request.node.name}-{len(made)}",
                    stream="product",
                    stage="ingest",
                    reason="contract_violation",
                    violations=(),
                    body=event(),
                    headers={"user-agent": "test/1.0"},
                    id="e1",
                    source="/t",
                    type="product.page_viewed.v1",
                    tenant="acme",
                    bus="api",
                    shard="POST /v1/events",
                    position="request-1",
                    item=0,
                    published_at=CAME,
                    landed_at=CAME,
                    batch_id="b",
                    file="s3://…",
                ),
                **changes,
            )
        )
        return made[-1]

    return make


@pytest.fixture
def ingested(lab: Lab) -> Callable[[], list[tuple[Origin, bytes, dict[str, Any]]]]:
    """Takes all messages out of the ingest queue: origin, body, and SQS's own attributes."""

    def take() -> list[tuple[Origin, bytes, dict[str, Any]]]:
        sqs = lab.client("sqs")
        url = sqs.get_queue_url(QueueName=lab.settings.ingest_queue)["QueueUrl"]
        taken = []
        while messages := sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                attributes = {n: v["StringValue"] for n, v in message["MessageAttributes"].items()}
                body = body_of(message["Body"], attributes) or message["Body"].encode()
                taken.append((Origin.from_attributes(attributes), body, message["Attributes"]))
        return taken

    return take


@pytest.mark.parametrize("stage", ["ingest", "processing"])
def test_what_failed_before_landing_goes_through_the_ingest_queue(
    lab: Lab, failed: Any, ingested: Any, stage: str
) -> None:
    summary = replay(lab.settings, lab.registry, [failed(stage=stage)])
    assert len(summary.replayed) == 1 and not summary.refused
    ((origin, body, attributes),) = ingested()
    assert body == event()
    assert (origin.stream, origin.tenant) == ("product", "acme")
    assert origin.received_at == "2026-11-24T10:11:12.345Z", "when it came, not when it is replayed"
    assert origin.user_agent == "test/1.0"
    assert origin.request_id.startswith("replay-")
    assert attributes["MessageGroupId"] == "acme"
    land(lab.settings, lab.registry, ["product"])
    assert "e1" not in dict(_landed(lab, "data")), "it did not pass the processor by"


def test_what_failed_at_landing_goes_to_its_bus(lab: Lab, failed: Any, ingested: Any) -> None:
    at_landing = failed(stage="landing", bus="kafka", shard="topic/0", body=event(id="again"))
    assert replay(lab.settings, lab.registry, [at_landing]).replayed == (at_landing.failed_id,)
    assert ingested() == []
    assert land(lab.settings, lab.registry, ["product"]).events == 1
    assert "again" in dict(_landed(lab, "data"))


def test_each_replay_is_a_message_of_its_own(lab: Lab, failed: Any, ingested: Any) -> None:
    """SQS drops a second message of one deduplication id: two replays have two."""
    one = failed()
    assert len(replay(lab.settings, lab.registry, [one, failed()]).replayed) == 2
    assert replay(lab.settings, lab.registry, [one]).skipped == (one.failed_id,)
    assert len(replay(lab.settings, lab.registry, [one], again=True).replayed) == 1
    origins = [origin for origin, *_ in ingested()]
    assert len(origins) == len({origin.request_id for origin in origins}) == 3


def test_an_event_gets_the_tenant_that_it_lacks(lab: Lab, failed: Any, ingested: Any) -> None:
    """As the API does when it accepts one; the processor takes no event without."""
    without = [event(tenant=...), event(tenant=None), b"{}", b' { "id" : 1 } ']
    replay(lab.settings, lab.registry, [failed(body=body) for body in without])
    bodies = [json.loads(body) for _, body, _ in ingested()]
    assert bodies == [json.loads(body) | {"tenant": "acme"} for body in without]


def test_bytes_that_are_no_event_go_round_as_they_are(lab: Lab, failed: Any, ingested: Any) -> None:
    """The processor judges them, as it judges all; nothing here makes them better."""
    twice = b'{"id": "a", "id": "b", "data": {}}'
    bodies = [b"{", b"\xff\xfe", b"7", b"[" * 1000, twice]
    summary = replay(lab.settings, lab.registry, [failed(body=body) for body in bodies])
    assert len(summary.replayed) == len(bodies)
    assert [body for _, body, _ in ingested()] == bodies


def test_another_tenants_event_is_refused(lab: Lab, failed: Any, ingested: Any) -> None:
    theirs = failed(body=event(tenant="globex"), reason="wrong_tenant")
    summary = replay(lab.settings, lab.registry, [theirs, failed()])
    assert summary.refused == {theirs.failed_id: "Its tenant is 'globex', but 'acme' sent it."}
    assert [origin.tenant for origin, *_ in ingested()] == ["acme"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tenant": None}, "no tenant"),
        ({"tenant": "not a tenant/.."}, "no tenant"),
        ({"stream": UNROUTED, "type": None}, "no stream"),
        ({"stream": UNROUTED, "type": "product.no_such.v1"}, "product.no_such.v1"),
        ({"stream": "abolished", "type": "x"}, "no stream"),
        ({"reason": "reserved_attribute"}, "only the platform sets"),
        ({"reason": "conflict"}, "id of its own"),
        ({"tenant": "narrow", "reason": "forbidden_stream"}, "may not send to the stream product"),
        ({"tenant": "narrow", "stream": UNROUTED, "reason": "unknown_type"}, "may not send"),
        ({"tenant": "nobody"}, "may not send"),
        ({"body": event(tenant="N").replace(b'"N"', b"1" * 9999)}, "1111"),
        ({"reason": "claim_lost", "body": b""}, "lost"),
        ({"stage": "landing", "reason": "claim_lost", "body": b""}, "lost"),
        ({"stage": "landing", "stream": UNROUTED, "type": None}, "no stream"),
        ({"body": b"{" + b" " * MAX_INLINE_BYTES}, "bytes"),
        ({"body": event(id="x" * MAX_INLINE_BYTES)}, "bytes"),
        ({"body": event(data="x" * MAX_INLINE_BYTES, data_base64="eA==")}, "bytes"),
        ({"body": event(data="x" * MAX_INLINE_BYTES, dataref="s3://x")}, "bytes"),
    ],
)
def test_what_cannot_go_round_is_refused_with_its_reason_and_may_be_tried_again(
    lab: Lab, failed: Any, ingested: Any, changes: dict[str, Any], why: str
) -> None:
    hopeless = failed(**changes)
    for _ in range(2):
        summary = replay(lab.settings, lab.registry, [hopeless])
        assert list(summary.refused) == [hopeless.failed_id]
        assert why in summary.refused[hopeless.failed_id]
        assert not summary.replayed and not summary.skipped
    assert ingested() == []


def test_a_message_of_the_failed_queue_that_was_no_record_is_no_event(
    lab: Lab, failed: Any
) -> None:
    stray = failed(stage="landing", bus="sqs", shard=lab.settings.failed_queue, body=b"?")
    assert "failed queue" in replay(lab.settings, lab.registry, [stray]).refused[stray.failed_id]


def test_what_was_accepted_once_stays_accepted(lab: Lab, failed: Any, ingested: Any) -> None:
    body = event(tenant="narrow")
    accepted = failed(stage="processing", tenant="narrow", body=body)
    assert len(replay(lab.settings, lab.registry, [accepted]).replayed) == 1
    assert [origin.tenant for origin, *_ in ingested()] == ["narrow"]


def test_a_tenant_that_may_send_there_now(lab: Lab, failed: Any, ingested: Any) -> None:
    body = event(tenant="narrow", type="billing.invoice_paid.v1")
    allowed = failed(tenant="narrow", stream="billing", reason="forbidden_stream", body=body)
    assert len(replay(lab.settings, lab.registry, [allowed]).replayed) == 1
    assert [origin.stream for origin, *_ in ingested()] == ["billing"]


def test_a_type_that_got_a_contract_tells_the_stream(lab: Lab, failed: Any, ingested: Any) -> None:
    summary = replay(lab.settings, lab.registry, [failed(stream=UNROUTED, reason="unknown_type")])
    assert len(summary.replayed) == 1
    assert [origin.stream for origin, *_ in ingested()] == ["product"]


@pytest.mark.parametrize(
    ("payload", "content", "kind"),
    [
        ({"data": {"user_id": "ü" * 900_000}}, None, "json"),
        ({"data": ..., "data_base64": "QUJD" * 400_000}, b"QUJD" * 400_000, "base64"),
    ],
    ids=[
        "json",
        "base64",
    ],  # an id is put into the environment, which has an end
)
def test_a_payload_over_the_limit_is_claimed_again(
    lab: Lab, failed: Any, ingested: Any, payload: dict[str, Any], content: Any, kind: str
) -> None:
    whole = event(tenant=..., **payload)
    assert len(replay(lab.settings, lab.registry, [failed(body=whole)]).replayed) == 1
    ((_, body, _),) = ingested()
    travels = json.loads(body)
    uri = travels.pop("dataref")
    rest = {k: v for k, v in json.loads(whole).items() if k not in ("data", "data_base64")}
    assert travels == rest | {"tenant": "acme"}
    got = Claims(lab.settings).get("acme", uri)
    assert got[0] == kind
    assert got[1] == content if content else json.loads(got[1]) == payload["data"]


def test_a_claimed_payload_of_a_landed_failure_goes_round_whole(lab: Lab, failed: Any) -> None:
    """Larger than its bus takes since landing put the payload back: claimed, landed, whole."""
    text = "x" * 1_200_000
    large = event(id="large", type="com.example.large", data={"text": text})
    at_landing = failed(stage="landing", stream="webhooks", body=large)
    summary = replay(lab.settings, lab.registry, [at_landing])
    assert len(summary.replayed) == 1
    landed = land(lab.settings, lab.registry, ["webhooks"])
    assert (landed.events, landed.failed_events) == (1, 0)
    (data,) = [data for name, data in _landed(lab, "data") if name == "large"]
    assert json.loads(data) == {"text": text}


def test_many_of_every_way_are_counted_rightly(lab: Lab, failed: Any, ingested: Any) -> None:
    events = [
        *(failed(body=event(id=f"i{n}")) for n in range(25)),
        *(failed(stage="landing", body=event(id=f"l{n}")) for n in range(5)),
        *(failed(tenant=None) for _ in range(3)),
    ]
    summary = replay(lab.settings, lab.registry, events)
    assert (len(summary.replayed), len(summary.skipped), len(summary.refused)) == (30, 0, 3)
    again = replay(lab.settings, lab.registry, events)
    assert (len(again.replayed), len(again.skipped), len(again.refused)) == (0, 30, 3)
    assert sorted(json.loads(b)["id"] for _, b, _ in ingested()) == sorted(
        f"i{n}" for n in range(25)
    )


def test_without_an_ingest_queue_all_are_refused_and_none_is_recorded(
    fresh_lab: Lab, failed: Any
) -> None:
    lab = fresh_lab
    create(lab, "acme", ALL_STREAMS)
    sqs, queue = lab.client("sqs"), lab.settings.ingest_queue
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"])
    event_ = failed()
    summary = replay(lab.settings, lab.registry, [event_])
    assert "NonExistentQueue" in summary.refused[event_.failed_id]
    sqs.create_queue(QueueName=queue, Attributes={"FifoQueue": "true"})
    assert replay(lab.settings, lab.registry, [event_]).replayed == (event_.failed_id,)


def _landed(lab: Lab, column: str) -> list[tuple[str, Any]]:
    """Ids of the lake's events, each with one of their columns."""
    import io

    import pyarrow.parquet as pq

    s3, bucket = lab.client("s3"), lab.settings.lake_bucket
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="raw/events/").get("Contents", [])
    files = [s3.get_object(Bucket=bucket, Key=o["Key"])["Body"].read() for o in listed]
    rows = [row for file in files for row in pq.read_table(io.BytesIO(file)).to_pylist()]
    return [(row["id"], row[column]) for row in rows]
