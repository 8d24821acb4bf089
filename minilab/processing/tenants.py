"""What the processor needs to know of tenants."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from minilab.errors import MinilabError
from minilab.settings import Settings
from minilab.tenants.directory import FOUND_SECONDS, Directory
from minilab.tenants.store import Tenants

_THREADS = 8


class TenantFacts:
    """What each tenant's events get, cached for a minute. Not to be shared by threads."""

    def __init__(self, directory: Directory, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._asked: set[str] = set()
        self._forget_at = 0.0
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="tenants")

    @classmethod
    def of(cls, settings: Settings) -> TenantFacts:
        return cls(Directory(Tenants(settings)))

    def fetch(self, names: Iterable[str]) -> None:
        """Look several up at once, so that ``attributes`` finds them; failures show there."""
        if (now := self._clock()) >= self._forget_at:
            self._asked.clear()
            self._forget_at = now + FOUND_SECONDS
        new = set(names) - self._asked
        self._asked |= new
        if len(new) > 1:
            list(self._pool.map(self._try, new))

    def _try(self, name: str) -> None:
        with suppress(MinilabError):
            self._directory.tenant(name)

    def attributes(self, name: str) -> Mapping[str, str]:
        """``tenantplan`` and ``tenantregion``; nothing for a tenant that is not there: its events
        were accepted when it was.

        Raises:
            MinilabError: the table cannot be read, and nothing is remembered.
        """
        tenant = self._directory.tenant(name)
        if tenant is None:
            return {}
        return {"tenantplan": tenant.plan, "tenantregion": tenant.region}
