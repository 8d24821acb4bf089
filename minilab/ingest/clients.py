"""boto3 clients for a request's path: somebody is waiting, so they are impatient.

The platform's other clients (``minilab.aws``) wait a minute and try five times, which is right for
a landing run. Here a caller that waits longer than a few seconds is better told to come again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

from minilab.settings import Settings

_CONFIG = Config(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=128,  # as many as an ASGI server has threads, and then some
    tcp_keepalive=True,
    # Half of a request's CPU for a batch of 100, and AWS looks at everything again.
    parameter_validation=False,
    # botocore would build its own, of some twenty parts, twice a call: an eighth of the CPU.
    user_agent="minilab-ingest",
)


@lru_cache(maxsize=64)
def _client(service: str, region: str) -> Any:
    return boto3.session.Session(region_name=region).client(service, config=_CONFIG)  # type: ignore[call-overload]


def client_of(service: str, settings: Settings) -> Callable[[], Any]:
    """Gives the client of a service, made at the first call and shared by threads from then on."""
    return lambda: _client(service, settings.region)
