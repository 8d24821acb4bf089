"""Claim check: what no message can carry lies on S3, and the message carries where.

The event on the bus has ``dataref`` in the place of its data (CloudEvents extension "Dataref
(Claim Check Pattern)"); landing puts the data back. A key says whose payload it is and what its
bytes are, ``claims/<tenant>/<sha-256>.<kind>``: the same payload is stored once, and what comes
back is checked against its name. S3 deletes claims after ``layout.CLAIMS_DAYS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Literal, cast

from botocore.exceptions import ClientError

from minilab import aws
from minilab.errors import MinilabError
from minilab.lake.layout import CLAIMS_PREFIX, s3_uri
from minilab.settings import Settings

Kind = Literal["json", "base64", "bytes"]
"""What is claimed: ``data`` as JSON text, ``data_base64`` as base64 text, or any bytes."""
_NAME = re.compile(r"(?P<digest>[0-9a-f]{64})\.(?P<kind>json|base64|bytes)")


class ClaimError(MinilabError):
    """A claimed payload is not there, is not what its name says, or is another tenant's."""


class Claims:
    """Payloads below ``claims/`` of one deployment's lake bucket.

    ``client`` makes the S3 client at the first call (None: the deployment's own): most of those who
    may have to claim never do.
    """

    def __init__(self, settings: Settings, client: Callable[[], Any] | None = None) -> None:
        self._client = client or (lambda: aws.client("s3", settings))
        self._bucket = settings.lake_bucket
        self.uri_prefix = s3_uri(self._bucket, CLAIMS_PREFIX)

    def put(self, tenant: str, content: bytes, kind: Kind) -> str:
        """Store a payload and return its URI; when this returns, it is durable.

        Raises:
            AwsError: S3 refuses or cannot be reached.
        """
        key = f"{CLAIMS_PREFIX}{tenant}/{sha256(content).hexdigest()}.{kind}"
        with aws.readable_errors(f"Writing s3://{self._bucket}/{key}"):
            self._client().put_object(Bucket=self._bucket, Key=key, Body=content)
        return s3_uri(self._bucket, key)

    def get(self, tenant: str, uri: str) -> tuple[Kind, bytes]:
        """What was stored under this URI.

        Raises:
            ClaimError: it never will be had: no claim of this tenant, gone, or damaged.
            AwsError: S3 refuses or cannot be reached now.
        """
        prefix = f"{self.uri_prefix}{tenant}/"
        name = _NAME.fullmatch(uri, len(prefix)) if uri.startswith(prefix) else None
        if name is None:
            raise ClaimError(f"{uri[:300]} is no claim of the tenant {tenant}.")
        content = self._read(uri.removeprefix(s3_uri(self._bucket, "")))
        if content is None:
            raise ClaimError(f"{uri} is not there any more.")
        if sha256(content).hexdigest() != name["digest"]:
            raise ClaimError(f"{uri} does not hold the bytes that its name promises.")
        return cast(Kind, name["kind"]), content

    def _read(self, key: str) -> bytes | None:
        with aws.readable_errors(f"Reading s3://{self._bucket}/{key}"):
            try:
                answer: dict[str, Any] = self._client().get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                    return None
                raise
            content: bytes = answer["Body"].read()
            return content
