"""An HTTP request as the event that API Gateway hands to Lambda (payload format 2.0).

By the AWS document "Working with AWS Lambda proxy integrations for HTTP APIs". Where it is silent,
this follows what others report of the real gateway:

- ``rawPath`` has its percent-encoding undone, ``rawQueryString`` keeps it;
- a body is text for the media types ``text/*``, ``application/json``, ``application/javascript``
  and ``application/xml``, and base64 for every other one and for none: so also for
  ``application/cloudevents+json``.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

ACCOUNT_ID = "123456789012"
API_ID = "minilab"
STAGE = "$default"

_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})
_NOT_PASSED_ON = frozenset(
    # Cookies have a field of their own; the others are about one connection (RFC 9110, 7.6.1).
    {
        *("cookie", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te"),
        *("trailer", "upgrade", "expect", "content-length"),
    }
)


@dataclass(frozen=True)
class Request:
    """A whole HTTP request. ``headers`` are as they came, repeated ones too; ``path`` is decoded
    and ``query`` is not."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    http_version: str
    source_ip: str
    port: int


def to_event(request: Request) -> dict[str, Any]:
    """The event. As from the gateway, a field without content (cookies, body …) is absent."""
    headers = _headers(request)
    host = headers.get("host", "").partition(":")[0] or "127.0.0.1"
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": STAGE,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": API_ID,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": f"HTTP/{request.http_version}",
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": _request_id(),
            "routeKey": STAGE,
            "stage": STAGE,
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies := _cookies(request.headers):
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = _parameters(request.query)
    if request.body:
        if is_text(headers.get("content-type", "")):
            event["body"] = request.body.decode("utf-8", "replace")
        else:
            event["body"] = base64.b64encode(request.body).decode("ascii")
            event["isBase64Encoded"] = True
    return event


def is_text(content_type: str) -> bool:
    """Whether the gateway passes on a body of this ``content-type`` as text."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in _TEXT_TYPES


def _headers(request: Request) -> dict[str, str]:
    """Names in lower case, repeated ones joined by commas, and what the gateway adds."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        lowered = name.lower()
        if lowered in _NOT_PASSED_ON:
            continue
        headers[lowered] = f"{headers[lowered]},{value}" if lowered in headers else value
    # The gateway reads a request whole, so it knows the length of a chunked one too.
    headers["content-length"] = str(len(request.body))
    if "x-amzn-trace-id" not in headers:
        headers["x-amzn-trace-id"] = f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}"
    _append(headers, "x-forwarded-for", request.source_ip)
    headers["x-forwarded-port"] = str(request.port)
    headers["x-forwarded-proto"] = "http"
    return headers


def _append(headers: dict[str, str], name: str, value: str) -> None:
    headers[name] = f"{headers[name]}, {value}" if name in headers else value


def _cookies(headers: Iterable[tuple[str, str]]) -> list[str]:
    return [
        cookie
        for name, value in headers
        if name.lower() == "cookie"
        for part in value.split(";")
        if (cookie := part.strip())
    ]


def _parameters(query: str) -> dict[str, str]:
    """Decoded; the values of a repeated name are joined by commas."""
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _request_id() -> str:
    """Of the form of an HTTP API's: 15 characters and ``=``."""
    return base64.b64encode(os.urandom(11)).decode("ascii")
