"""Tenants and keys as a busy process sees them: read once a minute, not once a request.

So a change is known everywhere within a minute, and a new key within ten seconds of a first try
that came too early.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from minilab.tenants.model import ApiKey, Tenant
from minilab.tenants.store import Tenants

FOUND_SECONDS = 60.0
MISSING_SECONDS = 10.0
_MOST = 10_000
"""Entries of each kind: somebody who tries keys cannot fill the memory."""

V = TypeVar("V")


class Directory:
    """Cached lookups. Safe to share between threads."""

    def __init__(self, tenants: Tenants, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys: Cache[ApiKey] = Cache(tenants.key, clock)
        self._tenants: Cache[Tenant] = Cache(tenants.tenant, clock)

    def key(self, key_id: str) -> ApiKey | None:
        """Raises MinilabError where the table cannot be read and nothing is remembered."""
        return self._keys.get(key_id)

    def tenant(self, name: str) -> Tenant | None:
        """Raises MinilabError where the table cannot be read and nothing is remembered."""
        return self._tenants.get(name)


class Cache(Generic[V]):
    """Remembers what ``load`` said: what is there for a minute, what is not for ten seconds.

    What is not there has room of its own, so that it cannot push out what is.
    """

    def __init__(
        self, load: Callable[[str], V | None], clock: Callable[[], float], most: int = _MOST
    ) -> None:
        self._load = load
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, V]] = {}
        self._missing: dict[str, float] = {}

    def get(self, name: str) -> V | None:
        """Raises whatever ``load`` raises; that is not remembered."""
        now = self._clock()
        if (entry := self._found.get(name)) is not None and entry[0] > now:
            return entry[1]
        if self._missing.get(name, now) > now:
            return None
        value = self._load(name)
        with self._lock:
            self._found.pop(name, None)
            self._missing.pop(name, None)
            if value is None:
                _make_room(self._missing, self._most)
                self._missing[name] = now + MISSING_SECONDS
            else:
                _make_room(self._found, self._most)
                self._found[name] = (now + FOUND_SECONDS, value)
        return value


def _make_room(entries: dict[str, V], most: int) -> None:
    while len(entries) >= most:
        del entries[next(iter(entries))]  # the one that was read the longest ago
