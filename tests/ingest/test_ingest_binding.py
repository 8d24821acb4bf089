from __future__ import annotations

import gzip
import json
from base64 import b64encode
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from minilab.events.failures import Reason
from minilab.events.formats import Refused
from minilab.ingest.binding import bind, parse_media_type
from minilab.ingest.problems import ProblemError

JSON = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def bound(headers: dict[str, str], body: bytes = b"") -> Any:
    """The one event of a request, decoded."""
    (event,) = bind(headers, body).events
    return json.loads(event)


def refusal(headers: dict[str, str], body: bytes = b"") -> str:
    with pytest.raises((Refused, ProblemError)) as caught:
        bind(headers, body)
    error = caught.value
    return str(error.reason if isinstance(error, Refused) else error.problem.reason)


some_examples = settings(max_examples=40, deadline=None)

# The specification's own examples: HTTP Protocol Binding 1.0.2, sections 3.1.4, 3.2.4, 3.3.4 -----

ATTRIBUTES = {
    "specversion": "1.0",
    "type": "com.example.someevent",
    "time": "2018-04-05T03:56:24Z",
    "id": "1234-1234-1234",
    "source": "/mycontext/subcontext",
}


def test_binary_mode_as_the_specification_shows_it() -> None:
    headers = {f"ce-{name}": value for name, value in ATTRIBUTES.items()}
    headers["content-type"] = "application/json; charset=utf-8"
    event = bound(headers, b'{"a": [1, 2.50]}')
    assert event == {
        **ATTRIBUTES,
        "datacontenttype": "application/json; charset=utf-8",
        "data": {"a": [1, 2.5]},
    }


def test_structured_mode_as_the_specification_shows_it() -> None:
    body = json.dumps({**ATTRIBUTES, "datacontenttype": "text/xml", "data": "<much wow>"}).encode()
    request = bind({"content-type": f"{JSON}; charset=UTF-8"}, body)
    assert request.mode == "structured"
    assert request.events == (body,), "the bytes are those that came"


def test_batched_mode_as_the_specification_shows_it() -> None:
    events = [{**ATTRIBUTES, "id": str(n), "data": n} for n in range(3)]
    request = bind({"content-type": f"{BATCH}; charset=UTF-8"}, json.dumps(events).encode())
    assert request.mode == "batched"
    assert [json.loads(event) for event in request.events] == events


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),  # section 3.1.3.2, its table
        ("%e2%82%ac", "€"),
        ('"quoted \\"text\\" \\\\"', 'quoted "text" \\'),
        ('"%22"', '"'),
        ("  padded\t", "padded"),
        ("100%25", "100%"),
        ("plain~!*'()", "plain~!*'()"),
        ("€", "€"),  # bytes that were not percent-encoded, as text
        ("€".encode().decode("latin-1"), "€"),  # and as Latin-1
        ("", ""),
    ],
)
def test_header_values_are_decoded(value: str, meaning: str) -> None:
    assert bound({"ce-id": "1", "ce-subject": value})["subject"] == meaning


@pytest.mark.parametrize("value", ["%", "%2", "%zz", "%ff", "%ed%a0%80", "a%00%"])
def test_header_values_that_cannot_be_decoded_are_refused(value: str) -> None:
    assert refusal({"ce-subject": value}) == "malformed_binding"


@pytest.mark.parametrize("name", ["data", "data_base64", "datacontenttype"])
def test_what_is_no_header_of_binary_mode_is_refused(name: str) -> None:
    assert refusal({"ce-id": "1", f"ce-{name}": "x"}, b"{}") == "malformed_binding"


# Payloads of binary mode -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "body", "member"),
    [
        ("application/json", b' {"a": 1.0} ', {"data": {"a": 1.0}}),
        ("application/vnd.x+json", b"[1]", {"data": [1]}),
        ("text/json", b"null", {"data": None}),
        ("application/json; charset=iso-8859-1", '"é"'.encode("latin-1"), {"data": "é"}),
        ("application/json; charset=utf-16", '"é"'.encode("utf-16"), {"data": "é"}),
        ("text/plain", "é\n\x00".encode(), {"data": "é\n\x00"}),
        ("text/plain", b"\xff", {"data_base64": "/w=="}),
        ("text/plain; charset=iso-8859-1", b"\xe9", {"data_base64": "6Q=="}),
        ("application/xml", b"<a/>", {"data": "<a/>"}),
        ("application/x-www-form-urlencoded", b"a=1&b=2", {"data": "a=1&b=2"}),
        ("application/octet-stream", b'{"a":1}', {"data_base64": b64encode(b'{"a":1}').decode()}),
        ("image/png", b"\x89PNG", {"data_base64": b64encode(b"\x89PNG").decode()}),
        ("", b'{"a":1}', {"data": {"a": 1}}),
        ("", b"not json", {"data_base64": b64encode(b"not json").decode()}),
        ("application/json", b"", {}),
        ("text/plain", b"", {}),
    ],
)
def test_the_body_is_the_data(content_type: str, body: bytes, member: dict[str, Any]) -> None:
    headers = {"ce-id": "1"} | ({"content-type": content_type} if content_type else {})
    event = bound(headers, body)
    expected = {"id": "1", **member}
    if content_type:
        expected["datacontenttype"] = content_type
    assert event == expected


@pytest.mark.parametrize(
    "body",
    [b'1, "id": "2"', b"{", b"NaN", b"{}{}", b'"\xff"', b"[1,]", b"\xef\xbb\xbf{}", b"[" * 100_000],
)
def test_a_json_body_that_is_none_cannot_break_out(body: bytes) -> None:
    reason = refusal({"ce-id": "1", "content-type": "application/json"}, body)
    assert reason in ("not_json", "not_utf8")


def test_the_same_request_always_gives_the_same_bytes() -> None:
    headers = {f"ce-{name}": value for name, value in ATTRIBUTES.items()}
    backwards = dict(reversed(headers.items()))
    assert bind(headers, b"1").events == bind(backwards, b"1").events


# What the content type says ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+xml",
        "application/cloudevents+avro",
        "application/cloudevents",
        "application/cloudevents-batch",
        "application/cloudevents+json; charset=klingon",
        "application/cloudevents-batch+json; charset=punycode",
    ],
)
def test_formats_that_are_not_read_are_unsupported(content_type: str) -> None:
    with pytest.raises(ProblemError) as caught:
        bind({"content-type": content_type, "ce-id": "1"}, b"{}")
    assert caught.value.problem.kind.status == 415
    hints = caught.value.problem.headers
    assert JSON in hints.get("Accept", "") or "utf-8" in hints.get("Accept-Charset", "")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "nonsense"])
def test_without_ce_headers_it_is_no_event(content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    assert refusal(headers, b'{"specversion":"1.0"}') == Reason.NOT_AN_EVENT


@pytest.mark.parametrize(
    ("text", "essence", "charset"),
    [
        ("Application/CloudEvents+JSON ; Charset=UTF-8", JSON, "utf-8"),
        (f'{JSON}; a=b; charset="utf-16"', JSON, "utf-16"),
        (f"{JSON};", JSON, None),
        (f"{JSON};;;=;charset", JSON, None),
        ("", "", None),
        ("\x00; charset=\r\nx: y", "\x00", None),
    ],
)
def test_media_types_are_read(text: str, essence: str, charset: str | None) -> None:
    media_type = parse_media_type(text)
    assert media_type.essence == essence
    if charset or "\r" not in text:
        assert media_type.charset == charset


@some_examples
@given(st.text())
def test_no_content_type_is_too_strange(text: str) -> None:
    parse_media_type(text)


def test_other_charsets_are_read() -> None:
    event = {**ATTRIBUTES, "subject": "é"}
    body = json.dumps(event, ensure_ascii=False)
    for charset in ("iso-8859-1", "utf-16", "UTF-16LE", "windows-1252"):
        headers = {"content-type": f"{JSON}; charset={charset}"}
        assert bound(headers, body.encode(charset)) == event
    assert refusal({"content-type": f"{JSON}; charset=utf-16"}, b"x") == Reason.NOT_UTF8


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "empty_batch"),
        (b"{}", "not_json"),
        (b"[", "not_json"),
        (b"", "not_json"),
        (b"[\xff]", "not_utf8"),
        (b"[" * 300, "too_deep"),
    ],
)
def test_a_batch_that_cannot_be_told_apart_is_refused(body: bytes, reason: str) -> None:
    assert refusal({"content-type": BATCH}, body) == reason


def test_a_body_may_be_packed() -> None:
    body = json.dumps(ATTRIBUTES).encode()
    headers = {"content-type": JSON, "content-encoding": "gzip"}
    assert bound(headers, gzip.compress(body)) == ATTRIBUTES
    assert refusal(headers, body) == "bad_compression"
    assert refusal(headers, gzip.compress(body)[:-4]) == "bad_compression"
    assert refusal(headers, gzip.compress(bytes(40_000_000))) == "too_large"
    assert refusal(headers | {"content-encoding": "br"}, body) == "unsupported_media_type"


# The CloudEvents SDK as client -------------------------------------------------------------------

NAMES = st.text("abcxyz0189", min_size=1, max_size=12).filter(
    lambda name: name not in {"data", "datacontenttype", "dataschema", "time", "subject"}
)
TEXTS = st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=30).filter(
    lambda text: text.strip(" \t") == text
)
PAYLOADS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def of_the_sdk(attributes: dict[str, Any]) -> dict[str, Any]:
    """The SDK wants a datetime where the wire has RFC 3339."""
    return attributes | {"time": datetime.fromisoformat(attributes["time"])}


@some_examples
@given(st.dictionaries(NAMES, TEXTS, max_size=5), TEXTS, PAYLOADS)
def test_what_the_sdk_sends_in_binary_mode_is_read(
    extensions: dict[str, str], subject: str, payload: Any
) -> None:
    attributes = {
        **extensions,
        **ATTRIBUTES,
        "subject": subject,
        "datacontenttype": "application/json",
    }
    data = {"payload": payload}
    message = to_binary(CloudEvent(of_the_sdk(attributes), data), JSONFormat())
    assert bound(message.headers, message.body) == attributes | {"data": data}


@some_examples
@given(st.dictionaries(NAMES, TEXTS, max_size=5), PAYLOADS)
def test_what_the_sdk_sends_in_structured_mode_is_read(
    extensions: dict[str, str], payload: Any
) -> None:
    attributes = {**extensions, **ATTRIBUTES}
    message = to_structured(CloudEvent(of_the_sdk(attributes), {"payload": payload}), JSONFormat())
    assert bound(message.headers, message.body) == attributes | {"data": {"payload": payload}}


@some_examples
@given(st.dictionaries(NAMES, TEXTS, max_size=5), st.binary(min_size=1))
def test_bytes_survive_binary_mode(extensions: dict[str, str], payload: bytes) -> None:
    attributes = {**extensions, **ATTRIBUTES, "datacontenttype": "application/octet-stream"}
    headers = {f"ce-{k}": quote(v) for k, v in attributes.items() if k != "datacontenttype"}
    headers["content-type"] = "application/octet-stream"
    event = bound(headers, payload)
    assert event == attributes | {"data_base64": b64encode(payload).decode()}


@some_examples
@given(
    st.dictionaries(st.text(max_size=10).map(lambda t: f"ce-{t}".lower()), st.text(), max_size=5),
    st.sampled_from([JSON, BATCH, "application/json", "text/plain", ""]) | st.text(max_size=30),
    st.binary(max_size=50) | PAYLOADS.map(lambda value: json.dumps(value).encode()),
)
def test_nothing_but_the_two_errors_comes_out(
    headers: dict[str, str], content_type: str, body: bytes
) -> None:
    try:
        request = bind(headers | {"content-type": content_type}, body)
    except (Refused, ProblemError):
        return
    if request.mode == "binary":
        json.loads(request.events[0])
