"""From messages to rows and files."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from minilab.events.registry import load_registry
from minilab.events.validation import StreamRules
from minilab.lake.tables import EVENTS, FAILED_EVENTS
from minilab.landing.decode import decode, failed_id
from minilab.landing.model import BatchName, Decoded, Messages, Shard
from minilab.landing.opening import open_messages
from minilab.landing.write import encode, to_parquet

RULES = StreamRules(load_registry(), "product")
LANDED_AT = datetime(2026, 11, 22, 10, 59, 59, 123456, tzinfo=UTC)
NAME = BatchName(Shard("product", "kafka", "t/3"), "kafka-t-00003-…", LANDED_AT)
MS = 1_700_000_000_123
CLAIMS = "s3://lake/claims/"


def event(n: int, **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(n),
        "source": "/t",
        "type": "product.page_viewed.v1",
        "tenant": "acme",
        "time": "2026-11-22T11:11:12.5+01:00",
        "data": {"user_id": "u", "session_id": "s", "path": "/"},
        **more,
    }


def text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def decoded(*bodies: bytes, headers: dict[str, str] | None = None) -> Decoded:
    messages = Messages(
        bodies, range(100, 100 + len(bodies)), [MS] * len(bodies), lambda i: headers or {}
    )
    return decode(NAME, open_messages(messages, CLAIMS, 1 << 30), RULES)


def test_a_row_has_everything() -> None:
    result = decoded(text(event(1, subject="x", traceparent="t")))
    assert result.events.schema == EVENTS.arrow_schema
    assert result.failed.schema == FAILED_EVENTS.arrow_schema
    assert result.events.to_pylist() == [
        {
            "id": "1",
            "source": "/t",
            "type": "product.page_viewed.v1",
            "specversion": "1.0",
            "time": datetime(2026, 11, 22, 10, 11, 12, 500000),
            "subject": "x",
            "tenant": "acme",
            "datacontenttype": None,
            "dataschema": None,
            "extensions": '{"traceparent":"t"}',
            "data": '{"user_id":"u","session_id":"s","path":"/"}',
            "data_base64": None,
            "bus": "kafka",
            "shard": "t/3",
            "position": "100",
            "item": 0,
            "published_at": datetime(2023, 11, 14, 22, 13, 20, 123000),
            "landed_at": LANDED_AT.replace(tzinfo=None),
            "batch_id": "kafka-t-00003-…",
        }
    ]


def test_batches_gzip_and_single_events_keep_their_places() -> None:
    result = decoded(
        text([event(1), 7, event(2)]),
        text(event(3)),
        gzip.compress(text([event(4), event(5)])),
        b"nonsense",
        text(event(6)),
    )
    rows = result.events.select(["id", "position", "item"]).to_pylist()
    assert [(r["id"], r["position"], r["item"]) for r in rows] == [
        ("1", "100", 0), ("2", "100", 2), ("3", "101", 0), ("4", "102", 0), ("5", "102", 1),
        ("6", "104", 0),
    ]  # fmt: skip
    failed = result.failed.to_pylist()
    assert [(r["reason"], r["position"], r["item"], r["body"]) for r in failed] == [
        ("not_an_event", "100", 1, b"7"),
        ("not_json", "103", 0, b"nonsense"),
    ]
    assert result.messages == 5


def test_a_failed_event_says_all() -> None:
    bad = text(event(1, id="", tenant="acme"))
    row = decoded(bad, headers={"content-type": "x"}).failed.to_pylist()[0]
    assert row["failed_id"] == failed_id("kafka", "t/3", 100, 0)
    assert row["stage"] == "landing" and row["reason"] == "invalid_attribute"
    assert json.loads(row["detail"]) == [
        {"path": "/id", "rule": "non-empty", "message": "id is empty."}
    ]
    assert row["body"] == bad and json.loads(row["headers"]) == {"content-type": "x"}
    assert (row["tenant"], row["type"]) == ("acme", "product.page_viewed.v1")
    assert row["published_at"] == datetime(2023, 11, 14, 22, 13, 20, 123000)


def test_body_and_headers_of_a_failed_event_belong_together() -> None:
    """What is stored unpacked no longer says that it is packed; what is stored as it came does."""
    headers = {"Content-Encoding": "gzip", "x": "y"}
    unpacked = decoded(gzip.compress(text([7])), headers=headers).failed.to_pylist()[0]
    assert unpacked["body"] == b"7" and json.loads(unpacked["headers"]) == {"x": "y"}
    broken = decoded(gzip.compress(text([7]))[:-3], headers=headers).failed.to_pylist()[0]
    assert broken["body"][:2] == b"\x1f\x8b" and json.loads(broken["headers"]) == headers


def test_failed_ids_are_stable_and_distinct() -> None:
    ids = {
        failed_id(b, s, p, i) for b in "ab" for s in ("x", "y/1") for p in (1, "1a") for i in (0, 1)
    }
    assert len(ids) == 16
    assert failed_id("kafka", "t/0", 5, 0) == failed_id("kafka", "t/0", "5", 0)
    # Written down, so that ids which people have noted stay what they are.
    assert failed_id("kafka", "t/0", 5, 0) == "6f8d1f9243e0bc1d09fe6435cf0d5b90"


def test_no_messages_make_no_files() -> None:
    result = decoded()
    assert result.events.num_rows == result.failed.num_rows == 0
    assert encode(result) == ()


def test_the_same_messages_make_the_same_bytes() -> None:
    bodies = [text(event(n)) for n in range(2000)] + [b"bad"]
    assert [f.content for f in encode(decoded(*bodies))] == [
        f.content for f in encode(decoded(*bodies))
    ]


def test_files_are_parquet_that_athena_likes() -> None:
    events, failed = encode(decoded(*(text(event(n)) for n in range(3000)), b"bad"))
    assert events.key == ("raw/events/stream=product/dt=2026-11-22/hour=10/kafka-t-00003-….parquet")
    assert failed.key == (
        "failed/events/stream=product/dt=2026-11-22/hour=10/kafka-t-00003-….parquet"
    )
    file = pq.ParquetFile(io.BytesIO(events.content))
    assert file.metadata.num_row_groups == 1
    group = file.metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert {c.compression for c in columns.values()} == {"ZSTD"}
    assert columns["time"].statistics.min == datetime(2026, 11, 22, 10, 11, 12, 500000)
    assert all(c.has_offset_index and c.has_column_index for c in columns.values())
    assert file.schema_arrow.equals(EVENTS.arrow_schema)
    assert pq.ParquetFile(io.BytesIO(failed.content)).schema_arrow.equals(
        FAILED_EVENTS.arrow_schema
    )


def test_rows_survive_the_file() -> None:
    table = decoded(
        *(text(event(n, data=event(n)["data"] | {"path": "/ü😀"})) for n in range(50))
    ).events
    assert pq.read_table(pa.BufferReader(to_parquet(table))).equals(table)
