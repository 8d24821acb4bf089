"""The lake bucket, as far as landing writes to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from botocore.exceptions import ClientError

from minilab import aws
from minilab.settings import Settings

_DELETE_BATCH = 1000
"""Keys in one ``DeleteObjects``."""


@dataclass(frozen=True)
class StoredObject:
    key: str
    size: int
    modified: datetime
    """When it was put (UTC)."""


class LakeStore:
    """Objects of one bucket. Every method raises AwsError where S3 refuses or is out of reach."""

    def __init__(self, settings: Settings) -> None:
        self._s3 = aws.client("s3", settings)
        self._bucket = settings.lake_bucket

    def put(self, key: str, content: bytes | pa.Buffer) -> None:
        """Store an object; when this returns, it is durable."""
        with aws.readable_errors(f"Writing s3://{self._bucket}/{key}"):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=memoryview(content).tobytes())

    def get(self, key: str) -> bytes | None:
        """An object's bytes; None where there is none."""
        with aws.readable_errors(f"Reading s3://{self._bucket}/{key}"):
            try:
                body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except ClientError as error:
                if _code(error) in ("NoSuchKey", "404"):
                    return None
                raise
            return body

    def exists(self, key: str) -> bool:
        with aws.readable_errors(f"Looking for s3://{self._bucket}/{key}"):
            try:
                self._s3.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if _code(error) in ("NoSuchKey", "404", "NotFound"):
                    return False
                raise
            return True

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object below ``prefix``, by key."""
        with aws.readable_errors(f"Listing s3://{self._bucket}/{prefix}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    yield StoredObject(entry["Key"], entry["Size"], entry["LastModified"])

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are fine."""
        for start in range(0, len(keys), _DELETE_BATCH):
            some = keys[start : start + _DELETE_BATCH]
            with aws.readable_errors(f"Deleting from s3://{self._bucket}"):
                answer = self._s3.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": [{"Key": key} for key in some], "Quiet": True},
                )
            if errors := answer.get("Errors"):
                raise aws.AwsError(
                    f"Deleting {errors[0].get('Key')} failed: {errors[0].get('Message')}"
                )


def _code(error: ClientError) -> Any:
    return error.response.get("Error", {}).get("Code", "")
