"""boto3 clients, made once per service and settings, and AWS's errors said in plain words.

Endpoints, credentials and the region come from the environment, as every AWS client reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as AwsConnectionError

from minilab.errors import MinilabError
from minilab.settings import Settings

CONNECT_HINT = (
    'On a laptop: minilab local up --detach && eval "$(minilab local env)". '
    "On AWS: sign in, and set AWS_REGION."
)

_CREDENTIAL_CODES = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


class AwsError(MinilabError):
    """An AWS API could not be reached, or refused."""


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


def check_reachable(settings: Settings) -> str:
    """Ask STS who we are, once and without patience: one answer before long work begins.

    Returns the account's id. ``GetCallerIdentity`` needs no permission.

    Raises:
        AwsError: there are no usable credentials, or nothing answers (after 5 s at most).
    """
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=5)
    with readable_errors("Signing in to AWS"):
        sts = boto3.session.Session(region_name=settings.region).client("sts", config=config)
        return str(sts.get_caller_identity()["Account"])


@contextmanager
def readable_errors(doing: str) -> Iterator[None]:
    """Turn botocore's errors into :class:`AwsError`; ``doing`` begins the message.

    ``doing`` is a phrase such as ``"Creating queue x"``.
    """
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise AwsError(f"{doing} failed: no AWS credentials.", hint=CONNECT_HINT) from error
    except (AwsConnectionError, HTTPClientError) as error:
        message = f"{doing} failed: AWS cannot be reached. {error}"
        raise AwsError(message, hint=CONNECT_HINT) from error
    except ClientError as error:
        answer = error.response.get("Error", {})
        code = answer.get("Code", "")
        hint = CONNECT_HINT if code in _CREDENTIAL_CODES else None
        raise AwsError(f"{doing} failed. {code}: {answer.get('Message')}", hint=hint) from error
    except BotoCoreError as error:
        raise AwsError(f"{doing} failed. {error}") from error
