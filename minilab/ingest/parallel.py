"""Calls that do not wait for each other: a few at once, in threads that are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

_THREADS = 16


class Parallel:
    """Maps a function over some things at once. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_THREADS, thread_name_prefix="ingest")

    def map(self, function: Callable[[A], B], things: Sequence[A]) -> list[B]:
        """The results in the order of the things; one thing costs no thread."""
        if len(things) < 2:
            return [function(thing) for thing in things]
        with self._lock:
            pool = self._pool
        return list(pool.map(in_this_trace(function), things))


def in_this_trace(function: Callable[[A], B]) -> Callable[[A], B]:
    """The function as part of the X-Ray segment that is open here, whichever thread calls it."""
    from minilab.ingest.telemetry import current_segment, resume_segment

    segment = current_segment()
    if segment is None:
        return function

    def traced(thing: A) -> B:
        resume_segment(segment)
        return function(thing)

    return traced
