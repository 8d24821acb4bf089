"""What a function returns, as API Gateway answers it: response format 2.0."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilab_local.gateway.response import MalformedResponse, to_response

JSON = ("content-type", "application/json")


@pytest.mark.parametrize(
    ("returned", "body"),
    [
        ("Hello from Lambda!", "Hello from Lambda!"),  # the document's two examples
        ({"message": "Hello from Lambda!"}, '{"message": "Hello from Lambda!"}'),
        ({"body": "no status, so no response", "headers": {"x": "y"}}, None),
        ([1, 2], "[1, 2]"),
        (None, "null"),
        ("ü", "ü"),
    ],
)
def test_without_a_status_the_value_is_the_body(returned: Any, body: str | None) -> None:
    response = to_response(returned)
    assert (response.status, response.headers) == (200, (JSON,))
    assert response.body.decode() == (json.dumps(returned) if body is None else body)


def test_a_whole_response() -> None:
    response = to_response(
        {
            "statusCode": 202,
            "headers": {"Content-Type": "application/json", "X-Number": 7, "x-yes": True},
            "cookies": ["a=1; Secure", "b=2"],
            "body": '{"status":"accepted"}',
        }
    )
    assert response.status == 202
    assert response.headers == (
        JSON,
        ("x-number", "7"),
        ("x-yes", "true"),
        ("set-cookie", "a=1; Secure"),
        ("set-cookie", "b=2"),
    )
    assert response.body == b'{"status":"accepted"}'


def test_what_is_left_out() -> None:
    assert to_response({"statusCode": 200}).headers == (
        ("content-type", "text/plain; charset=utf-8"),
    )
    assert to_response({"statusCode": "404", "body": None}).status == 404
    assert to_response({"statusCode": 204, "body": "never sent"}).body == b""


def test_what_is_the_connections_is_not_the_functions() -> None:
    headers = {"Connection": "close", "Transfer-Encoding": "chunked", "Content-Length": "3"}
    response = to_response({"statusCode": 200, "headers": headers, "body": "longer"})
    assert [name for name, _ in response.headers] == ["content-type"]


@given(body=st.binary(max_size=2000))
def test_bytes_travel_as_base64(body: bytes) -> None:
    encoded = base64.b64encode(body).decode()
    response = to_response({"statusCode": 200, "body": encoded, "isBase64Encoded": True})
    assert response.body == body


@given(body=st.text(max_size=500), name=st.from_regex(r"[A-Za-z0-9-]{1,20}", fullmatch=True))
def test_text_travels_as_utf8(body: str, name: str) -> None:
    response = to_response({"statusCode": 200, "headers": {f"x-{name}": name}, "body": body})
    assert response.body == body.encode("utf-8")
    assert (f"x-{name}".lower(), name) in response.headers


@pytest.mark.parametrize(
    ("returned", "what"),
    [
        ({"statusCode": "fine"}, "statusCode"),
        ({"statusCode": 0}, "statusCode"),
        ({"statusCode": 101}, "statusCode"),
        ({"statusCode": 600}, "statusCode"),
        ({"statusCode": 200, "body": {"not": "written out"}}, "body"),
        ({"statusCode": 200, "body": "!", "isBase64Encoded": True}, "base64"),
        ({"statusCode": 200, "headers": ["x"]}, "headers"),
        ({"statusCode": 200, "headers": {"x": ["a", "b"]}}, "header x"),
        ({"statusCode": 200, "headers": {"x": "a\r\nset-cookie: b"}}, "header x"),
        ({"statusCode": 200, "headers": {"x y": "a"}}, "x y"),
        ({"statusCode": float("inf")}, "statusCode"),
        ({"statusCode": 200, "cookies": ["a\nb"]}, "set-cookie"),
        ({"statusCode": 200, "cookies": 1}, "cookies"),
        ({"statusCode": 200, "headers": {"x": "\u20ac"}}, "header x"),
    ],
)
def test_what_no_response_can_be_made_of(returned: Any, what: str) -> None:
    with pytest.raises(MalformedResponse, match=what):
        to_response(returned)
