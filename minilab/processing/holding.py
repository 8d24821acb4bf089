"""Holding messages: what was received stays ours until it is done, however long that takes.

A received message is hidden from others for the queue's visibility timeout. A thread makes that
longer for all that is held, long before it is over, so that a slow bus does not hand messages to a
second worker and does not use up their tries. SQS allows twelve hours.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from minilab.errors import MinilabError
from minilab.processing.records import Record

_log = logging.getLogger(__name__)


class Holding:
    """What one worker holds. Safe to share between threads.

    ``hide`` makes messages invisible for so many seconds from now and returns those that are not
    ours any more.
    """

    def __init__(
        self, hide: Callable[[Sequence[Record], int], list[Record]], visibility_seconds: int
    ) -> None:
        self._hide = hide
        self._seconds = visibility_seconds
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Record, float]] = {}
        """By message id, with the moment (monotonic) from which it was hidden last."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="hold-messages", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def __len__(self) -> int:
        with self._lock:
            return len(self._held)

    def add(self, records: Iterable[Record]) -> None:
        """These were received just now."""
        now = time.monotonic()
        with self._lock:
            self._held |= {record.message_id: (record, now) for record in records}

    def remove(self, records: Iterable[Record]) -> None:
        """These are done with, or given back."""
        with self._lock:
            for record in records:
                self._remove(record)

    def still(self, records: Iterable[Record]) -> list[Record]:
        """Those of them that are ours still; the others, visible to others by now, are let go."""
        now = time.monotonic()
        ours = []
        with self._lock:
            for record in records:
                held, since = self._held.get(record.message_id, (None, 0.0))
                if held is record and now - since < self._seconds:
                    ours.append(record)
                else:
                    self._remove(record)
        return ours

    def _remove(self, record: Record) -> None:
        held = self._held.get(record.message_id)
        if held is not None and held[0] is record:  # not the same message, received again
            del self._held[record.message_id]

    def _keep(self) -> None:
        while not self._ended.wait(min(1.0, self._seconds / 8)):
            self._extend()

    def _extend(self) -> None:
        now = time.monotonic()
        with self._lock:
            old = [r for r, since in self._held.values() if now - since > self._seconds / 2]
        if not old:
            return
        try:
            lost = self._hide(old, self._seconds)
        except MinilabError as error:
            _log.warning("%s", error.message)
            return
        gone = {record.message_id for record in lost}
        with self._lock:
            for record in old:
                held = self._held.get(record.message_id)
                if held is not None and held[0] is record and record.message_id not in gone:
                    self._held[record.message_id] = (record, now)
