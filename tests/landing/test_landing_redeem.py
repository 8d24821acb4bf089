"""Claims come back whole, each to its own tenant, and to nobody else."""

from __future__ import annotations

import gzip
import json
import threading
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from fake_claims import FakeClaims
from hypothesis import given, settings
from hypothesis import strategies as st

from minilab.aws import AwsError
from minilab.events.registry import load_registry
from minilab.events.validation import StreamRules
from minilab.lake.claims import Kind
from minilab.landing.decode import decode
from minilab.landing.model import BatchName, Decoded, Messages, Shard
from minilab.landing.opening import open_messages
from minilab.landing.redeem import redeem

REGISTRY = load_registry()
RULES = {name: StreamRules(REGISTRY, name) for name in ("product", "webhooks")}
NAME = BatchName(Shard("product", "sqs", "q"), "b", datetime(2026, 11, 26, tzinfo=UTC))
PAGE = {"user_id": "u", "session_id": "s", "path": "/", "note": "x" * 10_000}


def event(**attributes: Any) -> bytes:
    whole = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/t",
        "type": "product.page_viewed.v1",
        "tenant": "acme",
    } | attributes
    return json.dumps({k: v for k, v in whole.items() if v is not ...}).encode()


def landed(
    claims: FakeClaims,
    *bodies: bytes,
    stream: str = "product",
    headers: dict[str, str] | None = None,
) -> Decoded:
    messages = Messages(bodies, range(len(bodies)), [0] * len(bodies), lambda _: headers or {})
    opened = open_messages(messages, claims.uri_prefix, 1 << 40)
    return decode(NAME, redeem(opened, claims), RULES[stream])


def put_json(claims: FakeClaims, data: Any, tenant: str = "acme") -> str:
    return claims.put(tenant, json.dumps(data).encode(), "json")


def test_an_event_comes_back_as_if_it_had_never_been_parted_from_its_data() -> None:
    claims = FakeClaims()
    attributes = {"subject": "x", "traceparent": "t", "useragent": "curl", "data": PAGE}
    apart = event(**attributes | {"data": ..., "dataref": put_json(claims, PAGE)})
    assert len(apart) < 500
    assert landed(claims, apart).events.equals(landed(claims, event(**attributes)).events)


def test_binary_data_comes_back_too() -> None:
    claims = FakeClaims()
    text = b64encode(bytes(range(256)) * 30)
    uri = claims.put("acme", text, "base64")
    result = landed(claims, event(type="a.b", dataref=uri), stream="webhooks")
    whole = landed(claims, event(type="a.b", data_base64=text.decode()), stream="webhooks")
    assert result.events.equals(whole.events)
    assert result.events["data_base64"].to_pylist() == [text.decode()]


def test_what_comes_back_is_judged_like_others() -> None:
    claims = FakeClaims()
    apart = event(dataref=put_json(claims, {"path": 1, "note": "y" * 5000}))
    (row,) = landed(claims, apart).failed.to_pylist()
    assert row["reason"] == "contract_violation" and "/data/path" in row["detail"]
    assert json.loads(row["body"])["data"]["note"] == "y" * 5000, "whole, so it can be replayed"
    uri = claims.put("acme", b"no base64", "base64")
    result = landed(claims, event(type="a.b", dataref=uri), stream="webhooks")
    assert result.failed_by_reason == {"invalid_attribute": 1}


def test_claims_are_found_in_batches_and_in_gzip() -> None:
    claims = FakeClaims()
    pages = [PAGE | {"path": f"/{n}"} for n in range(5)]
    apart = [event(id=str(n), dataref=put_json(claims, page)) for n, page in enumerate(pages)]
    plain = event(id="p", data=PAGE)
    batch = b"[" + b",".join([apart[0], b"7", apart[1]]) + b"]"
    zipped = gzip.compress(b"[" + b",".join([plain, apart[2], apart[3]]) + b"]")
    headers = {"content-encoding": "gzip"}
    result = landed(claims, plain, batch, zipped, apart[4], headers=headers)
    rows = result.events.select(["id", "position", "item", "data"]).to_pylist()
    assert [(r["id"], r["position"], r["item"]) for r in rows] == [
        ("p", "0", 0), ("0", "1", 0), ("1", "1", 2), ("p", "2", 0), ("2", "2", 1), ("3", "2", 2),
        ("4", "3", 0),
    ]  # fmt: skip
    assert [json.loads(r["data"]) for r in rows if r["id"] != "p"] == pages
    assert [(r["position"], r["item"]) for r in result.failed.to_pylist()] == [("1", 1)]


def test_a_claim_that_is_lost_fails_its_event_alone_with_the_bytes_that_came() -> None:
    claims = FakeClaims()
    gone = event(id="gone", dataref=f"{claims.uri_prefix}acme/{'0' * 64}.json")
    damaged = event(id="damaged", dataref=put_json(claims, PAGE))
    claims.damage(json.loads(damaged)["dataref"])
    kept = event(id="kept", dataref=put_json(claims, PAGE | {"path": "/kept"}))
    zipped = gzip.compress(b"[" + gone + b"," + kept + b"]")
    result = landed(claims, damaged, zipped, headers={"content-encoding": "gzip", "x": "y"})
    assert result.events["id"].to_pylist() == ["kept"]
    assert result.events["item"].to_pylist() == [1]
    first, second = result.failed.to_pylist()
    assert result.failed_by_reason == {"claim_lost": 2}
    assert (first["body"], second["body"]) == (damaged, gone)
    assert json.loads(first["headers"]) == {"content-encoding": "gzip", "x": "y"}
    assert json.loads(second["headers"]) == {"x": "y"}, "its bytes are not packed any more"
    assert "does not hold the bytes" in first["detail"]
    assert [second[name] for name in ("id", "source", "type", "tenant")] == [
        "gone", "/t", "product.page_viewed.v1", "acme",
    ]  # fmt: skip


OTHERS = {"user_id": "secret", "session_id": "of another tenant", "path": "/"}


@pytest.mark.parametrize(
    "make",
    [
        lambda uri: event(dataref=uri),
        lambda uri: event(dataref=uri, tenant=...),
        lambda uri: event(dataref=uri, tenant=None),
        lambda uri: event(dataref=uri, tenant=""),
        lambda uri: event(dataref=uri, tenant="umbrella/"),
        lambda uri: event(dataref=uri, tenant="UMBRELLA"),
        lambda uri: event(dataref=uri, tenant=["umbrella"]),
        lambda uri: event(dataref=uri.replace("umbrella", "acme/../umbrella")),
        lambda uri: event(dataref=uri.replace("umbrella", "acme")),
        lambda uri: event(dataref=uri.replace("umbrella", "umbrella%2F..%2Facme")),
        lambda uri: event(dataref=uri)[:-1] + b',"tenant":"umbrella"}',
        lambda uri: b'{"tenant":"umbrella",' + event(dataref=uri)[1:],
        lambda uri: event(dataref=uri, tenant=...)[:-1] + b',"TENANT":"umbrella"}',
        lambda uri: event(dataref="x")[:-1] + b',"dataref":"' + uri.encode() + b'"}',
    ],
)
@pytest.mark.parametrize("stream", ["product", "webhooks"])
def test_no_event_gets_another_tenants_payload(make: Any, stream: str) -> None:
    claims = FakeClaims()
    secret = put_json(claims, OTHERS, "umbrella")
    put_json(claims, PAGE, "acme")
    for body in (make(secret), b"[" + make(secret) + b"]", gzip.compress(make(secret))):
        result = landed(claims, body, stream=stream)
        assert result.events.num_rows + result.failed.num_rows == 1
        assert result.failed.num_rows == 1, "every one of them is wrong"
        assert "of another tenant" not in str(result.events.to_pylist())
        assert b"of another tenant" not in result.failed["body"].to_pylist()[0]


def test_a_dataref_that_is_not_ours_is_an_attribute_like_others() -> None:
    claims = FakeClaims()
    ours = put_json(claims, PAGE)
    for uri in ("https://files.example/x", "s3://another-lake/claims/acme/x", f" {ours}"):
        result = landed(claims, event(dataref=uri, data=PAGE))
        assert json.loads(result.events["extensions"].to_pylist()[0]) == {"dataref": uri}
    # It has data, so nothing was taken from it.
    result = landed(claims, event(dataref=ours, data=PAGE))
    assert json.loads(result.events["extensions"].to_pylist()[0]) == {"dataref": ours}
    # The URI stands somewhere, but not as a dataref.
    result = landed(claims, event(subject=ours, data=PAGE), event(data=PAGE | {"path": ours}))
    assert result.events.num_rows == 2
    assert claims.fetched == []


def test_bytes_that_were_claimed_for_other_ends_are_no_events_data() -> None:
    claims = FakeClaims()
    for content, kind in ((b'{"a":1}', "bytes"), (b'{"a":1', "json"), (b'1,"id":"x"', "json")):
        named: Kind = kind  # type: ignore[assignment]
        body = event(dataref=claims.put("acme", content, named))
        result = landed(claims, body, stream="product")
        assert result.failed_by_reason == {"claim_lost": 1}, content
        assert result.failed["body"].to_pylist() == [body]
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    result = landed(claims, event(type="a.b", dataref=claims.put("acme", deep, "json")))
    assert result.failed.num_rows == 1


def test_a_message_cannot_claim_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilab.landing.redeem.MAX_MESSAGE_BYTES", 35_000)
    claims = FakeClaims()
    same = put_json(claims, PAGE)
    batch = b"[" + b",".join(event(id=str(n), dataref=same) for n in range(6)) + b"]"
    result = landed(claims, batch, event(id="other", dataref=same))
    assert result.events["id"].to_pylist() == ["0", "1", "2", "other"]
    assert result.failed_by_reason == {"too_large": 3}


def test_s3_out_of_reach_fails_the_batch_and_no_event() -> None:
    claims = FakeClaims()
    bodies = [event(id=str(n), dataref=put_json(claims, PAGE)) for n in range(20)]
    claims.away = True
    with pytest.raises(AwsError):
        landed(claims, event(data=PAGE), *bodies)
    claims.away = False
    assert landed(claims, event(data=PAGE), *bodies).events.num_rows == 21


def test_several_are_fetched_at_once_but_not_all() -> None:
    """The first fetch waits for a second one to be under way; eight are the most there ever are."""

    class Slow(FakeClaims):
        def __init__(self) -> None:
            super().__init__()
            self.changed = threading.Condition()
            self.under_way = self.most = 0

        def get(self, tenant: str, uri: str) -> tuple[Kind, bytes]:
            with self.changed:
                self.under_way += 1
                self.most = max(self.most, self.under_way)
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.most > 1, timeout=20)
            with self.changed:
                self.under_way -= 1
            return super().get(tenant, uri)

    claims = Slow()
    pages = [PAGE | {"path": f"/{n}"} for n in range(40)]
    result = landed(claims, *(event(dataref=put_json(claims, page)) for page in pages))
    assert [json.loads(data) for data in result.events["data"].to_pylist()] == pages
    assert 2 <= claims.most <= 8


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.lists(
        st.tuples(JSON, st.booleans(), st.sampled_from(["acme", "umbrella", "a.b"])), max_size=6
    ),
    st.sampled_from(["single", "batch", "gzip"]),
)
@settings(max_examples=150, deadline=None)
def test_rows_are_the_same_with_and_without_claims(
    events: list[tuple[Any, bool, str]], packing: str
) -> None:
    claims = FakeClaims()

    def messages(with_claims: bool) -> list[bytes]:
        bodies = []
        for number, (data, claimed, tenant) in enumerate(events):
            attributes = {"id": str(number), "type": "a.b", "tenant": tenant}
            if claimed and with_claims:
                body = event(**attributes, dataref=put_json(claims, data, tenant))
            else:
                body = event(**attributes, data=data)
            bodies.append(body)
        if packing == "single" or not bodies:
            return bodies
        batch = b"[" + b",".join(bodies) + b"]"
        return [gzip.compress(batch) if packing == "gzip" else batch]

    apart = landed(claims, *messages(True), stream="webhooks")
    whole = landed(claims, *messages(False), stream="webhooks")
    assert apart.events.equals(whole.events)
    assert apart.failed.num_rows == whole.failed.num_rows == 0
