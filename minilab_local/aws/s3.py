"""S3 on the laptop: moto's service over files, with a sorted index and a direct path.

What moto does well (versioning, lifecycle, notifications, policies …) stays moto's. The calls that
carry data (PUT, GET with ranges, HEAD, DELETE of an object, the parts of an upload, LIST) are
answered here when they are plain; whatever is not goes the long way through moto. PUT takes
``If-Match`` and ``If-None-Match`` here too: the Kafka broker's storage is built on them.

Kept through a crash: buckets with their settings, objects, versions, tags, unfinished uploads.
"""

from __future__ import annotations

import pickle
import re
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

import moto.s3.models as moto_s3
from moto.s3.utils import _VersionedKeyStore, metadata_from_headers

from minilab_local.aws import objects
from minilab_local.aws.http import FileBody

Record = tuple[Any, ...]
_append: Callable[[Record], None] = lambda record: None  # noqa: E731 - set by install()

# Held while S3's structures change and the change is journalled; never while bytes are written.
lock = threading.RLock()

_LAST = "\U0010ffff"
_MAX_KEYS = 1000


class IndexedKeys(_VersionedKeyStore):
    """moto's objects of one bucket, plus their names in order, plus what was touched."""

    def __init__(self, versions: dict[str, list[Any]] | None = None) -> None:
        super().__init__()
        self.names: list[str] = []
        self.touched: set[str] = set()
        for name, list_ in (versions or {}).items():
            dict.__setitem__(self, name, list_)
        self.names = sorted(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return IndexedKeys, (dict(dict.items(self)),)

    def __setitem__(self, key: str, value: Any) -> None:
        with lock:
            self._note(key)
            super().__setitem__(key, value)

    def setlist(self, key: Any, list_: Any) -> None:
        with lock:
            self._note(key)
            super().setlist(key, list_)

    def pop(self, key: str) -> None:  # type: ignore[override]
        with lock:
            super().pop(key)
            self._forget(key)

    def restore(self, key: str, versions: list[Any] | None) -> None:
        """Set or remove a name as the journal has it, without disposing of anything."""
        if versions is None:
            if key in self:
                dict.pop(self, key)
                self._forget(key)
        else:
            self._note(key)
            dict.__setitem__(self, key, versions)
        self.touched.clear()

    def _note(self, key: str) -> None:
        self.touched.add(key)
        if key not in self:
            insort(self.names, key)

    def _forget(self, key: str) -> None:
        self.touched.add(key)
        del self.names[bisect_left(self.names, key)]

    def take_touched(self) -> set[str]:
        touched, self.touched = self.touched, set()
        return touched

    def names_below(self, prefix: str) -> list[str]:
        """All names that begin with the prefix, in order; looks at no others."""
        with lock:
            first = bisect_left(self.names, prefix)
            return self.names[first : bisect_right(self.names, prefix + _LAST)]


@dataclass
class Page:
    """One page of a listing: objects and common prefixes, and where the next one begins."""

    keys: list[Any]
    folders: list[str]
    next_after: str | None


def page(keys: IndexedKeys, prefix: str, delimiter: str, after: str, limit: int) -> Page:
    """List as S3 does: names in order, those beyond a delimiter rolled up into one folder.

    A folder's many names are jumped over, not read.
    """
    result = Page([], [], None)
    with lock:
        names = keys.names
        at = max(bisect_left(names, prefix), bisect_right(names, after) if after else 0)
        last = ""
        while at < len(names) and names[at].startswith(prefix):
            name = names[at]
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            folder = name[: cut + len(delimiter)] if cut >= 0 else ""
            if folder and folder <= after:  # the page before ended with this folder
                at = bisect_right(names, folder + _LAST)
                continue
            if len(result.keys) + len(result.folders) >= limit:
                result.next_after = last
                break
            if folder:
                at = bisect_right(names, folder + _LAST)
                result.folders.append(folder)
                last = folder
            else:
                at += 1
                found = keys[name]
                if isinstance(found, objects.DiskKey):  # not a delete marker
                    result.keys.append(found)
                    last = name
    return result


class Multipart(moto_s3.FakeMultipart):
    """An upload whose parts are joined on disk, not in memory."""

    def complete(self, body: Iterator[tuple[int, str]]) -> Any:
        chosen = list(body)
        wanted = self.metadata.get("x-amz-checksum-algorithm")
        if not wanted:
            # moto computes a checksum over all bytes when none was asked for; spare that.
            self._check(chosen)
            digests = b"".join(bytes.fromhex(self.parts[n].etag.strip('"')) for n, _ in chosen)
            etag = f"{moto_s3.md5_hash(digests).hexdigest()}-{len(chosen)}"
            checksum = None
        else:
            _, etag, checksum = super().complete(iter(chosen))
        files = [self.parts[number].file for number, _ in chosen]
        bucket = self.bucket_name  # set where the upload begins
        return objects.concatenate(bucket, self.key_name, files, etag), etag, checksum

    def _check(self, chosen: list[tuple[int, str]]) -> None:
        if not chosen:
            raise moto_s3.MalformedXML
        for index, (number, etag) in enumerate(chosen):
            part = self.parts.get(number)
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise moto_s3.InvalidPart()
            last = index == len(chosen) - 1
            if not last and part.contentsize < moto_s3.S3_UPLOAD_PART_MIN_SIZE:
                raise moto_s3.EntityTooSmall()


class LocalS3Backend(moto_s3.S3Backend):
    @property
    def _url_module(self) -> Any:
        import moto.s3.urls

        return moto.s3.urls

    def list_objects(
        self, bucket: Any, prefix: str | None, delimiter: Any, marker: Any, max_keys: Any
    ) -> Any:
        # moto reads every name of the bucket; it is given those below the prefix alone.
        if isinstance(bucket.keys, IndexedKeys):
            names = bucket.keys.names_below(prefix or "")
            found = {name: versions for name in names if (versions := bucket.keys.getlist(name))}
            bucket = _Excerpt(_VersionedKeyStore(found))
        return super().list_objects(bucket, prefix, delimiter, marker, max_keys)

    def create_multipart_upload(self, bucket_name: str, *args: Any, **kwargs: Any) -> Any:
        multipart = super().create_multipart_upload(bucket_name, *args, **kwargs)
        multipart.bucket_name = bucket_name
        return multipart


@dataclass
class _Excerpt:
    keys: _VersionedKeyStore


# The direct path


class Indirect(Exception):
    """This request is moto's to answer (nothing was changed yet)."""


@dataclass(frozen=True)
class Request:
    """What the direct path needs to know of an S3 request in path style."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    environ: dict[str, Any]

    @classmethod
    def of(cls, environ: dict[str, Any]) -> Request:
        raw_path = environ["RAW_URI"].partition("?")[0]
        bucket, _, key = raw_path.lstrip("/").partition("/")
        query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        return cls(environ["REQUEST_METHOD"], unquote(bucket), unquote(key), query, environ)

    def header(self, name: str) -> str:
        return str(self.environ.get("HTTP_" + name.upper().replace("-", "_"), ""))


Answer = tuple[int, dict[str, str], Any]

# Any of these makes a request more than plain.
_NOT_PLAIN = frozenset(
    "HTTP_" + name.upper().replace("-", "_")
    for name in (
        *("origin", "if-modified-since", "if-unmodified-since"),
        *("x-amz-copy-source", "x-amz-tagging", "x-amz-acl", "x-amz-storage-class"),
        *("x-amz-server-side-encryption", "x-amz-website-redirect-location"),
        *("x-amz-server-side-encryption-customer-algorithm", "x-amz-trailer"),
        *("x-amz-object-lock-mode", "x-amz-object-lock-legal-hold"),
        *("x-amz-bypass-governance-retention", "x-amz-mfa", "content-md5"),
    )
)
_METADATA = ("content-encoding", "content-disposition", "content-language", "cache-control")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def answer(environ: dict[str, Any]) -> Answer:
    """Answer one plain data call.

    Raises:
        Indirect: moto must answer it.
    """
    if _NOT_PLAIN & environ.keys() or "HTTP_AUTHORIZATION" not in environ:
        raise Indirect
    if any(key.startswith("HTTP_X_AMZ_GRANT") for key in environ):
        raise Indirect
    request = Request.of(environ)
    handler = _HANDLERS.get((request.method, bool(request.key)))
    owner = moto_s3.s3_backends.bucket_accounts.get(request.bucket)
    if handler is None or owner is None:
        raise Indirect
    partition, bucket_account = owner
    backend = moto_s3.s3_backends[bucket_account][partition]
    bucket = backend.buckets.get(request.bucket)
    if bucket is None or bucket.policy or bucket.cors or bucket.logging:
        raise Indirect
    return handler(backend, bucket, request)


# Sub-resources that moto does not know: it would answer for the bucket or the object instead.
_MISSING = frozenset(
    (
        *("abac", "analytics", "intelligent-tiering", "metadataConfiguration"),
        *("metadataTable", "metrics", "requestPayment", "torrent"),
    )
)


def missing(query: str) -> str | None:
    """The sub-resource that a query string asks for and nobody here has."""
    names = (part.partition("=")[0] for part in query.split("&"))
    return next((name for name in names if name in _MISSING), None)


def _only(request: Request, *names: str) -> None:
    if request.query.keys() - {"x-id", *names}:
        raise Indirect


def _get(backend: Any, bucket: Any, request: Request) -> Answer:
    _only(request)
    key = bucket.keys.get(request.key)
    if not isinstance(key, objects.DiskKey) or key._storage_class != "STANDARD":
        raise Indirect
    if request.header("if-match") or request.header("if-none-match"):
        raise Indirect
    headers = _object_headers(key, request)
    begin, end, status = 0, key.contentsize, 200
    if (wanted := request.header("range")) and (found := _range(wanted, key.contentsize)):
        begin, end = found
        status = 206
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{key.contentsize}"
    if request.method == "HEAD":
        headers["Content-Length"] = str(end - begin)
        return status, headers, b""
    try:
        file = key.path.open("rb")
    except FileNotFoundError:  # overwritten, and swept away, since it was looked up
        raise Indirect from None
    return status, headers, FileBody(file, begin, end - begin)


def _range(wanted: str, size: int) -> tuple[int, int] | None:
    """[begin, end) of a range that can be met; None where it is no single plain range.

    Raises:
        Indirect: it lies beyond the object: moto makes the error.
    """
    match = _RANGE.fullmatch(wanted.strip())
    if not match or wanted.strip() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        if int(last) == 0 or size == 0:
            raise Indirect
        return max(0, size - int(last)), size
    begin = int(first)
    if begin >= size:
        raise Indirect
    end = size if not last else min(int(last) + 1, size)
    return (begin, end) if end > begin else None


def _object_headers(key: objects.DiskKey, request: Request) -> dict[str, str]:
    headers = dict(key.response_dict)
    headers.pop("content-length", None)
    headers.pop("x-amz-sdk-checksum-algorithm", None)
    headers.update(key.metadata)
    headers["Accept-Ranges"] = "bytes"
    if (
        request.header("x-amz-checksum-mode") == "ENABLED"
        and key.checksum_algorithm
        and not request.header("range")
    ):
        value = key.checksum_value
        if key.checksum_type == "COMPOSITE":
            value = f"{value}-{key.checksum_parts}"
        headers[f"x-amz-checksum-{key.checksum_algorithm.lower()}"] = str(value)
        if key.checksum_type:
            headers["x-amz-checksum-type"] = key.checksum_type
    return headers


def _put(backend: Any, bucket: Any, request: Request) -> Answer:
    if "partNumber" in request.query:
        return _put_part(bucket, request)
    _only(request)
    if bucket.object_lock_enabled:
        raise Indirect
    body = _body(request)
    content = objects.write(bucket.name, request.key, body)
    algorithm, checksum = _checksum(request)
    try:
        with changing(bucket, request.key):
            _check_conditions(bucket, request)
            key = backend.put_object(
                bucket.name, request.key, content, checksum_value=checksum or None
            )
            key.set_metadata(metadata_from_headers(_metadata(request)))
            key.set_acl(bucket.acl)
            if algorithm:
                key.checksum_algorithm = algorithm
            headers = dict(key.response_dict)
    except Indirect:
        objects.release(content.file)
        raise
    headers.pop("content-length", None)
    if checksum:
        headers[f"x-amz-checksum-{algorithm.lower()}"] = checksum
    return 200, headers, b""


def _body(request: Request) -> bytes:
    streamed = request.header("x-amz-content-sha256").startswith("STREAMING")
    if streamed or "aws-chunked" in request.header("content-encoding"):
        raise Indirect
    return bytes(request.environ["wsgi.input"].getvalue())


def _checksum(request: Request) -> tuple[str, str]:
    """(algorithm, value) that the client sent, as moto keeps them; the value may be missing."""
    algorithm = request.header("x-amz-sdk-checksum-algorithm")
    value = request.header(f"x-amz-checksum-{algorithm}") if algorithm else ""
    if algorithm and not value:
        raise Indirect  # moto computes it
    return algorithm, value


def _check_conditions(bucket: Any, request: Request) -> None:
    """``If-None-Match: *`` and ``If-Match`` of a conditional write; moto makes the 412."""
    existing = bucket.keys.get(request.key)
    present = isinstance(existing, objects.DiskKey)
    if request.header("if-none-match") and (request.header("if-none-match") != "*" or present):
        raise Indirect
    wanted = request.header("if-match").strip('"')
    if wanted and not (present and existing.etag.strip('"') == wanted):
        raise Indirect


def _metadata(request: Request) -> dict[str, str]:
    """The headers that S3 keeps with an object, in the spelling in which they were sent."""
    environ = request.environ
    headers = {name: request.header(name) for name in _METADATA if request.header(name)}
    if environ.get("HTTP_EXPIRES"):
        headers["expires"] = environ["HTTP_EXPIRES"]
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    spelled = environ.get("moto.preserved_header_names", {})
    for name, value in environ.items():
        if name.startswith("HTTP_X_AMZ_META_"):
            headers[spelled.get(name, name[5:].replace("_", "-")).lower()] = value
    return headers


def _put_part(bucket: Any, request: Request) -> Answer:
    _only(request, "partNumber", "uploadId")
    upload_id, number = request.query.get("uploadId", ""), request.query["partNumber"]
    if upload_id not in bucket.multiparts or not number.isdigit():
        raise Indirect
    if not 1 <= int(number) <= 10_000:
        raise Indirect
    content = objects.write("_parts", f"{request.key}.{number}", _body(request))
    algorithm, checksum = _checksum(request)
    with changing(bucket, upload=upload_id):
        upload = bucket.multiparts.get(upload_id)
        if upload is None:
            objects.release(content.file)
            raise Indirect
        part = upload.set_part(int(number), content)
    headers = {"ETag": part.etag}
    if checksum:
        headers[f"x-amz-checksum-{algorithm.lower()}"] = checksum
    return 200, headers, b""


def _delete(backend: Any, bucket: Any, request: Request) -> Answer:
    _only(request)
    if bucket.versioning_status or bucket.object_lock_enabled:
        raise Indirect
    with changing(bucket, request.key):
        backend.delete_object(bucket.name, request.key)
    return 204, {}, b""


def _list(backend: Any, bucket: Any, request: Request) -> Answer:
    _only(
        request,
        *("list-type", "prefix", "delimiter", "start-after", "continuation-token"),
        *("max-keys", "encoding-type", "fetch-owner"),
    )
    query = request.query
    if query.get("list-type") != "2" or query.get("fetch-owner", "false") != "false":
        raise Indirect
    if not query.get("max-keys", "1000").isdigit():
        raise Indirect
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    token = query.get("continuation-token", "")
    after = query.get("start-after", "")
    if "continuation-token" in query:
        after = _token_after(token)
    limit = min(int(query.get("max-keys", "1000")), _MAX_KEYS)
    found = page(bucket.keys, prefix, delimiter, after, limit) if limit else Page([], [], None)
    url = query.get("encoding-type") == "url"
    show = (lambda text: quote(text, safe="/")) if url else escape
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
        f"<Name>{bucket.name}</Name><Prefix>{show(prefix)}</Prefix><MaxKeys>{limit}</MaxKeys>",
        f"<KeyCount>{len(found.keys) + len(found.folders)}</KeyCount>",
        f"<IsTruncated>{'true' if found.next_after else 'false'}</IsTruncated>",
    ]
    if delimiter:
        parts.append(f"<Delimiter>{show(delimiter)}</Delimiter>")
    if url:
        parts.append("<EncodingType>url</EncodingType>")
    if token:
        parts.append(f"<ContinuationToken>{escape(token)}</ContinuationToken>")
    if query.get("start-after"):
        parts.append(f"<StartAfter>{show(query['start-after'])}</StartAfter>")
    if found.next_after:
        following = _TOKEN + found.next_after.encode().hex()
        parts.append(f"<NextContinuationToken>{following}</NextContinuationToken>")
    for key in found.keys:
        algorithm = key.checksum_algorithm
        checksum = f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm>" if algorithm else ""
        parts.append(
            f"<Contents><Key>{show(key.name)}</Key>"
            f"<LastModified>{key.last_modified_ISO8601}</LastModified>"
            f"<ETag>{escape(key.etag, _QUOTES)}</ETag>{checksum}<Size>{key.contentsize}</Size>"
            f"<StorageClass>{key._storage_class}</StorageClass></Contents>"
        )
    parts += [
        f"<CommonPrefixes><Prefix>{show(folder)}</Prefix></CommonPrefixes>"
        for folder in found.folders
    ]
    parts.append("</ListBucketResult>")
    return 200, {"Content-Type": "application/xml"}, "".join(parts).encode()


_QUOTES = {'"': "&quot;"}
_TOKEN = "after-"


def _token_after(token: str) -> str:
    try:
        return bytes.fromhex(token.removeprefix(_TOKEN)).decode()
    except ValueError:
        raise Indirect from None


_HANDLERS: dict[tuple[str, bool], Callable[[Any, Any, Request], Answer]] = {
    ("GET", True): _get,
    ("HEAD", True): _get,
    ("PUT", True): _put,
    ("DELETE", True): _delete,
    ("GET", False): _list,
}


# Living on: the journal says what a thing is after a change, not what was asked


@contextmanager
def changing(bucket: Any, key: str = "", upload: str = "") -> Iterator[None]:
    """Hold the lock, and journal the state of all that was touched before anybody is answered."""
    with lock:
        yield
        names = bucket.keys.take_touched() | ({key} if key else set())
        if names:
            _journal_keys(bucket, names)
        if upload:
            _journal_upload(bucket, upload)


def _journal_keys(bucket: Any, names: set[str]) -> None:
    tagger = _backend_of(bucket).tagger
    state = {}
    for name in names:
        versions = bucket.keys.getlist(name)
        tags = {}
        for version in versions or ():
            arn = getattr(version, "arn", None)
            if arn and tagger.has_tags(arn):
                tags[arn] = tagger.tags[arn]
        state[name] = (versions, tags)
    _append(("keys", bucket.name, pickle.dumps(state, protocol=5)))


def _journal_upload(bucket: Any, upload_id: str) -> None:
    upload = bucket.multiparts.get(upload_id)
    _append(("upload", bucket.name, upload_id, upload and pickle.dumps(upload, protocol=5)))


def _backend_of(bucket: Any) -> Any:
    return moto_s3.s3_backends[bucket.account_id][bucket.partition]


@contextmanager
def journalled(environ: dict[str, Any]) -> Iterator[None]:
    """Around a request that moto answers and that may change something."""
    request = Request.of(environ)
    with lock:
        before = set(moto_s3.s3_backends.bucket_accounts)
        yield
        after = moto_s3.s3_backends.bucket_accounts
        for name in before - after.keys():
            _append(("bucket", name, None))
        for name in {request.bucket, *(after.keys() - before)} & after.keys():
            partition, owner = after[name]
            bucket = moto_s3.s3_backends[owner][partition].buckets.get(name)
            if bucket is None:
                continue
            if name not in before or not request.key:
                _journal_bucket(bucket)
            with changing(bucket, request.key):
                pass
            if request.key and request.method == "POST":
                _journal_uploads_of(bucket, request)
            elif "uploadId" in request.query:
                _journal_upload(bucket, request.query["uploadId"])


def _journal_uploads_of(bucket: Any, request: Request) -> None:
    """After a POST on a key: a new upload, or one that is completed."""
    ids = {i for i, upload in bucket.multiparts.items() if upload.key_name == request.key}
    for upload_id in ids | {request.query.get("uploadId", "")} - {""}:
        _journal_upload(bucket, upload_id)


def _journal_bucket(bucket: Any) -> None:
    settings = {k: v for k, v in bucket.__dict__.items() if k not in ("keys", "multiparts")}
    arn = getattr(bucket, "arn", "")
    tags = _backend_of(bucket).tagger.get_tag_dict_for_resource(arn)
    record = pickle.dumps((type(bucket), settings, arn, tags), protocol=5)
    _append(("bucket", bucket.name, record))


def redo(record: Record) -> None:
    """Make a journalled change again."""
    kind, name, *rest = record
    owners = moto_s3.s3_backends.bucket_accounts
    if kind == "bucket":
        if rest[0] is None:
            partition, account = owners.pop(name)
            moto_s3.s3_backends[account][partition].buckets.pop(name, None)
            return
        cls, settings, arn, tags = pickle.loads(rest[0])
        owners[name] = (settings["partition"], settings["account_id"])
        backend = moto_s3.s3_backends[settings["account_id"]][settings["partition"]]
        bucket = backend.buckets.get(name)
        if bucket is None:
            bucket = cls.__new__(cls)
            bucket.keys, bucket.multiparts = IndexedKeys(), moto_s3.MultipartDict()
            backend.buckets[name] = bucket
        bucket.__dict__.update(settings)
        backend.tagger.tags.pop(arn, None)
        if tags:
            backend.tagger.tags[arn] = tags
        return
    partition, account = owners[name]
    backend = moto_s3.s3_backends[account][partition]
    bucket = backend.buckets[name]
    match kind:
        case "keys":
            for key, (versions, tags) in pickle.loads(rest[0]).items():
                bucket.keys.restore(key, versions)
                backend.tagger.tags.update(tags)
        case "upload":
            upload_id, state = rest
            if state is None:
                dict.pop(bucket.multiparts, upload_id, None)
            else:
                dict.__setitem__(bucket.multiparts, upload_id, pickle.loads(state))
        case _:
            raise ValueError(f"unknown S3 record {kind!r}")


def named_files() -> set[str]:
    """Every file that an object, a version or a part of an upload names."""
    files = set()
    for account in moto_s3.s3_backends.values():
        for backend in account.values():
            for bucket in backend.buckets.values():
                for versions in dict.values(bucket.keys):
                    files |= {v.file for v in versions if isinstance(v, objects.DiskKey)}
                for upload in bucket.multiparts.values():
                    files |= {part.file for part in upload.parts.values()}
    return files


def install(append: Callable[[Record], None]) -> None:
    """Put this behind moto's S3; ``append`` journals a change before it is acknowledged."""
    global _append
    _append = append
    moto_s3.FakeKey = objects.DiskKey  # type: ignore[misc]
    moto_s3.FakeMultipart = Multipart  # type: ignore[misc]
    moto_s3._VersionedKeyStore = IndexedKeys  # type: ignore[misc]
    moto_s3.S3Backend = LocalS3Backend  # type: ignore[misc]
    moto_s3.s3_backends.backend = LocalS3Backend
