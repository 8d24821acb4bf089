"""Landing against a real broker and real AWS endpoints: nothing lost, nothing twice, any crash."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from minilab.bus import open_publisher, pack
from minilab.failed import Filter, find, replay
from minilab.landing import Limits, LostRange, backlog, land
from minilab.landing.kafka import shard_of
from minilab.landing.ledger import Intent, Ledger, ShardState, batch_id_of
from minilab.provision import MAX_RECEIVE_COUNT

if TYPE_CHECKING:
    from conftest import Lab

LANDER = Path(__file__).with_name("lander.py")


def event(name: str, **more: Any) -> bytes:
    kind = more.pop("type", "product.page_viewed.v1")
    return json.dumps(
        {
            "specversion": "1.0",
            "id": name,
            "source": "/t",
            "type": kind,
            "tenant": f"tenant-{len(name)}",
            "data": {"user_id": "u", "session_id": "s", "path": "/"},
            **more,
        }
    ).encode()


def cancelled(name: str) -> bytes:
    data = {
        "subscription_id": name,
        "plan": "team",
        "previous_mrr_cents": 1,
        "currency": "USD",
        "reason": "price",
        "cancelled_at": "2026-11-22T00:00:00Z",
    }
    return event(name, type="billing.subscription_cancelled.v1", data=data)


def send(lab: Lab, stream: str, *bodies: bytes, headers: dict[str, str] | None = None) -> None:
    with open_publisher(lab.settings, lab.registry.stream(stream)) as publisher:
        for number, body in enumerate(bodies):
            publisher.send(body, key=str(number), headers=headers)


def rows(lab: Lab, prefix: str = "raw/events/", stream: str = "") -> list[dict[str, Any]]:
    """Every row of every file, as Athena would see them."""
    import pyarrow.parquet as pq

    s3 = lab.client("s3")
    found: list[dict[str, Any]] = []
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=lab.settings.lake_bucket, Prefix=prefix + (f"stream={stream}/" if stream else "")
    )
    for page in pages:
        for entry in page.get("Contents", []):
            got = s3.get_object(Bucket=lab.settings.lake_bucket, Key=entry["Key"])["Body"].read()
            found += pq.read_table(io.BytesIO(got)).to_pylist()
    return found


def ids(lab: Lab, stream: str) -> Counter[str]:
    return Counter(row["id"] for row in rows(lab, stream=stream))


def run_lander(lab: Lab, point: str, stream: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(LANDER), point, stream],
        env=lab.environ,
        capture_output=True,
        text=True,
        timeout=120,
    )


def set_visibility(lab: Lab, stream: str, seconds: int) -> str:
    """So that what a dead lander held comes back soon."""
    sqs = lab.client("sqs")
    url: str = sqs.get_queue_url(QueueName=lab.settings.queue_name(stream))["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})
    return url


def partitions(lab: Lab, table: str) -> set[tuple[str, ...]]:
    answer = lab.client("glue").get_partitions(
        DatabaseName=lab.settings.raw_database, TableName=table
    )
    return {tuple(p["Values"]) for p in answer["Partitions"]}


def test_kafka_end_to_end(fresh_lab: Lab) -> None:
    lab = fresh_lab
    assert backlog(lab.settings, lab.registry, "product").messages == 0
    send(lab, "product", *(event(f"e{n}") for n in range(500)), b"bad", pack([event("b1"), b"7"]))
    waiting = backlog(lab.settings, lab.registry, "product")
    assert waiting.messages == 502 and sum(waiting.by_shard.values()) == 502

    summary = land(lab.settings, lab.registry, ["product"]).of("product")
    assert summary.ok, summary.error
    assert (summary.messages, summary.events) == (502, 501)
    assert summary.failed == {"not_an_event": 1, "not_json": 1}
    assert ids(lab, "product") == Counter([*(f"e{n}" for n in range(500)), "b1"])
    assert sum(s.messages for s in summary.shards) == 502
    for shard in summary.shards:
        assert shard.first == 0 and shard.last == shard.messages - 1
    assert {p.path.split("/")[0] for p in summary.partitions} == {"stream=product"}
    landed_in = {tuple(p.values) for p in summary.partitions}
    assert landed_in <= partitions(lab, "events")
    assert landed_in <= partitions(lab, "failed_events")
    assert backlog(lab.settings, lab.registry, "product").messages == 0

    again = land(lab.settings, lab.registry, ["product"]).of("product")
    assert (again.messages, again.files) == (0, ())
    assert len(rows(lab, stream="product")) == 501


def test_sqs_end_to_end_of_every_packing(fresh_lab: Lab) -> None:
    import gzip

    lab = fresh_lab
    send(lab, "billing", *(cancelled(f"s{n}") for n in range(45)))
    send(lab, "billing", pack([cancelled(f"p{n}") for n in range(100)]))
    zipped = gzip.compress(pack([cancelled(f"z{n}") for n in range(100)]))
    send(lab, "billing", zipped, headers={"content-encoding": "gzip"})
    send(lab, "billing", b"\xff\xfe", b"", b'{"id":')
    assert backlog(lab.settings, lab.registry, "billing").messages == 50

    summary = land(lab.settings, lab.registry, ["billing"]).of("billing")
    assert summary.ok, summary.error
    assert (summary.messages, summary.events) == (50, 245)
    assert summary.failed == {"empty_message": 1, "not_json": 1, "not_utf8": 1}
    assert set(ids(lab, "billing").values()) == {1}
    assert {r["body"][:2] for r in rows(lab, "failed/events/")} >= {b"\xff\xfe", b'{"'}
    assert backlog(lab.settings, lab.registry, "billing").messages == 0
    again = land(lab.settings, lab.registry, ["billing"]).of("billing")
    assert (again.messages, again.files, again.repeated) == (0, (), 0)
    left = lab.client("s3").list_objects_v2(Bucket=lab.settings.lake_bucket, Prefix="landing/")
    assert left["KeyCount"] == 0, "no manifest outlives its messages"


KAFKA_POINTS = [
    "before:intent",
    "after:intent",
    "before:put-raw",
    "after:put-raw",
    "before:put-failed",
    "after:put-failed",
    "after:register",
    "before:close",
    "after:close",
    "after:acknowledge",
]


def test_kafka_lander_killed_at_every_point_lands_everything_once(fresh_lab: Lab) -> None:
    """One history: killed at each point in turn, with more events before every start."""
    lab = fresh_lab
    sent: list[str] = []
    bad = 0
    for number, point in enumerate(KAFKA_POINTS):
        new = [f"{number}-{n}" for n in range(60)]
        send(lab, "product", *map(event, new), *(b"bad" for _ in range(8)))
        sent, bad = sent + new, bad + 8
        died = run_lander(lab, point, "product")
        assert died.returncode == -signal.SIGKILL, (point, died.stderr)
        counts = ids(lab, "product")
        assert not {i: c for i, c in counts.items() if c > 1}, point
    final = run_lander(lab, "none", "product")
    assert final.returncode == 0, final.stderr
    assert json.loads(final.stdout)["ok"]
    assert ids(lab, "product") == Counter(sent)
    failed = rows(lab, "failed/events/")
    assert len({r["failed_id"] for r in failed}) == len(failed) == bad
    assert backlog(lab.settings, lab.registry, "product").messages == 0


@pytest.mark.parametrize(
    ("point", "twice_at_most"),
    [
        ("before:put-raw", 0),
        ("before:put-landing", 40),  # the file is durable, its manifest is not: staging sees to it
        ("after:put-landing", 0),
        ("before:delete", 0),
        ("after:delete", 0),
        ("before:forget", 0),
    ],
)
def test_sqs_lander_killed_at_every_point_loses_nothing(
    fresh_lab: Lab, point: str, twice_at_most: int
) -> None:
    lab = fresh_lab
    assert MAX_RECEIVE_COUNT > 2
    sent = [f"c{n}" for n in range(100)]
    send(lab, "billing", *map(cancelled, sent))
    url = set_visibility(lab, "billing", 2)
    died = run_lander(lab, point, "billing")
    assert died.returncode == -signal.SIGKILL, died.stderr
    deadline = time.monotonic() + 60
    while backlog(lab.settings, lab.registry, "billing").in_flight:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    set_visibility(lab, "billing", 120)
    final = run_lander(lab, "none", "billing")
    assert final.returncode == 0 and json.loads(final.stdout)["ok"], final.stderr
    counts = ids(lab, "billing")
    assert set(counts) == set(sent)
    assert sum(counts.values()) - len(sent) <= twice_at_most
    attributes = lab.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    assert attributes["Attributes"]["ApproximateNumberOfMessages"] == "0"


def test_a_lander_that_was_thought_dead_does_no_harm(fresh_lab: Lab) -> None:
    """It stops between its intent and its file; another replays and goes on; then it wakes up."""
    lab = fresh_lab
    sent = [f"e{n}" for n in range(300)]
    send(lab, "product", *map(event, sent))
    sleeper = subprocess.Popen(
        [sys.executable, str(LANDER), "pause:put-raw", "product"],
        env=lab.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, status = os.waitpid(sleeper.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        other = land(lab.settings, lab.registry, ["product"]).of("product")
        assert other.ok and other.messages == 300
        # Each file that it puts now, it stops before: wake it until it has ended.
        deadline = time.monotonic() + 60
        while sleeper.poll() is None and time.monotonic() < deadline:
            sleeper.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        out, err = sleeper.communicate(timeout=10)
    finally:
        sleeper.kill()
    summary = json.loads(out)["streams"][0]
    assert summary["ok"], err
    assert ids(lab, "product") == Counter(sent)


def test_two_landers_at_once_land_everything_once(fresh_lab: Lab) -> None:
    lab = fresh_lab
    sent = [f"e{n}" for n in range(1500)]
    send(lab, "product", *map(event, sent))
    both = [
        subprocess.Popen(
            [sys.executable, str(LANDER), "none", "product"],
            env=lab.environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(json.loads(out)["ok"] for out in outs)
    land(lab.settings, lab.registry, ["product"])
    assert ids(lab, "product") == Counter(sent)


def test_ledger_refuses_the_loser_and_forgives_a_lost_answer(fresh_lab: Lab) -> None:
    from datetime import UTC, datetime

    from minilab.landing import Fenced

    lab = fresh_lab
    shard = shard_of(lab.settings, lab.registry.stream("product"), 0)

    def intent(first: int, last: int) -> Intent:
        name = batch_id_of(shard, first, last, 0)
        return Intent(shard, first, last, datetime(2026, 1, 1, tzinfo=UTC), name)

    ours, theirs = Ledger(lab.settings), Ledger(lab.settings)
    empty = ours.read(shard)
    assert empty == ShardState()
    ours.open(intent(0, 9), empty)
    assert ours.read(shard) == theirs.read(shard) == ShardState(None, intent(0, 9))
    ours.open(intent(0, 9), empty)  # the client's retry of a write that was carried out
    with pytest.raises(Fenced):
        theirs.open(intent(0, 5), empty)
    assert theirs.close(intent(0, 9)) == ShardState(10)
    assert ours.close(intent(0, 9)) == ShardState(10), "done by the other: done"
    with pytest.raises(Fenced):
        ours.open(intent(0, 9), empty)
    ours.open(intent(10, 19), ShardState(10))
    with pytest.raises(Fenced):
        theirs.close(intent(0, 9))
    with pytest.raises(Fenced):
        theirs.skip(shard, ShardState(10), 50, None, anew=False)
    ours.close(intent(10, 19))
    lost = LostRange(shard.name, 20, 49)
    assert ours.skip(shard, ShardState(20), 50, lost, anew=False) == ShardState(50)
    assert theirs.read(shard) == ShardState(50)


def test_a_position_behind_the_end_is_a_topic_made_anew(fresh_lab: Lab) -> None:
    """The broker says nothing about such a position; landing finds out by itself, and says so."""
    lab = fresh_lab
    send(lab, "product", *(event(f"e{n}") for n in range(80)))
    for partition in range(4):
        shard = shard_of(lab.settings, lab.registry.stream("product"), partition)
        lab.client("dynamodb").put_item(
            TableName=lab.settings.table_name("landing-ledger"),
            Item={"shard": {"S": f"kafka:{shard.name}"}, "next_offset": {"N": "10000"}},
        )
    told: list[str] = []
    summary = land(lab.settings, lab.registry, ["product"], on_progress=told.append).of("product")
    assert summary.events == 80 and summary.error is None
    assert any("made anew" in text for text in told)
    assert all(".e1-" in file for file in summary.files)


def test_memory_is_bounded_whatever_the_backlog(fresh_lab: Lab) -> None:
    """At no time do buffers and batches at work hold more than the limits allow."""
    from minilab.landing.kafka import KafkaSource

    lab = fresh_lab
    padding = "x" * 2000
    send(lab, "product", *(event(f"e{n}", subject=padding) for n in range(2000)))
    limits = Limits(batch_bytes=200_000, buffered_bytes=300_000)
    largest_batch = largest_buffer = total = 0
    with KafkaSource(lab.settings, lab.registry.stream("product"), limits) as source:
        source.start(dict.fromkeys(source.shards()), {})
        for batch in source.batches():
            total += len(batch.messages)
            largest_batch = max(largest_batch, batch.messages.size)
            largest_buffer = max(largest_buffer, source.buffered)
    assert total == 2000
    one_poll = limits.buffered_bytes // 4 + 1024 * 1024  # librdkafka's own queue, at most
    assert largest_batch <= limits.batch_bytes + one_poll
    assert largest_buffer <= limits.buffered_bytes + one_poll
    assert largest_batch < 2000 * 2000 / 2


def test_failed_events_are_found_and_replayed_once(fresh_lab: Lab) -> None:
    lab = fresh_lab
    odd = event("odd", type="product.page_viewed.v9")
    send(lab, "product", odd, b"\xff")
    send(lab, "webhooks", b"[]")
    land(lab.settings, lab.registry)
    found = find(lab.settings, Filter())
    assert {(e.stream, e.reason) for e in found} == {
        ("product", "unknown_type"),
        ("product", "not_utf8"),
        ("webhooks", "empty_batch"),
    }
    wanted = find(lab.settings, Filter(reasons=frozenset({"unknown_type"})))
    assert [e.body for e in wanted] == [odd]
    assert find(lab.settings, Filter(ids=(wanted[0].failed_id[:8],))) == wanted

    first = replay(lab.settings, lab.registry, found)
    assert len(first.replayed) == 3 and not first.skipped and not first.refused
    second = replay(lab.settings, lab.registry, found)
    assert len(second.skipped) == 3 and not second.replayed
    assert len(replay(lab.settings, lab.registry, wanted, again=True).replayed) == 1
    summary = land(lab.settings, lab.registry)
    assert summary.of("product").failed == {"not_utf8": 1, "unknown_type": 2}
    assert summary.of("webhooks").failed == {"empty_batch": 1}
    bodies = Counter(e.body for e in find(lab.settings, Filter()))
    assert bodies == {odd: 3, b"\xff": 2, b"[]": 2}


def test_a_stream_that_cannot_be_landed_does_not_stop_the_others(fresh_lab: Lab) -> None:
    from dataclasses import replace

    lab = fresh_lab
    send(lab, "billing", cancelled("c"))
    nowhere = replace(lab.settings, kafka_bootstrap_servers="127.0.0.1:1")
    limits = Limits(silence_seconds=1)
    summary = land(nowhere, lab.registry, ["product", "billing"], limits=limits)
    assert not summary.ok
    assert "Kafka cannot be reached" in (summary.of("product").error or "")
    assert summary.of("billing").ok and summary.of("billing").events == 1


def test_github_webhooks_land_whole(fresh_lab: Lab) -> None:
    source = Path(__file__).parents[2].parent / "shared" / "data" / "github_webhooks.ndjson"
    if not source.exists():
        pytest.skip("../shared/data/github_webhooks.ndjson is not there")
    hooks = [json.loads(line) for line in source.read_bytes().splitlines()]
    send(
        fresh_lab,
        "webhooks",
        *(
            event(str(n), type=f"com.github.{hook['event']}", tenant=None, data=hook["payload"])
            for n, hook in enumerate(hooks)
        ),
    )
    summary = land(fresh_lab.settings, fresh_lab.registry, ["webhooks"]).of("webhooks")
    assert summary.ok and summary.failed == {}
    landed = rows(fresh_lab, stream="webhooks")
    want = Counter(f"com.github.{hook['event']}" for hook in hooks)
    assert Counter(row["type"] for row in landed) == want
    assert all(json.loads(row["data"]) == hooks[int(row["id"])]["payload"] for row in landed)
