"""An append-only file of records, each whole or not there at all.

A record is in the kernel's hands when :meth:`Journal.append` returns: it survives the death of
this process, however it dies, but not the machine's loss of power (nothing is synced to disk).
"""

from __future__ import annotations

import os
import pickle
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FRAME = struct.Struct(">II")  # length and CRC-32 of the payload that follows

Entry = tuple[str, Any]


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lock = threading.Lock()
        self.size = os.fstat(self._file).st_size

    def append(self, kind: str, record: Any) -> None:
        payload = pickle.dumps((kind, record), protocol=5)
        frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        with self._lock:
            written = os.write(self._file, frame)
            while written < len(frame):  # a full disk raises; a short write goes on
                written += os.write(self._file, frame[written:])
            self.size += len(frame)

    def close(self) -> None:
        os.close(self._file)


def read(path: Path) -> Iterator[Entry]:
    """The whole records of a journal, in order; a torn one at the end was never acknowledged.

    The torn end is cut off, so that what is appended next can be read.
    """
    if not path.exists():
        return
    good = 0
    with path.open("rb") as file:
        while True:
            head = file.read(_FRAME.size)
            if len(head) < _FRAME.size:
                break
            length, checksum = _FRAME.unpack(head)
            payload = file.read(length)
            if len(payload) < length or zlib.crc32(payload) != checksum:
                break
            good += _FRAME.size + length
            yield pickle.loads(payload)
    if good < path.stat().st_size:
        os.truncate(path, good)
