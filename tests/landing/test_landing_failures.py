"""What failed before landing, landed: every kind of it, whatever happens meanwhile."""

from __future__ import annotations

import gzip
import json
import signal
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from test_landing_stack import event, partitions, rows, run_lander

from minilab.aws import AwsError
from minilab.bus import pack
from minilab.bus.failed_queue import FailedQueue, FailedRecord
from minilab.bus.message import sqs_entry
from minilab.events.failures import Violation
from minilab.events.registry import FAILURES, UNROUTED
from minilab.failed import FailedEvent, Filter, find
from minilab.lake.claims import Claims
from minilab.landing import Limits, backlog, land, land_failures, sqs
from minilab.landing.decode import failed_id

if TYPE_CHECKING:
    from conftest import Lab

RECEIVED = datetime(2026, 11, 24, 10, 11, 12, 345000, tzinfo=UTC)


def record(position: str = "request-1", item: int = 0, **changes: Any) -> FailedRecord:
    return replace(
        FailedRecord(
            stage="ingest",
            stream="product",
            reason="contract_violation",
            violations=(Violation("/data/path", "type", "1 is not a string."),),
            body=event("e"),
            bus="api",
            shard="POST /v1/events",
            position=position,
            item=item,
            published_ms=round(RECEIVED.timestamp() * 1000),
            headers={"user-agent": "test/1.0"},
            id="e",
            source="/t",
            type="product.page_viewed.v1",
            tenant="acme",
        ),
        **changes,
    )


def report(lab: Lab, *records: FailedRecord) -> None:
    assert FailedQueue(lab.settings).send(records) == [None] * len(records)


def put(
    lab: Lab, queue: str, body: bytes, headers: dict[str, str] | None = None, group: str = "acme"
) -> str:
    """Put one message into a queue, as whoever sends to it does; returns its id."""
    sqs = lab.client("sqs")
    entry = sqs_entry(body, headers or {})
    fifo = {"MessageGroupId": group, "MessageDeduplicationId": uuid4().hex}
    answer = sqs.send_message(
        QueueUrl=url_of(lab, queue),
        MessageBody=entry.text,
        MessageAttributes=entry.attributes,
        **(fifo if queue.endswith(".fifo") else {}),
    )
    return str(answer["MessageId"])


def put_dead_letter(
    lab: Lab, *events: bytes, tenant: str = "acme", stream: str = "product", **more: str
) -> str:
    """What the processor gave up, with the attributes of the ingest queue's messages."""
    headers = {
        "content-type": "application/cloudevents+json",
        "stream": stream,
        "tenant": tenant,
        "received-at": "2026-11-24T10:11:12.345Z",
        "request-id": "request-7",
    }
    body = events[0] if len(events) == 1 else pack(events)
    return put(
        lab,
        lab.settings.ingest_dead_letter_queue,
        body,
        headers | {name.replace("_", "-"): value for name, value in more.items()},
        group=tenant,
    )


def url_of(lab: Lab, queue: str) -> str:
    return str(lab.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"])


def failures(lab: Lab) -> list[FailedEvent]:
    return find(lab.settings, Filter())


def test_every_kind_lands_with_its_stage_under_its_stream(fresh_lab: Lab) -> None:
    lab = fresh_lab
    assert backlog(lab.settings, lab.registry, FAILURES).messages == 0
    report(
        lab,
        record("r1"),
        record("r1", 1, stream="billing", reason="wrong_tenant"),
        record("r2", stream=UNROUTED, reason="not_json", body=b"{", id=None, type=None),
        record("m1", stage="processing", bus="sqs", shard=lab.settings.ingest_queue, item=3),
    )
    put_dead_letter(lab, event("d1"))
    put(lab, lab.settings.dead_letter_queue_name("webhooks"), event("w1", type="com.x", tenant="t"))
    waiting = backlog(lab.settings, lab.registry, FAILURES)
    assert (waiting.stream, waiting.messages) == ("failed", 6)
    assert waiting.by_shard == {
        lab.settings.failed_queue: 4,
        lab.settings.ingest_dead_letter_queue: 1,
        lab.settings.dead_letter_queue_name("billing"): 0,
        lab.settings.dead_letter_queue_name("webhooks"): 1,
    }

    summary = land_failures(lab.settings, lab.registry)
    assert summary.ok, summary.error
    assert (summary.stream, summary.messages, summary.events) == ("failed", 6, 0)
    assert summary.failed == {
        "contract_violation": 2,
        "not_json": 1,
        "undeliverable": 2,
        "wrong_tenant": 1,
    }
    assert summary.failed_events == len(rows(lab, "failed/events/")) == 6
    assert Counter((e.stage, e.stream, e.reason) for e in failures(lab)) == {
        ("ingest", "product", "contract_violation"): 1,
        ("ingest", "billing", "wrong_tenant"): 1,
        ("ingest", UNROUTED, "not_json"): 1,
        ("processing", "product", "contract_violation"): 1,
        ("processing", "product", "undeliverable"): 1,
        ("landing", "webhooks", "undeliverable"): 1,
    }
    landed_in = {tuple(p.values) for p in summary.partitions}
    assert {stream for stream, *_ in landed_in} == {"product", "billing", "webhooks", UNROUTED}
    assert landed_in <= partitions(lab, "failed_events")
    assert {s.shard: s.messages for s in summary.shards} == {
        lab.settings.failed_queue: 4,
        lab.settings.ingest_dead_letter_queue: 1,
        lab.settings.dead_letter_queue_name("webhooks"): 1,
    }

    again = land_failures(lab.settings, lab.registry)
    assert (again.messages, again.files, again.repeated) == (0, (), 0)
    assert len(rows(lab, "failed/events/")) == 6
    left = lab.client("s3").list_objects_v2(Bucket=lab.settings.lake_bucket, Prefix="landing/")
    assert left["KeyCount"] == 0, "no manifest outlives its messages"


def test_a_record_becomes_its_row(fresh_lab: Lab) -> None:
    sent = record("r9", 4)
    report(fresh_lab, sent)
    land_failures(fresh_lab.settings, fresh_lab.registry)
    (found,) = failures(fresh_lab)
    assert found.failed_id == failed_id("api", "POST /v1/events", "r9", 4)
    for name in vars(sent).keys() - {"published_ms", "violations"}:
        assert getattr(found, name) == getattr(sent, name), name
    assert found.published_at == RECEIVED
    assert found.violations == (
        {"path": "/data/path", "rule": "type", "message": "1 is not a string."},
    )


def test_a_record_sent_twice_is_one_failed_event(fresh_lab: Lab) -> None:
    report(fresh_lab, record("r1"), record("r1"))
    land_failures(fresh_lab.settings, fresh_lab.registry)
    assert len(failures(fresh_lab)) == 1


def test_a_dead_letter_holds_as_many_failed_events_as_events(fresh_lab: Lab) -> None:
    lab = fresh_lab
    events = [event(f"d{n}") for n in range(5)]
    message_id = put_dead_letter(
        lab, *events, failure_reason="contract_violation", failure_detail="Kafka was away."
    )
    summary = land_failures(lab.settings, lab.registry)
    assert (summary.messages, summary.failed) == (1, {"contract_violation": 5})
    found = sorted(failures(lab), key=lambda e: e.item)
    assert [e.body for e in found] == events
    queue = lab.settings.ingest_dead_letter_queue
    assert [e.failed_id for e in found] == [
        failed_id("sqs", queue, message_id, item) for item in range(5)
    ]
    assert {e.tenant for e in found} == {"acme"}, "who was authenticated, whatever the events say"
    assert [e.id for e in found] == [f"d{n}" for n in range(5)]
    assert {e.published_at for e in found} == {RECEIVED}
    assert {e.violations[0]["message"] for e in found} == {"Kafka was away."}
    assert {e.headers["content-type"] for e in found} == {"application/cloudevents+json"}


def test_dead_letters_of_a_stream_come_in_every_packing(fresh_lab: Lab) -> None:
    lab = fresh_lab
    queue = lab.settings.dead_letter_queue_name("webhooks")
    zipped = gzip.compress(pack([event("z1"), event("z2")]))
    put(lab, queue, zipped, {"content-encoding": "gzip"})
    put(lab, queue, event("one"))
    put(lab, queue, b"\xff\xfe")
    put(lab, queue, b"")
    put(lab, queue, b"[]")
    put(lab, queue, b'{"id":')
    put(lab, queue, b'{"id": 5, "source": {}, "type": null}')
    summary = land_failures(lab.settings, lab.registry)
    assert summary.ok and summary.messages == 7
    found = {e.body: e for e in failures(lab)}
    assert {body: e.reason for body, e in found.items()} == {
        event("z1"): "undeliverable",
        event("z2"): "undeliverable",
        event("one"): "undeliverable",
        b"\xff\xfe": "undeliverable",
        gzip.compress(b"", mtime=0): "empty_message",  # SQS takes no empty body: so it came
        b"[]": "empty_batch",
        b'{"id":': "undeliverable",
        b'{"id": 5, "source": {}, "type": null}': "undeliverable",
    }
    assert "content-encoding" not in found[event("z1")].headers
    assert {e.stream for e in found.values()} == {"webhooks"}
    assert {v["rule"] for v in found[b"[]"].violations} == {"batch", "delivery"}


def test_sqs_moves_a_message_that_is_never_done_with_and_it_lands(fresh_lab: Lab) -> None:
    """Redriven by SQS itself: five receives of a lander that dies, and one more look."""
    lab = fresh_lab
    queue = lab.settings.queue_name("billing")
    put(lab, queue, event("deadly"))
    sqs, url = lab.client("sqs"), url_of(lab, queue)
    for _ in range(8):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=0)
    assert backlog(lab.settings, lab.registry, FAILURES).messages == 1
    summary = land(lab.settings, lab.registry)
    assert summary.ok and summary.failed_events == 1
    (found,) = failures(lab)
    assert (found.stage, found.stream, found.reason) == ("landing", "billing", "undeliverable")


def test_what_is_no_record_is_kept_and_stops_nothing(fresh_lab: Lab) -> None:
    lab = fresh_lab
    queue = lab.settings.failed_queue
    good = json.loads(_as_sent(record("good")))
    bad = {
        b"nonsense": "not_json",
        b"\xff\xfe": "not_utf8",
        b"[1]": "not_an_event",
        b"{}": "not_an_event",
        b"[" * 5000: "too_deep",
        json.dumps(good | {"stage": "elsewhere"}).encode(): "not_an_event",
        json.dumps(good | {"body": "!"}).encode(): "not_an_event",
        json.dumps(good | {"item": 2**31}).encode(): "not_an_event",
        json.dumps(good | {"item": -1}).encode(): "not_an_event",
        json.dumps(good | {"published_ms": 10**17}).encode(): "not_an_event",
        json.dumps(good | {"headers": {"a": 1}}).encode(): "not_an_event",
    }
    ids = {put(lab, queue, body): body for body in bad}
    report(lab, record("good"))
    put(lab, queue, json.dumps(good | {"stream": "../../etc", "position": "other"}).encode())
    summary = land_failures(lab.settings, lab.registry)
    assert summary.ok, summary.error
    assert summary.messages == len(bad) + 2
    assert backlog(lab.settings, lab.registry, FAILURES).messages == 0
    found = {e.body: e for e in failures(lab) if e.stage == "landing"}
    assert {body: e.reason for body, e in found.items()} == bad
    assert {e.position for e in found.values()} == set(ids)
    assert {(e.bus, e.shard) for e in found.values()} == {("sqs", queue)}
    assert {e.stream for e in found.values() if b"product" not in e.body} == {UNROUTED}
    kept = Counter((e.stream, e.position) for e in failures(lab) if e.stage == "ingest")
    assert kept == {("product", "good"): 1, (UNROUTED, "other"): 1}


def _as_sent(sent: FailedRecord) -> bytes:
    from minilab.bus.failed_queue import encode

    return encode(sent, claims=None)  # type: ignore[arg-type]  # small: nothing is claimed


def test_large_originals_come_back_whole_and_lost_ones_are_told(fresh_lab: Lab) -> None:
    lab = fresh_lab
    large = event("large", data={"user_id": "u", "session_id": "s", "path": "/" * 3_000_000})
    lost = event("lost", data={"user_id": "u", "session_id": "s", "path": "?" * 3_000_000})
    report(lab, record("r1", body=large), record("r2", body=lost, reason="wrong_stream"))
    s3, bucket = lab.client("s3"), lab.settings.lake_bucket
    for stored in s3.list_objects_v2(Bucket=bucket, Prefix="claims/")["Contents"]:
        if s3.get_object(Bucket=bucket, Key=stored["Key"])["Body"].read() == lost:
            s3.delete_object(Bucket=bucket, Key=stored["Key"])
    summary = land_failures(lab.settings, lab.registry)
    assert summary.ok and summary.failed == {"claim_lost": 1, "contract_violation": 1}
    found = {e.position: e for e in failures(lab)}
    assert found["r1"].body == large
    gone = found["r2"]
    assert (gone.stage, gone.stream, gone.id, gone.tenant) == ("ingest", "product", "e", "acme")
    assert gone.body == b""
    assert "not there any more" in gone.violations[0]["message"]
    assert gone.violations[1]["path"] == "/data/path", "what it was refused for is still told"


def test_a_record_cannot_have_another_tenants_claim(fresh_lab: Lab) -> None:
    lab = fresh_lab
    theirs = Claims(lab.settings).put("other", b"secret", "bytes")
    wire = json.loads(_as_sent(record("r1", body=b"")))
    put(lab, lab.settings.failed_queue, json.dumps(wire | {"body_ref": theirs}).encode())
    land_failures(lab.settings, lab.registry)
    (found,) = failures(lab)
    assert (found.reason, found.body) == ("claim_lost", b"")


def test_a_fifo_queue_is_drained_although_it_hides_the_rest_of_a_group(fresh_lab: Lab) -> None:
    lab = fresh_lab
    sent = [f"{tenant}-{n}" for n in range(35) for tenant in ("acme", "globex", "initech")]
    for name in sent:
        put_dead_letter(lab, event(name), tenant=name.split("-")[0])
    summary = land_failures(lab.settings, lab.registry)
    assert summary.ok and summary.messages == len(sent)
    waiting = backlog(lab.settings, lab.registry, FAILURES)
    assert (waiting.messages, waiting.in_flight) == (0, 0)
    assert Counter(e.id for e in failures(lab)) == Counter(sent)


def test_a_message_that_another_lander_holds_is_left_to_it(fresh_lab: Lab) -> None:
    """The drain ends; what follows in the group comes to whoever lands next."""
    lab = fresh_lab
    for n in range(3):
        put_dead_letter(lab, event(f"d{n}"))
    sqs, url = lab.client("sqs"), url_of(lab, lab.settings.ingest_dead_letter_queue)
    (held,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)["Messages"]
    assert land_failures(lab.settings, lab.registry).messages == 0
    sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=held["ReceiptHandle"], VisibilityTimeout=0
    )
    assert land_failures(lab.settings, lab.registry).messages == 3
    assert {e.id for e in failures(lab)} == {"d0", "d1", "d2"}


POINTS = [
    ("before:put-landing", 40),  # the file is durable, its manifest is not: ids are the same
    ("before:delete", 0),
    ("after:delete", 0),
    ("before:forget", 0),
]


@pytest.mark.parametrize(("point", "twice_at_most"), POINTS)
def test_a_lander_killed_at_every_point_loses_nothing(
    fresh_lab: Lab, point: str, twice_at_most: int
) -> None:
    lab = fresh_lab
    sent = [f"f{n}" for n in range(90)]
    report(
        lab, *(record(name, stream=("product", "billing")[n % 2]) for n, name in enumerate(sent))
    )
    dead = [f"d{n}" for n in range(12)]
    for n in range(0, 12, 3):
        put_dead_letter(lab, *map(event, dead[n : n + 3]))
    _set_visibility(lab, 2)
    died = run_lander(lab, point, FAILURES)
    assert died.returncode == -signal.SIGKILL, died.stderr
    deadline = time.monotonic() + 60
    while backlog(lab.settings, lab.registry, FAILURES).in_flight:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    _set_visibility(lab, 120)
    final = run_lander(lab, "none", FAILURES)
    assert final.returncode == 0 and json.loads(final.stdout)["ok"], final.stderr
    assert Counter(e.position for e in failures(lab) if e.stage == "ingest") == Counter(sent)
    assert Counter(e.id for e in failures(lab) if e.stage == "processing") == Counter(dead)
    twice = len(rows(lab, "failed/events/")) - len(sent) - len(dead)
    assert 0 <= twice <= twice_at_most + 12 * (twice_at_most > 0)
    assert backlog(lab.settings, lab.registry, FAILURES).messages == 0


def _set_visibility(lab: Lab, seconds: int) -> None:
    for queue in (lab.settings.failed_queue, lab.settings.ingest_dead_letter_queue):
        lab.client("sqs").set_queue_attributes(
            QueueUrl=url_of(lab, queue), Attributes={"VisibilityTimeout": str(seconds)}
        )


def test_two_landers_at_once_land_each_record_once(fresh_lab: Lab) -> None:
    from concurrent.futures import ThreadPoolExecutor

    lab = fresh_lab
    sent = [f"f{n}" for n in range(200)]
    report(lab, *map(record, sent))
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: land_failures(lab.settings, lab.registry), range(2)))
    assert all(summary.ok for summary in both)
    land_failures(lab.settings, lab.registry)
    assert Counter(r["position"] for r in rows(lab, "failed/events/")) == Counter(sent)


def test_one_queues_trouble_is_not_the_others(fresh_lab: Lab) -> None:
    lab = fresh_lab
    report(lab, record())
    queue = lab.settings.dead_letter_queue_name("billing")
    lab.client("sqs").delete_queue(QueueUrl=url_of(lab, queue))
    summary = land(lab.settings, lab.registry, [FAILURES])
    assert not summary.ok
    assert f"There is no SQS queue {queue}." in (summary.of(FAILURES).error or "")
    assert summary.failed_events == len(failures(lab)) == 1


def test_an_original_out_of_reach_stays_in_its_queue(
    fresh_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 does not answer for now: nothing is deleted, nothing is said to be lost."""

    def away(*_: object) -> None:
        raise AwsError("S3 is away.")

    lab = fresh_lab
    report(lab, record("r1", body=b"x" * 600_000))
    monkeypatch.setattr(Claims, "get", away)
    broken = land_failures(lab.settings, lab.registry)
    assert broken.error is not None and "S3 is away." in broken.error
    assert not failures(lab)
    waiting = backlog(lab.settings, lab.registry, FAILURES)
    assert waiting.messages + waiting.in_flight == 1


def test_a_batch_of_many_large_originals_stays_within_bounds(fresh_lab: Lab) -> None:
    """Originals count with their size, not with that of the message that names their claim."""
    lab = fresh_lab
    report(lab, *(record(f"r{n}", body=bytes([n]) * 600_000) for n in range(9)))
    summary = land_failures(lab.settings, lab.registry, limits=Limits(opened_bytes=1024**2))
    assert summary.ok and summary.failed_events == 9
    assert len(summary.files) == 5


def test_what_takes_long_is_hidden_anew_in_whichever_queue(
    fresh_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody else receives it meanwhile. Here an hour passes before it is landed."""
    settings, streams = fresh_lab.settings, ("billing", "webhooks")
    queues = [
        *map(settings.queue_name, streams),
        *map(settings.dead_letter_queue_name, streams),
        settings.failed_queue,
        settings.ingest_dead_letter_queue,
    ]
    for queue in queues:
        put(fresh_lab, queue, b"no event")
    monkeypatch.setattr(
        sqs, "time", SimpleNamespace(monotonic=lambda: time.monotonic() - 3600, sleep=time.sleep)
    )
    extended, extend = [], sqs.SqsSource.extend

    def watched(source: sqs.SqsSource, batch: sqs.ReceivedBatch) -> None:
        extended.append(source.queue)
        extend(source, batch)

    monkeypatch.setattr(sqs.SqsSource, "extend", watched)
    summary = land(settings, fresh_lab.registry, [*streams, FAILURES])

    assert summary.ok
    assert sorted(extended) == sorted(queues)
    assert len(find(settings, Filter())) == len(queues)
