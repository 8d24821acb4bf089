"""Receiving for a worker: several threads poll, one takes what came, in batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from minilab.errors import MinilabError
from minilab.processing.environment import SourcePort
from minilab.processing.holding import Holding
from minilab.processing.records import Record

Tell = Callable[[str], None]

_TICK_SECONDS = 0.5
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0


class Pauses:
    """Growing pauses, in seconds."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._next = min(_FIRST_PAUSE_SECONDS, longest)

    def next(self) -> float:
        now, self._next = self._next, min(self._longest, self._next * 2)
        return now


@dataclass(frozen=True)
class Receiving:
    """How to receive."""

    threads: int
    poll_seconds: int
    """Of a long poll."""
    drain: bool
    """Whether to end when nothing waits and nothing is in flight."""


class Receivers:
    """Threads that receive until ``stop`` is set. What they receive is held from then on.

    At most two answers for each thread are received and not taken.
    """

    def __init__(
        self,
        source: SourcePort,
        holding: Holding,
        receiving: Receiving,
        stop: threading.Event,
        tell: Tell,
    ) -> None:
        self._source = source
        self._holding = holding
        self._receiving = receiving
        self._stop = stop
        self._tell = tell
        self._answers: queue.Queue[list[Record]] = queue.Queue(receiving.threads)
        self._may_receive = threading.Event()
        self._may_receive.set()
        self._ended = threading.Event()
        self._error: Exception | None = None
        self._threads = [
            threading.Thread(target=self._receive, name=f"receive-{n}", daemon=True)
            for n in range(receiving.threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        while any(thread.is_alive() for thread in self._threads):
            self._take(_TICK_SECONDS)  # one may wait to hand over what nobody wants any more

    def batches(self, messages: int, size: int) -> Iterator[Sequence[Record]]:
        """What was received, as it comes; an empty batch from time to time while nothing does.

        A batch is closed when it has so many messages or bytes; one answer is never split, so that
        messages of a group stay together. Ends when all that was received has been taken.

        Raises:
            MinilabError: SQS cannot be reached, or refuses, in a drain; else that is waited for.
        """
        while self._is_open():
            batch = self._take(_TICK_SECONDS) or []
            taken = sum(len(record.text) for record in batch)
            while batch and len(batch) < messages and taken < size and (more := self._take(0)):
                batch += more
                taken += sum(len(record.text) for record in more)
            yield batch
        if self._error is not None:
            raise self._error

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Receive nothing meanwhile, but for polls that are under way."""
        self._may_receive.clear()
        try:
            yield
        finally:
            self._may_receive.set()

    def _is_open(self) -> bool:
        """Whether anything may still come."""
        return any(thread.is_alive() for thread in self._threads) or not self._answers.empty()

    def _take(self, seconds: float) -> list[Record] | None:
        try:
            return self._answers.get(block=seconds > 0, timeout=seconds or None)
        except queue.Empty:
            return None

    @property
    def _is_over(self) -> bool:
        return self._stop.is_set() or self._ended.is_set()

    def _receive(self) -> None:
        """One thread."""
        pauses = None
        while not self._is_over:
            if not self._may_receive.wait(_TICK_SECONDS):
                continue
            try:
                records = self._source.receive(self._receiving.poll_seconds)
                if records:
                    self._holding.add(records)
                    self._answers.put(records)
                elif self._receiving.drain and not len(self._holding) and self._source.is_empty():
                    self._ended.set()
                pauses = None
            except MinilabError as error:
                if self._receiving.drain:
                    self._error = error
                    self._ended.set()
                    return
                if pauses is None:
                    pauses = Pauses(_LONGEST_PAUSE_SECONDS)
                    self._tell(f"{error.message} Trying again.")
                self._stop.wait(pauses.next())
            except Exception as error:  # a mistake of ours: told to the thread that takes
                self._error = error
                self._ended.set()
                return
