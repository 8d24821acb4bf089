"""Claims in memory, by the same rules as those on S3."""

from __future__ import annotations

from hashlib import sha256

from minilab.aws import AwsError
from minilab.lake.claims import ClaimError, Kind


class FakeClaims:
    """``fetched`` are the URIs that were asked for, in no certain order."""

    uri_prefix = "s3://lake/claims/"

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.away = False
        self._contents: dict[str, bytes] = {}

    def put(self, tenant: str, content: bytes, kind: Kind) -> str:
        uri = f"{self.uri_prefix}{tenant}/{sha256(content).hexdigest()}.{kind}"
        self._contents[uri] = content
        return uri

    def damage(self, uri: str) -> None:
        self._contents[uri] += b" "

    def get(self, tenant: str, uri: str) -> tuple[Kind, bytes]:
        if self.away:
            raise AwsError("S3 is out of reach.")
        self.fetched.append(uri)
        content = self._contents.get(uri)
        if not uri.startswith(f"{self.uri_prefix}{tenant}/") or content is None:
            raise ClaimError(f"{uri} is no claim of the tenant {tenant}.")
        if sha256(content).hexdigest() not in uri:
            raise ClaimError(f"{uri} does not hold the bytes that its name promises.")
        kind: Kind = uri.rsplit(".", 1)[1]  # type: ignore[assignment]
        return kind, content
