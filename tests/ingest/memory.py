"""An environment in memory: what the API asks of AWS, for tests of what it makes of requests."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from minilab.bus.failed_queue import FailedRecord
from minilab.bus.ingest_queue import IngestMessage
from minilab.events.registry import load_registry
from minilab.ingest.api import Api
from minilab.ingest.environment import Environment
from minilab.ingest.handler import Handler, make_handler
from minilab.ingest.idempotency import Attempt, Claimed, Conflict, Duplicate, Wanted, Won
from minilab.lake.claims import Kind
from minilab.tenants import ApiKey, Tenant
from minilab.tenants.keys import new_key

CREATED = "2026-01-31T00:00:00Z"


@dataclass
class Memory:
    """All ports at once. Nothing here fails, throttles or forgets."""

    uri_prefix: str = "s3://lake/claims/"
    keys: dict[str, ApiKey] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    counts: dict[tuple[str, int], int] = field(default_factory=dict)
    payloads: dict[str, bytes] = field(default_factory=dict)
    claims: dict[str, tuple[str, str]] = field(default_factory=dict)
    sent: list[IngestMessage] = field(default_factory=list)
    failed: list[FailedRecord] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def new_tenant(self, name: str, *, streams: tuple[str, ...] = ("*",), rate: int = 10**9) -> str:
        """Its key."""
        text, key = new_key(name, CREATED)
        self.keys[key.id] = key
        self.tenants[name] = Tenant(name, "team", "eu", "active", streams, rate, CREATED)
        return text

    def api(self) -> Api:
        environment = Environment(time.time, self, self, self, self, self._send, self._send_failed)
        return Api(load_registry(), environment)

    def handler(self) -> Handler:
        return make_handler(self.api)

    def key(self, key_id: str) -> ApiKey | None:
        return self.keys.get(key_id)

    def tenant(self, name: str) -> Tenant | None:
        return self.tenants.get(name)

    def reserve(self, tenant: str, window: int, events: int, budget: int) -> bool:
        with self.lock:
            count = self.counts.get((tenant, window), 0) + events
            if count > budget:
                return False
            self.counts[tenant, window] = count
            return True

    def put(self, tenant: str, content: bytes, kind: Kind) -> str:
        uri = f"{self.uri_prefix}{tenant}/{len(self.payloads)}.{kind}"
        self.payloads[uri] = content
        return uri

    def claim(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[Claimed]:
        with self.lock:
            return [self._claim(each, attempt) for each in wanted]

    def _claim(self, wanted: Wanted, attempt: Attempt) -> Claimed:
        claimed = self.claims.setdefault(wanted.key, (wanted.fingerprint, attempt.owner))
        if claimed == (wanted.fingerprint, attempt.owner):
            return Won()
        return Duplicate(CREATED) if claimed[0] == wanted.fingerprint else Conflict()

    def accept(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[str]:
        return []

    def release(self, wanted: Sequence[Wanted], attempt: Attempt) -> list[str]:
        raise AssertionError("everything is sent")

    def _send(self, messages: Sequence[IngestMessage]) -> list[str | None]:
        self.sent += messages
        return [None] * len(messages)

    def _send_failed(self, records: Sequence[FailedRecord]) -> list[str | None]:
        self.failed += records
        return [None] * len(records)
