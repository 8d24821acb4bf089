"""What a stream accepts, and why it refuses what it refuses."""

# ruff: noqa: E501  (a table of bad events reads best with one a line)

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilab.events import validation
from minilab.events.envelope import PLATFORM_ATTRIBUTES, are_plain_times, is_time
from minilab.events.failures import Reason
from minilab.events.formats import MAX_ENRICHMENT_BYTES, MAX_EVENT_BYTES
from minilab.events.registry import Contract, Registry, load_registry
from minilab.events.validation import Accepted, Doubt, Rejection, StreamRules
from minilab.landing import keys

REGISTRY = load_registry()
PRODUCT = StreamRules(REGISTRY, "product")
BILLING = StreamRules(REGISTRY, "billing")
WEBHOOKS = StreamRules(REGISTRY, "webhooks")

PAGE = {"user_id": "u1", "session_id": "s1", "path": "/"}


def event(**attributes: Any) -> dict[str, Any]:
    whole = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/clients/web",
        "type": "product.page_viewed.v1",
        "time": "2026-11-22T10:11:12.123456Z",
        "tenant": "acme",
        "data": PAGE,
    } | attributes
    return {name: value for name, value in whole.items() if value is not ...}


def text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def judged(body: bytes, rules: StreamRules = PRODUCT) -> Rejection:
    verdict = rules.judge(body)
    assert isinstance(verdict, Rejection), verdict
    return verdict


def takes_fast_road(body: bytes, rules: StreamRules = PRODUCT) -> bool:
    try:
        rules.accept([body])
    except (Doubt, msgspec.MsgspecError, UnicodeError, KeyError, RecursionError):
        return False
    return True


def columns(accepted: Accepted) -> list[list[Any]]:
    """Comparable: payloads as bytes, instants as instants."""
    from datetime import datetime

    plain: list[list[Any]] = [list(column) for column in accepted]
    plain[Accepted._fields.index("data")] = [bytes(raw) for raw in accepted.data]
    plain[Accepted._fields.index("times")] = [
        None if t is None else datetime.fromisoformat(t) for t in accepted.times
    ]
    return plain


def test_an_ordinary_event_takes_the_fast_road() -> None:
    body = text(event(subject="x", datacontenttype="application/json", dataschema="urn:x:y"))
    assert takes_fast_road(body)
    assert columns(PRODUCT.accept([body])) == columns(PRODUCT.judge(body))


def test_events_with_spaces_between_tokens_take_it_too() -> None:
    assert takes_fast_road(json.dumps(event()).encode())
    assert takes_fast_road(json.dumps(event(), indent=2).encode())


BAD: dict[str, tuple[bytes, Reason, str, str]] = {
    "nothing": (b"", Reason.EMPTY_MESSAGE, "", "message"),
    "white space": (b" \n ", Reason.EMPTY_MESSAGE, "", "message"),
    "too large": (b'{"id":"' + b"x" * MAX_EVENT_BYTES + b'"}', Reason.TOO_LARGE, "", "size"),
    "not utf-8": (text(event()).replace(b"acme", b"ac\xffe"), Reason.NOT_UTF8, "", "utf-8"),
    "not utf-8 in data": (text(event()).replace(b"u1", b"\xff"), Reason.NOT_UTF8, "", "utf-8"),
    "not json": (b"hello", Reason.NOT_JSON, "", "json"),
    "cut off": (text(event())[:-5], Reason.NOT_JSON, "", "json"),
    "two events": (text(event()) * 2, Reason.NOT_JSON, "", "json"),
    "single quotes": (b"{'id':'a'}", Reason.NOT_JSON, "", "json"),
    "byte order mark": (b"\xef\xbb\xbf" + text(event()), Reason.NOT_JSON, "", "json"),
    "NaN": (text(event(data=PAGE | {"n": float("nan")})), Reason.NOT_JSON, "", "json"),
    "Infinity": (text(event(data=PAGE | {"n": float("inf")})), Reason.NOT_JSON, "", "json"),
    "lone surrogate": (
        text(event()).replace(b"u1", b"\\ud800"), Reason.NOT_JSON, "", "json",
    ),
    "control character": (text(event()).replace(b"u1", b"\x01"), Reason.NOT_JSON, "", "json"),
    "number": (b"7", Reason.NOT_AN_EVENT, "", "object"),
    "null": (b"null", Reason.NOT_AN_EVENT, "", "object"),
    "string": (b'"event"', Reason.NOT_AN_EVENT, "", "object"),
    "too deep": (
        text(event()).replace(b'"/"', b"[" * 200 + b"]" * 200), Reason.TOO_DEEP, "", "depth",
    ),
    "hostile depth": (b'{"data":' + b"[" * 300_000, Reason.TOO_DEEP, "", "depth"),
    "unclosed brackets": (b'{"data":' + b"[" * 90, Reason.NOT_JSON, "", "json"),
    "hostile depth, closed": (
        b'{"data":' + b'[{"a":' * 60_000 + b"1" + b"}]" * 60_000 + b"}", Reason.TOO_DEEP, "", "depth",
    ),
    "depth behind brackets in strings": (
        b'{"data":' + b'["]",' * 150 + b"1" + b"]" * 150 + b"}", Reason.TOO_DEEP, "", "depth",
    ),
    "duplicate attribute": (
        text(event())[:-1] + b',"tenant":"evil"}', Reason.DUPLICATE_KEY, "", "duplicate-key",
    ),
    "duplicate attribute behind a space": (
        text(event())[:-1] + b',"tenant" :"evil"}', Reason.DUPLICATE_KEY, "", "duplicate-key",
    ),
    "duplicate attribute, escaped": (
        text(event())[:-1] + b',"\\u0074enant":"evil"}', Reason.DUPLICATE_KEY, "", "duplicate-key",
    ),
    "duplicate key in data": (
        text(event()).replace(b'"path"', b'"user_id":"u2","path"'),
        Reason.DUPLICATE_KEY, "", "duplicate-key",
    ),
    "duplicate data": (
        text(event())[:-1] + b',"data":{}}', Reason.DUPLICATE_KEY, "", "duplicate-key",
    ),
    "old version": (
        text(event(specversion="0.3")), Reason.UNSUPPORTED_SPECVERSION, "/specversion", "specversion",
    ),
    "no version": (text(event(specversion=...)), Reason.MISSING_ATTRIBUTE, "/specversion", "required"),
    "no id": (text(event(id=...)), Reason.MISSING_ATTRIBUTE, "/id", "required"),
    "null id": (text(event(id=None)), Reason.MISSING_ATTRIBUTE, "/id", "required"),
    "empty id": (text(event(id="")), Reason.INVALID_ATTRIBUTE, "/id", "non-empty"),
    "number as id": (text(event(id=7)), Reason.INVALID_ATTRIBUTE, "/id", "type"),
    "control character in id": (
        text(event(id="a\u0000b")), Reason.INVALID_ATTRIBUTE, "/id", "string",
    ),
    "no source": (text(event(source=...)), Reason.MISSING_ATTRIBUTE, "/source", "required"),
    "source with spaces": (
        text(event(source="a b")), Reason.INVALID_ATTRIBUTE, "/source", "uri-reference",
    ),
    "no type": (text(event(type=...)), Reason.MISSING_ATTRIBUTE, "/type", "required"),
    "no tenant": (text(event(tenant=...)), Reason.MISSING_ATTRIBUTE, "/tenant", "required"),
    "empty tenant": (text(event(tenant="")), Reason.INVALID_ATTRIBUTE, "/tenant", "tenant"),
    "tenant with a slash": (text(event(tenant="a/b")), Reason.INVALID_ATTRIBUTE, "/tenant", "tenant"),
    "long tenant": (text(event(tenant="a" * 65)), Reason.INVALID_ATTRIBUTE, "/tenant", "tenant"),
    "not a time": (text(event(time="yesterday")), Reason.INVALID_ATTRIBUTE, "/time", "date-time"),
    "time without a zone": (
        text(event(time="2026-11-22T10:11:12")), Reason.INVALID_ATTRIBUTE, "/time", "date-time",
    ),
    "February 30": (
        text(event(time="2026-02-30T10:11:12Z")), Reason.INVALID_ATTRIBUTE, "/time", "date-time",
    ),
    "time before year 1": (
        text(event(time="0001-01-01T00:00:00+01:00")), Reason.INVALID_ATTRIBUTE, "/time", "date-time",
    ),
    "empty subject": (text(event(subject="")), Reason.INVALID_ATTRIBUTE, "/subject", "non-empty"),
    "media type": (
        text(event(datacontenttype="json")), Reason.INVALID_ATTRIBUTE, "/datacontenttype", "media-type",
    ),
    "schema is no uri": (
        text(event(dataschema="no uri")), Reason.INVALID_ATTRIBUTE, "/dataschema", "uri",
    ),
    "attribute name": (
        text(event(Trace_Id="x")), Reason.INVALID_ATTRIBUTE, "/Trace_Id", "attribute-name",
    ),
    "object as attribute": (text(event(trace={})), Reason.INVALID_ATTRIBUTE, "/trace", "type"),
    "huge number as attribute": (
        text(event()).replace(b'"id"', b'"big":' + b"9" * 5000 + b',"id"'),
        Reason.INVALID_ATTRIBUTE, "/big", "type",
    ),
    "two payloads": (
        text(event(data_base64="YQ==")), Reason.INVALID_ATTRIBUTE, "/data_base64", "one-payload",
    ),
    "payload in base64": (
        text(event(data=..., data_base64="e30=")), Reason.CONTRACT_VIOLATION, "/data", "required",
    ),
    "unknown type": (
        text(event(type="product.imagined.v1")), Reason.UNKNOWN_TYPE, "/type", "unknown-type",
    ),
    "wrong stream": (
        text(event(type="billing.invoice_paid.v1")), Reason.WRONG_STREAM, "/type", "wrong-stream",
    ),
    "no data": (text(event(data=...)), Reason.CONTRACT_VIOLATION, "/data", "required"),
    "null as data": (text(event(data=None)), Reason.CONTRACT_VIOLATION, "/data", "type"),
    "array as data": (text(event(data=[PAGE])), Reason.CONTRACT_VIOLATION, "/data", "type"),
    "missing member": (
        text(event(data={"user_id": "u"})), Reason.CONTRACT_VIOLATION, "/data", "required",
    ),
    "wrong member": (
        text(event(data=PAGE | {"duration_ms": -1})),
        Reason.CONTRACT_VIOLATION, "/data/duration_ms", "minimum",
    ),
    "huge number in data": (
        text(event()).replace(b'"path"', b'"duration_ms":' + b"9" * 5000 + b',"path"'),
        Reason.CONTRACT_VIOLATION, "/data", "number",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_every_kind_of_bad_event_is_refused_with_its_reason(name: str) -> None:
    body, reason, path, rule = BAD[name]
    verdict = judged(body)
    assert verdict.reason is reason, verdict
    assert (path, rule) in {(v.path, v.rule) for v in verdict.violations}
    if body:
        assert not takes_fast_road(body)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_event_does_not_touch_its_neighbours(name: str) -> None:
    good = text(event())
    verdicts = PRODUCT.sort([good] * 70 + [BAD[name][0]] + [good] * 1100)
    assert verdicts.rejected_at == [70]
    assert verdicts.rejected[0].reason is BAD[name][1]
    assert verdicts.accepted_at == [*range(70), *range(71, 1171)]
    assert all(len(column) == 1170 for column in verdicts.accepted)


def test_all_broken_rules_of_an_event_are_named_together() -> None:
    verdict = judged(text(event(id="", time="x", tenant=..., data={"path": 1})))
    assert verdict.reason is Reason.MISSING_ATTRIBUTE
    assert sorted((v.path, v.rule) for v in verdict.violations) == sorted(
        [
            ("/tenant", "required"),
            ("/id", "non-empty"),
            ("/time", "date-time"),
            ("/data", "required"),
            ("/data", "required"),
            ("/data/path", "type"),
        ]
    )
    assert verdict.source == "/clients/web"
    assert verdict.type == "product.page_viewed.v1"


GOOD: dict[str, dict[str, Any]] = {
    "null means absent": {"subject": None, "dataschema": None, "time": None},
    "lower case time": {"time": "2026-11-22t10:11:12z"},
    "offset": {"time": "2026-11-22T10:11:12+05:30"},
    "leap day": {"time": "2024-02-29T10:11:12Z"},
    "leap second": {"time": "2016-12-31T23:59:60Z"},
    "nanoseconds": {"time": "2026-11-22T10:11:12.123456789Z"},
    "extensions": {"traceparent": "00-abc", "sampled": True, "sequence": 7, "dropped": None},
    "not ascii": {"subject": "Zürich 東京 😀", "data": PAGE | {"path": "/ü"}},
    "member unknown to the contract": {"data": PAGE | {"new": {"a": [1, 2]}}},
    "quotes and colons in strings": {"data": PAGE | {"path": '":" :\\', "referrer": ":x"}},
    "no time": {"time": ...},
    "relative source": {"source": "web"},
    "longest tenant": {"tenant": "a" * 64},
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_specification_allows_is_accepted(name: str) -> None:
    body = text(event(**GOOD[name]))
    verdict = PRODUCT.judge(body)
    assert isinstance(verdict, Accepted), verdict
    together = PRODUCT.sort([text(event()), body, text(event())])
    assert together.accepted_at == [0, 1, 2]
    assert [column[1] for column in columns(together.accepted)] == [
        column[0] for column in columns(verdict)
    ]


def test_times_become_the_same_instant() -> None:
    def accepted_time(time: str) -> str | None:
        verdict = PRODUCT.judge(text(event(time=time)))
        assert isinstance(verdict, Accepted)
        return verdict.times[0]

    assert accepted_time("2026-11-22T10:11:12+05:30") == "2026-11-22T04:41:12.000000Z"
    assert accepted_time("2016-12-31T23:59:60Z") == "2017-01-01T00:00:00.000000Z"
    assert accepted_time("2026-11-22T10:11:12.123456789Z") == "2026-11-22T10:11:12.123456Z"
    assert accepted_time("0001-01-01T00:00:00Z") == "0001-01-01T00:00:00.000000Z"


def test_extensions_are_kept_as_one_object() -> None:
    verdict = PRODUCT.judge(text(event(traceparent="00-abc", sequence=7, dropped=None)))
    assert isinstance(verdict, Accepted)
    assert json.loads(verdict.extensions[0] or "") == {"traceparent": "00-abc", "sequence": 7}


def test_what_the_platform_adds_takes_the_fast_road() -> None:
    bodies = [
        text(event(**ENRICHED)),
        json.dumps(event(**ENRICHED), indent=1).encode(),  # escapes what is not ASCII
        text(event(useragent="", tenantplan="free")),
        text(event()),
    ]
    accepted = PRODUCT.accept(bodies)
    assert [None if e is None else json.loads(e) for e in accepted.extensions] == [
        ENRICHED,
        ENRICHED,
        {"tenantplan": "free", "useragent": ""},
        None,
    ]
    for index, body in enumerate(bodies):
        verdict = PRODUCT.judge(body)
        assert isinstance(verdict, Accepted)
        assert verdict.extensions == [accepted.extensions[index]]


def test_platform_attributes_are_extension_attributes_like_others() -> None:
    for odd in ({"useragent": 7}, {"tenantplan": True}, {"receivedat": None}, {"trace": "x"}):
        body = text(event(**(ENRICHED | odd)))
        assert not takes_fast_road(body)
        (kept,) = PRODUCT.sort([body]).accepted.extensions
        assert json.loads(kept or "") == {
            k: v for k, v in (ENRICHED | odd).items() if v is not None
        }
    twice = text(event(**ENRICHED))[:-1] + b',"tenantplan":"enterprise"}'
    assert not takes_fast_road(twice) and judged(twice).reason is Reason.DUPLICATE_KEY
    control = text(event(useragent="a\u0007"))
    assert not takes_fast_road(control) and judged(control).reason is Reason.INVALID_ATTRIBUTE


def test_extensions_stand_by_name_whatever_came_first() -> None:
    for attributes in ({"b": 1, "a": "x"}, {"a": "x", "b": 1}):
        verdict = PRODUCT.judge(text(event(**attributes)))
        assert isinstance(verdict, Accepted) and verdict.extensions == ['{"a":"x","b":1}']


def test_what_the_platform_adds_does_not_make_an_event_too_large() -> None:
    landing = StreamRules(REGISTRY, "webhooks", max_bytes=MAX_EVENT_BYTES + MAX_ENRICHMENT_BYTES)
    empty = len(text(event(type="x", data="")))
    body = text(event(type="x", data="x" * (MAX_EVENT_BYTES - empty)))
    assert len(body) == MAX_EVENT_BYTES and takes_fast_road(body, WEBHOOKS)
    more = body[:-1] + b',"useragent":"x"}'
    assert not takes_fast_road(more, WEBHOOKS)
    assert judged(more, WEBHOOKS).reason is Reason.TOO_LARGE
    assert takes_fast_road(more, landing) and isinstance(landing.judge(more), Accepted)


def test_payload_text_is_kept_as_it_came() -> None:
    body = text(event()).replace(b'"/"', b'"\\u002f" ').replace(b'"path"', b' "path"')
    accepted = PRODUCT.sort([body]).accepted
    assert bytes(accepted.data[0]) == body[body.index(b'{"user') : -1]


def test_a_stream_of_any_contract_keeps_payloads_whole() -> None:
    for data in ([1, {"a": 1, "b": [None]}], "text", 7, None, {"a": {"a": 1}}):
        body = text(event(type="com.github.push", tenant=..., data=data))
        assert takes_fast_road(body, WEBHOOKS)
        assert bytes(WEBHOOKS.accept([body]).data[0]) == text(data)
    no_data = text(event(type="x", data=...))
    assert bytes(WEBHOOKS.accept([no_data]).data[0]) == b""
    packed = text(event(type="x", data=..., data_base64="YQ=="))
    assert WEBHOOKS.accept([packed]).data_base64 == ["YQ=="]


def test_a_stream_of_any_contract_still_checks_the_envelope() -> None:
    wrong = text(event())
    assert judged(wrong, WEBHOOKS).reason is Reason.WRONG_STREAM
    twice = text(event(type="x"))[:-1] + b',"id":"e2"}'
    assert judged(twice, WEBHOOKS).reason is Reason.DUPLICATE_KEY
    for data in (b'"tenant"', b'"tenant":"b"', b"{}", b'{"tenant":"b"}'):
        hidden = text(event(type="x"))[:-1] + b',"tenant":"b"}'
        hidden = hidden.replace(text(PAGE), data)
        assert WEBHOOKS.sort([hidden]).accepted_at == [], data
    bad = text(event(type="x", data=..., data_base64="§"))
    assert judged(bad, WEBHOOKS).reason is Reason.INVALID_ATTRIBUTE
    for body in (wrong, twice, bad):
        assert WEBHOOKS.sort([body]).rejected_at == [0]


def test_duplicate_keys_in_a_payload_without_contract_are_kept() -> None:
    body = text(event(type="x")).replace(b'"path"', b'"user_id":"u2","path"')
    assert WEBHOOKS.sort([body]).accepted_at == [0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
ATTRIBUTES = st.sampled_from(
    [
        "id",
        "source",
        "type",
        "specversion",
        "time",
        "subject",
        "tenant",
        "datacontenttype",
        "dataschema",
        "data",
        "data_base64",
        "extensions",
        "trace",
        "X",
        *PLATFORM_ATTRIBUTES,
    ]
)
ENRICHED = {
    "receivedat": "2026-11-26T15:00:00.123Z",
    "tenantplan": "team",
    "tenantregion": "eu",
    "useragent": 'curl/8 "quoted" \\ ü',
}
MUTATIONS = st.lists(
    st.tuples(ATTRIBUTES, JSON | st.just(...) | st.sampled_from(["1.0", "a b", "YQ==", '":'])),
    max_size=3,
)


@given(
    MUTATIONS,
    st.sampled_from([PRODUCT, BILLING, WEBHOOKS]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([validation.count_keys, keys.count_keys]),
    st.data(),
)
@settings(max_examples=600, deadline=None)
def test_the_fast_road_accepts_exactly_what_judge_accepts(
    mutations: list[tuple[str, Any]],
    rules: StreamRules,
    spaced: bool,
    enriched: bool,
    counter: validation.KeyCounter,
    data: Any,
) -> None:
    whole = event(**(ENRICHED if enriched else {}) | dict(mutations))
    body = json.dumps(whole).encode() if spaced else text(whole)
    if data.draw(st.booleans()):  # and damaged bytes
        at = data.draw(st.integers(0, len(body)))
        body = (
            body[:at]
            + data.draw(st.binary(max_size=3) | st.sampled_from([b'"', b",", b'"id":"x",']))
            + body[at:]
        )
    verdict = rules.judge(body)
    if takes_fast_road(body, rules):
        assert isinstance(verdict, Accepted), (body, verdict)
        assert columns(rules.accept([body], counter)) == columns(verdict)
    sorted_ = rules.sort([body], counter)
    assert (sorted_.accepted_at == [0]) == isinstance(verdict, Accepted)


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_bytes_whatever_raise(body: bytes) -> None:
    verdicts = PRODUCT.sort([body, text(event())])
    assert verdicts.accepted_at[-1:] == [1]


def test_contracts_with_objects_inside_take_the_fast_road_too() -> None:
    address = {"type": "object", "properties": {"city": {"type": "string"}}}
    schema = {
        "type": "object",
        "properties": {
            "user_id": {"type": "string"},
            "home": address,
            "others": {"type": "array", "items": address},
        },
    }
    contract = Contract("product.moved.v1", "product", "moved", 1, schema)
    rules = StreamRules(Registry(REGISTRY.streams, {contract.type: contract}), "product")
    data = {"user_id": "u", "home": {"city": "a"}, "others": [{"city": "b"}, {}, {"city": "c"}]}
    body = text(event(type="product.moved.v1", data=data))
    assert takes_fast_road(body, rules)
    twice = body.replace(b'{"city":"b"}', b'{"city":"b","city":"c"}')
    assert not takes_fast_road(twice, rules)
    assert judged(twice, rules).reason is Reason.DUPLICATE_KEY


def test_what_a_lambda_function_imports_is_light() -> None:
    code = (
        "import sys\n"
        "from minilab.events.registry import load_registry\n"
        "from minilab.events.validation import StreamRules\n"
        f"assert StreamRules(load_registry(), 'product').sort([{text(event())!r}]).accepted_at\n"
        "print(*(name for name in sys.modules if '.' not in name))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "jsonschema_rs" in loaded
    assert not loaded & {"pyarrow", "numpy", "pandas", "duckdb", "dagster", "boto3", "botocore"}


FIELDS = (
    st.integers(0, 9999).map("{:04}".format),
    *(st.integers(0, most).map("{:02}".format) for most in (13, 32, 24, 60, 60)),
    st.sampled_from(["", ".", ".5", ".123456", ".1234567"]),
    st.sampled_from(["Z", "z", "", "+00:00", "-23:59", "+24:00", "+05:60", '","', "\n"]),
)


@given(st.lists(st.tuples(*FIELDS).map(lambda f: "{}-{}-{}T{}:{}:{}{}{}".format(*f)), max_size=2))
@settings(max_examples=400, deadline=None)
def test_plain_times_are_times(times: list[str]) -> None:
    if are_plain_times(times):
        assert all(map(is_time, times))


def test_ordinary_times_are_plain() -> None:
    times = ["2026-11-22T10:11:12Z", "2024-02-29T00:00:00.123456+05:30", "1999-12-31T23:59:59.9Z"]
    assert are_plain_times(times) and are_plain_times([])
    for odd in ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2023-02-29T00:00:00Z"):
        assert not are_plain_times([*times, odd])
