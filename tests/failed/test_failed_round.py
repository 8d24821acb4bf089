"""Failed events all the way round: in the lake, through the processor, and accepted."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from minilab.bus import open_publisher
from minilab.bus.failed_queue import FailedQueue, FailedRecord
from minilab.bus.ingest_queue import IngestMessage, Origin
from minilab.failed import Filter, find, replay
from minilab.landing import land
from minilab.processing.environment import Environment
from minilab.processing.worker import Limits, run
from minilab.tenants.model import ALL_STREAMS, ApiKey, Tenant
from minilab.tenants.store import Tenants

if TYPE_CHECKING:
    from conftest import Lab

CAME = "2026-11-24T10:11:12.345Z"
CAME_MS = 1_795_515_072_345


def event(name: str, **more: Any) -> bytes:
    return json.dumps(
        {
            "specversion": "1.0",
            "id": name,
            "source": "/t",
            "type": "product.page_viewed.v1",
            "data": {"user_id": "u", "session_id": "s", "path": "/"},
            **more,
        }
    ).encode()


def test_every_stage_goes_round_and_is_accepted_once(fresh_lab: Lab) -> None:
    lab = fresh_lab
    tenant = Tenant("acme", "team", "eu", "active", (ALL_STREAMS,), 10, CAME)
    Tenants(lab.settings).create(tenant, ApiKey("k1", "acme", "0" * 64, CAME))
    _fail_at_ingest(lab, *(event(f"ingest-{n}") for n in range(12)))
    _give_up(lab, *(event(f"dead-{n}", tenant="acme") for n in range(5)))
    with open_publisher(lab.settings, lab.registry.stream("webhooks")) as publisher:
        publisher.send(event("landing", tenant="acme"))  # of a type that belongs elsewhere
    assert land(lab.settings, lab.registry).failed_events == 18
    found = find(lab.settings, Filter())
    assert Counter(e.stage for e in found) == {"ingest": 12, "processing": 5, "landing": 1}

    summary = replay(lab.settings, lab.registry, found)
    assert (len(summary.replayed), summary.skipped, summary.refused) == (18, (), {})
    limits = Limits(receivers=1, poll_seconds=1)
    processor = Environment.of(lab.settings, lab.registry)
    processed = run(processor, threading.Event(), limits=limits, drain=True)
    assert (processed.events, processed.failed_events, processed.given_up) == (17, 0, 0)

    landed = land(lab.settings, lab.registry)
    assert (landed.events, landed.failed_events) == (17, 1), "the wrong stream is still wrong"
    rows = _rows(lab)
    assert Counter(row["id"] for row in rows) == Counter(
        [*(f"ingest-{n}" for n in range(12)), *(f"dead-{n}" for n in range(5))]
    )
    for row in rows:
        extensions = json.loads(row["extensions"])
        assert row["tenant"] == "acme"
        assert (extensions["receivedat"], extensions["tenantplan"]) == (CAME, "team")


def _fail_at_ingest(lab: Lab, *bodies: bytes) -> None:
    records = [
        FailedRecord(
            stage="ingest",
            stream="product",
            reason="contract_violation",
            violations=(),
            body=body,
            bus="api",
            shard="POST /v1/events",
            position="request-1",
            item=item,
            published_ms=CAME_MS,
            type="product.page_viewed.v1",
            tenant="acme",
        )
        for item, body in enumerate(bodies)
    ]
    assert FailedQueue(lab.settings).send(records) == [None] * len(records)


def _give_up(lab: Lab, *events: bytes) -> None:
    """One message of the ingest queue, where the processor puts what it gives up."""
    entry = IngestMessage(Origin("product", "acme", CAME, "request-2"), events, "d2").entry()
    sqs, queue = lab.client("sqs"), lab.settings.ingest_dead_letter_queue
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"],
        MessageBody=entry.text,
        MessageAttributes=entry.attributes,
        MessageGroupId="acme",
        MessageDeduplicationId="d2",
    )


def _rows(lab: Lab) -> list[dict[str, Any]]:
    s3, bucket = lab.client("s3"), lab.settings.lake_bucket
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="raw/events/").get("Contents", [])
    files = [s3.get_object(Bucket=bucket, Key=o["Key"])["Body"].read() for o in listed]
    return [row for file in files for row in pq.read_table(io.BytesIO(file)).to_pylist()]
