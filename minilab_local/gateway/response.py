"""What a Lambda function returned, as the HTTP response that API Gateway makes of it.

Response format 2.0 of the AWS document "Working with AWS Lambda proxy integrations for HTTP APIs".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

JSON = "application/json"

# What is said about one connection is the server's to say; lengths are counted here.
_NOT_PASSED_ON = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "date"}
)
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2: token
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_NO_BODY = frozenset({204, 304})


class MalformedResponse(ValueError):
    """The function returned something that the gateway cannot make a response of."""


@dataclass(frozen=True)
class Response:
    """An HTTP response. The names of ``headers`` are in lower case and may repeat."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def with_header(self, name: str, value: str) -> Response:
        return Response(self.status, (*self.headers, (name, value)), self.body)

    @classmethod
    def message(cls, status: int, text: str) -> Response:
        """The gateway's own answer, ``{"message": text}``."""
        body = json.dumps({"message": text}, separators=(",", ":")).encode()
        return cls(status, (("content-type", JSON),), body)


def to_response(returned: Any) -> Response:
    """Interpret a function's return value, which must have come through JSON.

    Without a ``statusCode`` the value itself is the body: 200, ``application/json``.

    Raises:
        MalformedResponse: a field is not what the format says; the text names the field.
    """
    if not isinstance(returned, dict) or "statusCode" not in returned:
        text = returned if isinstance(returned, str) else json.dumps(returned, ensure_ascii=False)
        return Response(200, (("content-type", JSON),), text.encode())
    status = _status(returned["statusCode"])
    headers = _headers(returned.get("headers") or {})
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain; charset=utf-8"))
    headers += _cookies(returned.get("cookies") or [])
    body = b"" if status in _NO_BODY else _body(returned)
    return Response(status, tuple(headers), body)


def _status(value: Any) -> int:
    """A number from 200 to 599, also as text. An interim 1xx cannot be a final answer."""
    try:
        status = int(value)
    except (TypeError, ValueError, OverflowError):
        status = 0
    if not 200 <= status <= 599:
        raise MalformedResponse(f"statusCode {value!r} is no final HTTP status")
    return status


def _headers(headers: Any) -> list[tuple[str, str]]:
    if not isinstance(headers, dict):
        raise MalformedResponse("headers is no object")
    taken = []
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise MalformedResponse(f"{name!r} is no header's name")
        if name.lower() not in _NOT_PASSED_ON:
            taken.append((name.lower(), _value(name, value)))
    return taken


def _cookies(cookies: Any) -> list[tuple[str, str]]:
    if not isinstance(cookies, list):
        raise MalformedResponse("cookies is no list")
    return [("set-cookie", _value("set-cookie", each)) for each in cookies]


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value) if isinstance(value, str | int | float) else None
    if text is None or not _HEADER_VALUE.fullmatch(text):
        raise MalformedResponse(f"{value!r} cannot be the value of the header {name}")
    return text


def _body(returned: dict[str, Any]) -> bytes:
    body = returned.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponse("body is not a string; JSON must be written out")
    if not returned.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedResponse("isBase64Encoded is true, but body is no base64") from None
