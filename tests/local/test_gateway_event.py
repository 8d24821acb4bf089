"""Requests as events, beside the example of AWS's document and read by AWS's own library."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from hypothesis import given
from hypothesis import strategies as st

from minilab_local.gateway.event import Request, is_text, to_event

# Of "Working with AWS Lambda proxy integrations for HTTP APIs", payload format 2.0: every field of
# its example, with the type of its value. The API has no authorizers, variables and parameters.
DOCUMENTED = {
    "version": str,
    "routeKey": str,
    "rawPath": str,
    "rawQueryString": str,
    "cookies": list,
    "headers": dict,
    "queryStringParameters": dict,
    "requestContext": {
        "accountId": str,
        "apiId": str,
        "domainName": str,
        "domainPrefix": str,
        "http": {"method": str, "path": str, "protocol": str, "sourceIp": str, "userAgent": str},
        "requestId": str,
        "routeKey": str,
        "stage": str,
        "time": str,
        "timeEpoch": int,
    },
    "body": str,
    "isBase64Encoded": bool,
}

POST = Request(
    method="POST",
    path="/my/path",
    query="parameter1=value1&parameter1=value2&parameter2=value",
    headers=(
        ("Host", "id.execute-api.us-east-1.amazonaws.com"),
        ("Header1", "value1"),
        ("HEADER2", "value1"),
        ("header2", "value2"),
        ("Cookie", "cookie1; cookie2"),
        ("User-Agent", "agent"),
        ("Content-Type", "text/plain"),
        ("Connection", "keep-alive"),
        ("Transfer-Encoding", "chunked"),
    ),
    body=b"Hello from Lambda",
    http_version="1.1",
    source_ip="192.0.2.1",
    port=443,
)


def shape(value: Any, documented: Any) -> Any:
    """The value's types, as deep as the document goes."""
    if isinstance(documented, dict):
        assert isinstance(value, dict)
        return {name: shape(each, documented.get(name)) for name, each in value.items()}
    return type(value)


def test_the_documents_example() -> None:
    event = to_event(POST)
    assert shape(event, DOCUMENTED) == DOCUMENTED
    assert event["version"] == "2.0"
    assert event["routeKey"] == event["requestContext"]["routeKey"] == "$default"
    assert event["requestContext"]["stage"] == "$default"
    assert event["rawPath"] == "/my/path"
    assert event["rawQueryString"] == "parameter1=value1&parameter1=value2&parameter2=value"
    assert event["queryStringParameters"] == {"parameter1": "value1,value2", "parameter2": "value"}
    assert event["cookies"] == ["cookie1", "cookie2"]
    assert event["requestContext"]["domainName"] == "id.execute-api.us-east-1.amazonaws.com"
    assert event["requestContext"]["domainPrefix"] == "id"
    assert event["requestContext"]["http"] == {
        "method": "POST",
        "path": "/my/path",
        "protocol": "HTTP/1.1",
        "sourceIp": "192.0.2.1",
        "userAgent": "agent",
    }
    assert (event["body"], event["isBase64Encoded"]) == ("Hello from Lambda", False)
    headers = event["headers"]
    assert (headers["header1"], headers["header2"]) == ("value1", "value1,value2")
    assert headers["content-length"] == "17"
    assert headers["x-forwarded-for"] == "192.0.2.1"
    assert headers["x-amzn-trace-id"].startswith("Root=1-")
    assert not headers.keys() & {"cookie", "connection", "transfer-encoding"}
    json.dumps(event)


def test_time_and_epoch_are_one_moment() -> None:
    context = to_event(POST)["requestContext"]
    moment = datetime.strptime(context["time"], "%d/%b/%Y:%H:%M:%S %z")
    assert int(moment.timestamp()) == context["timeEpoch"] // 1000


def test_what_is_not_there_is_absent() -> None:
    event = to_event(replace(POST, method="GET", query="", headers=(), body=b""))
    assert not event.keys() & {"body", "cookies", "queryStringParameters"}
    assert event["isBase64Encoded"] is False
    assert event["rawQueryString"] == ""
    assert event["headers"]["content-length"] == "0"
    assert event["requestContext"]["http"]["userAgent"] == ""


def test_a_proxys_forwarded_for_is_kept() -> None:
    event = to_event(replace(POST, headers=(("X-Forwarded-For", "203.0.113.9"),)))
    assert event["headers"]["x-forwarded-for"] == "203.0.113.9, 192.0.2.1"


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/csv", True),
        ("application/xml", True),
        ("application/javascript", True),
        ("application/cloudevents+json", False),
        ("application/x-www-form-urlencoded", False),
        ("application/octet-stream", False),
        ("", False),
    ],
)
def test_which_bodies_are_text(content_type: str, text: bool) -> None:
    assert is_text(content_type) is text
    event = to_event(replace(POST, headers=(("Content-Type", content_type),), body=b"{}"))
    assert (event["body"], event["isBase64Encoded"]) == (("{}", False) if text else ("e30=", True))


tokens = st.text("abcdefghijklmnopqrstuvwxyzABC-_0123456789", min_size=1, max_size=20)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))
SPECIAL = {
    *("cookie", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te"),
    *("trailer", "upgrade", "expect", "content-length", "x-amzn-trace-id", "x-forwarded-for"),
    *("x-forwarded-port", "x-forwarded-proto", "host", "content-type"),
}


@given(headers=st.lists(st.tuples(tokens, values)), body=st.binary(max_size=2000))
def test_headers_and_bytes_arrive_as_they_were_sent(
    headers: list[tuple[str, str]], body: bytes
) -> None:
    headers = [(name, value) for name, value in headers if name.lower() not in SPECIAL]
    headers.append(("content-type", "application/octet-stream"))
    event = to_event(replace(POST, headers=tuple(headers), body=body))
    expected: dict[str, list[str]] = {}
    for name, value in headers:
        expected.setdefault(name.lower(), []).append(value)
    added = SPECIAL - {"content-type"}
    passed_on = {name: value for name, value in event["headers"].items() if name not in added}
    assert passed_on == {name: ",".join(each) for name, each in expected.items()}
    assert base64.b64decode(event.get("body", "")) == body


@given(text=st.text(max_size=500), query=st.lists(st.tuples(tokens, st.text(max_size=30))))
def test_text_and_parameters_as_awss_library_reads_them(
    text: str, query: list[tuple[str, str]]
) -> None:
    request = replace(
        POST,
        query=urlencode(query, errors="surrogatepass"),
        headers=(("content-type", "application/json"), ("x-one", "1")),
        body=text.encode("utf-8", "surrogatepass"),
    )
    read = APIGatewayProxyEventV2(json.loads(json.dumps(to_event(request))))
    readable = request.body.decode("utf-8", "replace")
    assert (read.decoded_body or "") == readable
    assert read.path == "/my/path"
    assert read.http_method == "POST"
    assert read.headers["X-One"] == "1"
    expected: dict[str, list[str]] = {}
    for name, value in query:
        replaced = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        expected.setdefault(name, []).append(replaced)
    assert (read.query_string_parameters or {}) == {n: ",".join(v) for n, v in expected.items()}
