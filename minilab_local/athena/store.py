"""The lake's objects: read in this process, written through the server's own endpoint.

Reads are in process, for speed. Writes go over HTTP like any client's, so that whatever the server
does for the durability of a PUT or a DELETE holds for the engine's too.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from minilab_local.athena.errors import NotPermitted, QueryError
from minilab_local.iam.guard import AccessDenied, installed
from minilab_local.iam.resources import implied, s3_object


@dataclass(frozen=True)
class Realm:
    """Whose AWS it is: account and region of the request, and the server's own address; and who
    asked, by the access key, where IAM is enforced: Athena reads and writes as its caller."""

    account: str
    region: str
    endpoint: str
    access_key: str = "athena"

    def require(self, action: str, arn: str, context: Mapping[str, str] | None = None) -> None:
        """What is done here without a call that the server would check.

        Raises:
            NotPermitted: IAM is enforced, and does not allow it.
        """
        if guard := installed():
            try:
                for each, resource in implied(action, arn):
                    guard.require(self.access_key, each, resource, context)
            except AccessDenied as denied:
                raise NotPermitted(str(denied)) from None

    def allows(self, action: str, arn: str) -> bool:
        guard = installed()
        return guard is None or all(
            guard.allows(self.access_key, *question) for question in implied(action, arn)
        )

    def glue_arn(self, resource: str) -> str:
        return f"arn:aws:glue:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True)
class StoredObject:
    bucket: str
    key: str
    size: int
    etag: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@lru_cache(maxsize=32)
def client(service: str, realm: Realm) -> Any:
    """A boto3 client of the server itself, as the account that asked."""
    made = boto3.session.Session(
        aws_access_key_id=realm.access_key, aws_secret_access_key="athena", region_name=realm.region
    ).client(
        service,
        endpoint_url=realm.endpoint,
        config=Config(
            retries={"mode": "standard", "max_attempts": 2},
            max_pool_connections=32,
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    made.meta.events.register(
        "before-call",
        lambda params, **_: params["headers"].__setitem__("x-moto-account-id", realm.account),
    )
    return made


def split(uri: str) -> tuple[str, str]:
    """``s3://bucket/key`` as (bucket, key); ``s3a`` and ``s3n`` are read as ``s3``.

    Raises:
        QueryError: it is no S3 address.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme not in ("s3", "s3a", "s3n"):
        raise QueryError("", f"FAILED: SemanticException '{uri}' is no S3 location (s3://…)")
    bucket, _, key = rest.partition("/")
    return bucket, key


def _objects_on_disk() -> Any:
    try:
        from minilab_local.aws.objects import file_of
    except ImportError:
        return None
    return file_of


class Store:
    """The objects of one account."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self._spill = tempfile.TemporaryDirectory(prefix="minilab-athena-objects-")
        self._spilled: dict[tuple[str, str], tuple[str, Path]] = {}
        self._lock = threading.Lock()

    # Reading, in process

    def _bucket(self, name: str) -> Any:
        from moto.s3.models import s3_backends

        for backend in s3_backends[self.realm.account].values():
            if name in backend.buckets:
                return backend.buckets[name]
        raise QueryError("", f"The specified bucket does not exist (Bucket: {name}; NoSuchBucket)")

    def list(self, bucket: str, prefix: str) -> list[StoredObject]:
        """Every object whose key begins with ``prefix``, in the order of keys."""
        self.realm.require("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": prefix})
        keys = self._bucket(bucket).keys
        found = []
        for name in sorted(k for k in _snapshot(keys) if k.startswith(prefix)):
            entry = keys.get(name)
            if entry is not None and hasattr(entry, "size"):
                found.append(StoredObject(bucket, name, entry.size, entry.etag))
        return found

    def list_data(self, location: str) -> list[StoredObject]:
        """The data files below a table's or partition's location, as Hive sees them: without
        hidden files (a name that begins with ``_`` or ``.``) and empty placeholders."""
        bucket, key = split(location)
        prefix = key if not key or key.endswith("/") else key + "/"
        result = []
        for item in self.list(bucket, prefix):
            parts = item.key[len(prefix) :].split("/")
            if item.size and not any(p.startswith(("_", ".")) for p in parts if p):
                result.append(item)
        if not result and key and not key.endswith("/"):
            result = [o for o in self.list(bucket, key) if o.key == key and o.size]
        return result

    def head(self, bucket: str, key: str) -> StoredObject | None:
        self.realm.require("s3:GetObject", s3_object(bucket, key))
        entry = self._bucket(bucket).keys.get(key)
        if entry is None or not hasattr(entry, "size"):
            return None
        return StoredObject(bucket, key, entry.size, entry.etag)

    def read(self, bucket: str, key: str) -> bytes:
        """The bytes of an object.

        Raises:
            FileNotFoundError: there is no such object.
        """
        self.realm.require("s3:GetObject", s3_object(bucket, key))
        entry = self._bucket(bucket).keys.get(key)
        if entry is None or not hasattr(entry, "value"):
            raise FileNotFoundError(f"s3://{bucket}/{key}")
        return bytes(entry.value)

    def path(self, bucket: str, key: str) -> Path:
        """A file with an object's bytes: the stored one, or a copy where there is none.

        Raises:
            FileNotFoundError: there is no such object.
        """
        self.realm.require("s3:GetObject", s3_object(bucket, key))
        file_of = _objects_on_disk()
        if file_of is not None:
            stored = file_of(bucket, key)
            if stored is not None:
                return Path(stored)
        found = self.head(bucket, key)
        if found is None:
            raise FileNotFoundError(f"s3://{bucket}/{key}")
        with self._lock:
            known = self._spilled.get((bucket, key))
            if known and known[0] == found.etag:
                return known[1]
            target = Path(self._spill.name) / f"{len(self._spilled)}-{Path(key).name[-80:]}"
            target.write_bytes(self.read(bucket, key))
            self._spilled[bucket, key] = (found.etag, target)
            return target

    def derived(self, item: StoredObject, kind: str, make: Callable[[Path, Path], None]) -> Path:
        """A file made from an object's content, once per content: ``make(source, target)``."""
        name = hashlib.sha256(f"{item.uri}\n{item.etag}\n{kind}".encode()).hexdigest()
        target = Path(self._spill.name) / f"derived-{name}"
        if not target.exists():
            unfinished = target.with_name(f"{target.name}-{threading.get_ident()}")
            make(self.path(item.bucket, item.key), unfinished)
            unfinished.rename(target)
        return target

    # Writing, through the endpoint

    def put(self, bucket: str, key: str, body: bytes | Path) -> None:
        """Store bytes, or a file's content, under a key."""
        s3 = client("s3", self.realm)
        try:
            if isinstance(body, Path):
                with body.open("rb") as stream:
                    s3.put_object(Bucket=bucket, Key=key, Body=stream)
            else:
                s3.put_object(Bucket=bucket, Key=key, Body=body)
        except s3.exceptions.NoSuchBucket as e:
            raise QueryError(
                "", f"The specified bucket does not exist (Bucket: {bucket}; NoSuchBucket)"
            ) from e

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        s3 = client("s3", self.realm)
        for chunk in _chunks(list(keys), 1000):
            s3.delete_objects(
                Bucket=bucket, Delete={"Objects": [{"Key": k} for k in chunk], "Quiet": True}
            )


def _snapshot(keys: Any) -> list[str]:
    """The names in a dict that other threads may change meanwhile."""
    while True:
        try:
            return list(dict.keys(keys))
        except RuntimeError:
            continue


def _chunks(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


@lru_cache(maxsize=32)
def store_of(realm: Realm) -> Store:
    return Store(realm)
