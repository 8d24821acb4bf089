"""What the platform knows of a tenant and of an API key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ALL_STREAMS = "*"

Status = Literal["active", "suspended"]


@dataclass(frozen=True)
class Tenant:
    """A customer's organisation. ``name`` is what the events' attribute ``tenant`` says."""

    name: str
    plan: str
    region: str
    status: Status
    streams: tuple[str, ...]
    """Names of streams, or ``ALL_STREAMS`` alone."""
    events_per_second: int
    created_at: str
    """RFC 3339, UTC."""

    def may_use(self, stream: str) -> bool:
        return self.streams == (ALL_STREAMS,) or stream in self.streams


@dataclass(frozen=True)
class ApiKey:
    """A key as it is stored: the secret itself is known to its holder alone."""

    id: str
    tenant: str
    secret_sha256: str
    """Hexadecimal. A secret has 256 random bits, so a plain hash is enough: nothing to guess."""
    created_at: str
    """RFC 3339, UTC."""
    expires_at: int | None = None
    """Second since 1970 from which on it is no longer valid; None: it stays valid."""

    def is_expired(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now
