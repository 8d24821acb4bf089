"""A client of the handler: requests in, answers out, as API Gateway would carry them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from minilab.ingest.handler import Handler
from minilab.settings import Settings
from minilab.tenants import Tenant, Tenants
from minilab.tenants.keys import new_key

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
_TEXT = ("application/json", "application/xml")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self.body
        document: dict[str, Any] = self.json()
        assert document["status"] == self.status
        return document


def gateway_event(
    method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> dict[str, Any]:
    """A request as API Gateway hands it to Lambda (HTTP API, payload format 2.0)."""
    headers = {name.lower(): value for name, value in (headers or {}).items()}
    essence = headers.get("content-type", "").partition(";")[0].strip().lower()
    as_text = essence.startswith("text/") or essence in _TEXT
    try:
        text = body.decode() if as_text else base64.b64encode(body).decode()
    except UnicodeDecodeError:
        as_text, text = False, base64.b64encode(body).decode()
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1"},
            "requestId": f"r-{uuid4().hex[:12]}",
            "stage": "$default",
        },
        **({"body": text} if body else {}),
        "isBase64Encoded": bool(body) and not as_text,
    }


@dataclass(frozen=True)
class Client:
    """Speaks to a handler with one tenant's key (or none)."""

    handler: Handler
    key: str | None = None

    def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        sent = {} if self.key is None else {"authorization": f"Bearer {self.key}"}
        event = gateway_event(method, path, sent | dict(headers or {}), body)
        answer = self.handler(json.loads(json.dumps(event)), None)
        content: str = answer["body"]
        assert not answer["isBase64Encoded"]
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        return Answer(answer["statusCode"], headers, content.encode())

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(
        self,
        body: bytes,
        content_type: str | None = STRUCTURED,
        path: str = "/v1/events",
        **headers: str,
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            sent["content-type"] = content_type
        return self.request("POST", path, sent, body)

    def send(self, event: Mapping[str, Any], path: str = "/v1/events") -> Answer:
        return self.post(json.dumps(event).encode(), STRUCTURED, path)

    def send_batch(self, events: Sequence[Any], path: str = "/v1/events") -> Answer:
        return self.post(json.dumps(events).encode(), BATCHED, path)


def new_tenant(
    settings: Settings,
    name: str | None = None,
    *,
    streams: tuple[str, ...] = ("*",),
    rate: int = 100_000,
) -> tuple[str, str]:
    """A tenant of its own name, and its key."""
    name = name or f"t-{uuid4().hex[:8]}"
    text, key = new_key(name, "2026-01-31T00:00:00Z")
    tenant = Tenant(name, "team", "eu", "active", streams, rate, "2026-01-31T00:00:00Z")
    Tenants(settings).create(tenant, key)
    return name, text


def page_viewed(**changes: Any) -> dict[str, Any]:
    """A good event of the stream product."""
    event = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/tests/web",
        "type": "product.page_viewed.v1",
        "time": "2026-01-31T12:00:00Z",
        "data": {"user_id": "u1", "session_id": "s1", "path": "/"},
    }
    return {k: v for k, v in (event | changes).items() if v is not ...}


def received(settings: Settings, queue: str, *, wait: float = 0.0) -> list[dict[str, Any]]:
    """Every message that is in a queue, and takes them out."""
    from minilab import aws

    sqs = aws.client("sqs", settings)
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found: list[dict[str, Any]] = []
    until = time.monotonic() + wait
    while True:
        messages = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found += messages
        if not messages and time.monotonic() >= until:
            return found
