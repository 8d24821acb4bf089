"""S3 objects as plain files below ``<home>/objects/``, one new file per version of an object.

A file is written whole before anything names it and never changed afterwards; an object that is
overwritten or deleted loses its name at once and its file some seconds later, so that a reader
that has just been told of it (DuckDB in the Athena engine) still finds it. A file that no object
names is left over from a crash, and goes at the next start.

The last part of a file's name is the last part of its key, for people who look into the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import moto.s3.models as moto_s3

_GRACE_SECONDS = 30.0
_PLAIN = re.compile(r"[^A-Za-z0-9._=-]+")

_root: Path | None = None
_released: deque[tuple[float, Path]] = deque()
_sweeping = threading.Lock()


@dataclass(frozen=True)
class Content:
    """Bytes that lie on disk already: what an object is made of without reading them again."""

    file: str
    """Relative to the root, so that a home can be moved."""
    size: int
    md5: str


def use_root(root: Path) -> None:
    global _root
    root.mkdir(parents=True, exist_ok=True)
    _root = root


def path_of(file: str) -> Path:
    assert _root is not None, "use_root() comes first"
    return _root / file


def _new_file(bucket: str, key: str) -> str:
    token = secrets.token_hex(8)
    readable = _PLAIN.sub("_", key.rstrip("/").rpartition("/")[2])[-80:]
    return f"{bucket}/{token[:2]}/{token}-{readable}"


def _open_new(file: str) -> Any:
    path = path_of(file)
    try:
        return path.open("wb")
    except FileNotFoundError:  # the first of its folder
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("wb")


def write(bucket: str, key: str, data: bytes) -> Content:
    """Put bytes on disk. Nothing names them until the caller does."""
    file = _new_file(bucket, key)
    with _open_new(file) as output:
        output.write(data)
    return Content(file, len(data), hashlib.md5(data, usedforsecurity=False).hexdigest())


def concatenate(bucket: str, key: str, files: Iterable[str], etag: str) -> Content:
    """One file of several, as completing a multipart upload needs it; not held in memory."""
    file = _new_file(bucket, key)
    with _open_new(file) as output:
        for part in files:
            with path_of(part).open("rb") as source:
                shutil.copyfileobj(source, output, 4 << 20)
        size = output.tell()
    return Content(file, size, etag)


def release(file: str) -> None:
    """Nothing names this file any more: remove it soon."""
    _released.append((time.monotonic() + _GRACE_SECONDS, path_of(file)))
    sweep()


def sweep() -> None:
    """Remove the released files whose time has come."""
    if not _sweeping.acquire(blocking=False):
        return
    try:
        while _released and _released[0][0] <= time.monotonic():
            _released.popleft()[1].unlink(missing_ok=True)
    finally:
        _sweeping.release()


def remove_all_but(named: set[str]) -> int:
    """At start: remove the files that no object names. Returns how many there were."""
    assert _root is not None
    strays = [
        path
        for path in _root.rglob("*")
        if path.is_file() and str(path.relative_to(_root)) not in named
    ]
    for path in strays:
        path.unlink()
    for folder in sorted((p for p in _root.rglob("*") if p.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()  # succeeds only where it is empty
    return len(strays)


class DiskKey(moto_s3.FakeKey):
    """moto's object with its bytes in a file instead of a buffer."""

    file: str

    @property
    def value(self) -> bytes:
        return path_of(self.file).read_bytes()

    @value.setter
    def value(self, new: bytes | str | Content) -> None:
        self._value_buffer = None  # type: ignore[assignment]
        if not isinstance(new, Content):
            data = new.encode() if isinstance(new, str) else bytes(new)
            new = write(self.bucket_name or "_parts", str(self.name), data)
        self.file = new.file
        self.contentsize = new.size
        if self._etag is None:
            self._etag = new.md5

    @property
    def etag(self) -> str:
        return f'"{self._etag}"'

    @property
    def path(self) -> Path:
        return path_of(self.file)

    def dispose(self, garbage: bool = False) -> None:
        # moto also calls this when a Python object is collected, which says nothing about the
        # object on S3: copies of it come and go.
        if garbage or self.disposed:
            return
        self.disposed = True
        release(self.file)
        if self.multipart:
            self.multipart.dispose()

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("lock", "_value_buffer")
        return {k: v for k, v in self.__dict__.items() if k not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._value_buffer = None  # type: ignore[assignment]
        self.lock = threading.Lock()


def file_of(bucket: str, key: str) -> Path | None:
    """The plain file that holds an object's bytes now; None where there is no such object.

    For code in the server's own process. Bucket names are unique over all accounts.
    """
    owner = moto_s3.s3_backends.bucket_accounts.get(bucket)
    if owner is None:
        return None
    partition, account = owner
    found = moto_s3.s3_backends[account][partition].buckets[bucket].keys.get(key)
    return found.path if isinstance(found, DiskKey) else None
