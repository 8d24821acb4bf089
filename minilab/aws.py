"""boto3 clients, made once per service and settings.

Endpoints, credentials and the region come from the environment, as every AWS client reads them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

from minilab.settings import Settings


@lru_cache(maxsize=64)
def _client(service: str, region: str) -> Any:
    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=32,
    )
    return boto3.session.Session(region_name=region).client(  # type: ignore[call-overload]
        service, config=config
    )


def client(service: str, settings: Settings) -> Any:
    """A client of ``service`` (``"s3"``, ``"sqs"`` …), shared by threads (boto3 clients may be)."""
    return _client(service, settings.region)
