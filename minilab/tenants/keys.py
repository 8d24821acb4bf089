"""API keys as text: ``mlk_<key id>_<secret>``.

The id finds the key, the secret proves it. The prefix lets a secret scanner recognise a key that
was committed or logged by mistake.
"""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from hmac import compare_digest

from minilab.tenants.model import ApiKey

_SECRET_BYTES = 32
_KEY = re.compile(r"mlk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NO_SECRET = "0" * 64
"""Compared with where there is no key, so that an unknown id takes as long as a wrong secret."""


def new_key(tenant: str, created_at: str) -> tuple[str, ApiKey]:
    """A new key: its text, to be shown once, and what is stored of it."""
    key_id = secrets.token_hex(8)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    return f"mlk_{key_id}_{secret}", ApiKey(key_id, tenant, _hash(secret), created_at)


def split_key(text: str) -> tuple[str, str] | None:
    """Id and secret of a key; None where this is no key."""
    match = _KEY.fullmatch(text)
    return (match[1], match[2]) if match else None


def is_secret_of(secret: str, key: ApiKey | None) -> bool:
    """Whether this is the key's secret, in the same time for every answer."""
    expected = _NO_SECRET if key is None else key.secret_sha256
    return compare_digest(_hash(secret), expected) and key is not None


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
