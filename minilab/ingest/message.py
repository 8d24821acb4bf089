"""A request and an answer of the API, apart from what carries them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import msgspec

from minilab.ingest.problems import MEDIA_TYPE, Problem

JSON = "application/json"


@dataclass(frozen=True)
class Request:
    id: str
    """Names the request in answers, logs and failed events."""
    route: str
    """Method and path, such as ``POST /v1/events``."""
    headers: Mapping[str, str]
    """Names in lower case; where a header came several times, its values joined by commas."""
    body: bytes
    owner: str = field(default_factory=lambda: uuid4().hex)
    """Tells this attempt from every other, also where a client or gateway names two alike."""

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """The request in an event of API Gateway (HTTP API, payload format 2.0)."""
        context = event.get("requestContext") or {}
        http = context.get("http") or {}
        text = event.get("body") or ""
        return cls(
            id=str(context.get("requestId") or uuid4()),
            route=f"{http.get('method', '')} {event.get('rawPath', '')}",
            headers={
                str(name).lower(): str(value)
                for name, value in (event.get("headers") or {}).items()
            },
            # What is no UTF-8 stays what it is, and is found to be so where the event is read.
            body=b64decode(text)
            if event.get("isBase64Encoded")
            else text.encode("utf-8", "surrogatepass"),
        )


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, msgspec.json.encode(document), JSON, headers or {})


def problem_reply(problem: Problem, request_id: str) -> Reply:
    headers = dict(problem.headers)
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    body = msgspec.json.encode(problem.document(request_id))
    return Reply(problem.kind.status, body, MEDIA_TYPE, headers)
