"""Who is sending: the API key in ``Authorization`` (RFC 6750) and the tenant it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from minilab.ingest.problems import SUSPENDED, UNAUTHENTICATED, Problem, ProblemError
from minilab.tenants.keys import is_secret_of, split_key
from minilab.tenants.model import ApiKey, Tenant

_REALM = 'Bearer realm="minilab"'


class DirectoryPort(Protocol):
    """See :class:`minilab.tenants.directory.Directory`."""

    def key(self, key_id: str) -> ApiKey | None: ...
    def tenant(self, name: str) -> Tenant | None: ...


def authenticate(
    directory: DirectoryPort, headers: Mapping[str, str], now: Callable[[], float]
) -> Tenant:
    """The tenant whose valid key this request bears; ``now`` gives seconds since 1970.

    Raises:
        ProblemError: there is no key, or not a valid one (which of the ways is not told), or the
            tenant is suspended.
        MinilabError: keys cannot be looked up now.
    """
    scheme, _, credentials = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer":
        raise _unauthenticated("Send an API key: Authorization: Bearer mlk_…", _REALM)
    parts = split_key(credentials.strip())
    if parts is None:
        raise _invalid()
    key_id, secret = parts
    key = directory.key(key_id)
    if not is_secret_of(secret, key) or key is None or key.is_expired(now()):
        raise _invalid()
    tenant = directory.tenant(key.tenant)
    if tenant is None:
        raise _invalid()
    if tenant.status != "active":
        raise ProblemError(Problem(SUSPENDED, f"The tenant {tenant.name} is suspended."))
    return tenant


def _invalid() -> ProblemError:
    return _unauthenticated(
        "The API key is not valid: it is unknown, was revoked, or has expired.",
        f'{_REALM}, error="invalid_token"',
    )


def _unauthenticated(detail: str, challenge: str) -> ProblemError:
    headers = {"WWW-Authenticate": challenge}
    return ProblemError(Problem(UNAUTHENTICATED, detail, headers=headers))
