"""Claimed payloads on a real broker, a real queue and S3: back whole, once, and to their owner."""

from __future__ import annotations

import gzip
import io
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from minilab.aws import AwsError
from minilab.bus import open_publisher, pack
from minilab.lake.claims import Claims
from minilab.landing import Limits, backlog, land
from minilab.landing.environment import Environment

if TYPE_CHECKING:
    from conftest import Lab

LANDER = Path(__file__).with_name("lander.py")
LARGE = "x" * 1_500_000
TYPES = {"product": "product.page_viewed.v1", "billing": "billing.subscription_cancelled.v1"}


def data(stream: str, name: str) -> dict[str, Any]:
    if stream == "product":
        return {"user_id": name, "session_id": "s", "path": "/", "note": LARGE}
    return {
        "subscription_id": name,
        "plan": "team",
        "previous_mrr_cents": 1,
        "currency": "USD",
        "reason": "price",
        "cancelled_at": "2026-11-22T00:00:00Z",
        "note": LARGE,
    }


def event(stream: str, name: str, **more: Any) -> bytes:
    whole = {"specversion": "1.0", "id": name, "source": "/t", "type": TYPES[stream]}
    return json.dumps(whole | {"tenant": "acme"} | more).encode()


def claimed(lab: Lab, stream: str, name: str, tenant: str = "acme") -> bytes:
    """An event as the API sends it when it is too large for a message."""
    content = json.dumps(data(stream, name)).encode()
    uri = Claims(lab.settings).put(tenant, content, "json")
    return event(stream, name, tenant=tenant, dataref=uri)


def send(lab: Lab, stream: str, *bodies: bytes) -> None:
    with open_publisher(lab.settings, lab.registry.stream(stream)) as publisher:
        for body in bodies:
            publisher.send(body, key="acme")


def rows(lab: Lab, prefix: str) -> list[dict[str, Any]]:
    s3 = lab.client("s3")
    found: list[dict[str, Any]] = []
    listed = s3.list_objects_v2(Bucket=lab.settings.lake_bucket, Prefix=prefix)
    for entry in listed.get("Contents", []):
        got = s3.get_object(Bucket=lab.settings.lake_bucket, Key=entry["Key"])["Body"].read()
        found += pq.read_table(io.BytesIO(got)).to_pylist()
    return found


def key_of(lab: Lab, body: bytes) -> str:
    uri: str = json.loads(body)["dataref"]
    return uri.removeprefix(f"s3://{lab.settings.lake_bucket}/")


@pytest.mark.parametrize("stream", ["product", "billing"])
def test_claims_come_back_whole_and_lost_ones_fail_alone(fresh_lab: Lab, stream: str) -> None:
    lab = fresh_lab
    s3, bucket = lab.client("s3"), lab.settings.lake_bucket
    single, packed, zipped = (claimed(lab, stream, name) for name in ("single", "packed", "zipped"))
    missing, damaged = claimed(lab, stream, "missing"), claimed(lab, stream, "damaged")
    s3.delete_object(Bucket=bucket, Key=key_of(lab, missing))
    s3.put_object(Bucket=bucket, Key=key_of(lab, damaged), Body=b'{"user_id":"changed"}')
    theirs = json.loads(claimed(lab, stream, "theirs", tenant="umbrella"))
    stolen = json.dumps(theirs | {"id": "stolen", "tenant": "acme"}).encode()
    elsewhere = event(stream, "elsewhere", dataref="https://files.example/claims/acme/x")
    send(lab, stream, single, stolen, pack([packed, missing]), elsewhere)
    send(lab, stream, gzip.compress(pack([damaged, zipped])))

    summary = land(lab.settings, lab.registry, [stream]).of(stream)
    assert summary.ok, summary.error
    assert summary.failed == {"claim_lost": 3, "contract_violation": 1}
    landed = {row["id"]: row for row in rows(lab, "raw/events/")}
    assert set(landed) == {"single", "packed", "zipped"}
    for name, row in landed.items():
        assert json.loads(row["data"]) == data(stream, name)
        assert row["extensions"] is None, "no dataref is left"
    failed = {row["id"]: row for row in rows(lab, "failed/events/")}
    assert {row["body"] for row in failed.values()} == {missing, damaged, stolen, elsewhere}
    assert failed["elsewhere"]["reason"] == "contract_violation", "an attribute, and no data"
    assert failed["stolen"]["tenant"] == "acme"
    assert backlog(lab.settings, lab.registry, stream).messages == 0


@pytest.mark.parametrize("stream", ["product", "billing"])
def test_s3_out_of_reach_loses_nothing(fresh_lab: Lab, stream: str) -> None:
    lab = fresh_lab

    class Away:
        uri_prefix = Claims(lab.settings).uri_prefix

        def get(self, tenant: str, uri: str) -> Any:
            raise AwsError("S3 is out of reach.")

    send(lab, stream, *(claimed(lab, stream, str(n)) for n in range(3)))
    real = Environment.of(lab.settings)
    summary = land(
        lab.settings, lab.registry, [stream], environment=replace(real, claims=Away())
    ).of(stream)
    assert "out of reach" in (summary.error or "") and summary.messages == 0
    assert rows(lab, "raw/") == rows(lab, "failed/") == []
    if stream == "billing":
        url = lab.client("sqs").get_queue_url(QueueName=lab.settings.queue_name(stream))["QueueUrl"]
        in_flight = lab.client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
        )["Attributes"]
        assert in_flight["ApproximateNumberOfMessagesNotVisible"] == "3", "they come again"
    else:
        summary = land(lab.settings, lab.registry, [stream]).of(stream)
        assert summary.ok and summary.events == 3
        assert sorted(row["id"] for row in rows(lab, "raw/events/")) == ["0", "1", "2"]


@pytest.mark.parametrize("point", ["after:intent", "after:put-raw", "before:close"])
def test_a_lander_killed_over_claims_lands_them_once(fresh_lab: Lab, point: str) -> None:
    """Its intent is replayed by a lander that holds less at a time: the range stays."""
    lab = fresh_lab
    send(lab, "product", *(claimed(lab, "product", str(n)) for n in range(9)))
    died = subprocess.run(
        [sys.executable, str(LANDER), point, "product"],
        env=lab.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    before = {row["id"]: row["batch_id"] for row in rows(lab, "raw/events/")}
    limits = Limits(opened_bytes=12_000_000)
    summary = land(lab.settings, lab.registry, ["product"], limits=limits).of("product")
    assert summary.ok, summary.error
    landed = rows(lab, "raw/events/")
    assert sorted(row["id"] for row in landed) == [str(n) for n in range(9)]
    assert before.items() <= {row["id"]: row["batch_id"] for row in landed}.items()
    assert all(json.loads(row["data"]) == data("product", row["id"]) for row in landed)
    assert summary.files and len({row["batch_id"] for row in landed}) == 1


def test_more_claims_than_may_be_held_are_landed_batch_by_batch(fresh_lab: Lab) -> None:
    lab = fresh_lab
    for stream in ("product", "billing"):
        send(lab, stream, *(claimed(lab, stream, f"{stream}-{n}") for n in range(7)))
    limits = Limits(opened_bytes=16_000_000)  # three claims at their largest
    summary = land(lab.settings, lab.registry, ["product", "billing"], limits=limits)
    assert summary.ok and (summary.events, summary.failed_events) == (14, 0)
    assert len(summary.of("product").files) == len(summary.of("billing").files) == 3
    landed = rows(lab, "raw/events/")
    assert len({row["id"] for row in landed}) == len(landed) == 14
    left = lab.client("s3").list_objects_v2(Bucket=lab.settings.lake_bucket, Prefix="landing/")
    assert left["KeyCount"] == 0
