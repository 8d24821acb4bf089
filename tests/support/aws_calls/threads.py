"""Lets a thread's stack go on in that of who gave it its work.

Where modules tell which part calls, a call in a worker thread would be nobody's.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Any

from tests.support.aws_calls.parts import PROJECT

_given_by = threading.local()


def project_modules(frame: FrameType | None) -> Iterator[str]:
    """Modules of the project on the stack, from ``frame`` outwards, across threads."""
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.partition(".")[0] in PROJECT:
            yield name
        frame = frame.f_back
    yield from getattr(_given_by, "modules", ())


@contextmanager
def as_if_given_by(module: str) -> Iterator[None]:
    """In this thread, and in those that it starts: as if a module had given it the work."""
    before = getattr(_given_by, "modules", ())
    _given_by.modules = (*before, module)
    try:
        yield
    finally:
        _given_by.modules = before


def follow_threads() -> None:
    """Remember, from now on, who starts a thread or submits work to a pool."""
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    def start_followed(thread: threading.Thread) -> None:
        thread.run = _going_on(thread.run)  # type: ignore[method-assign]
        start(thread)

    def submit_followed(
        pool: ThreadPoolExecutor, work: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        return submit(pool, _going_on(work), *args, **kwargs)

    threading.Thread.start = start_followed  # type: ignore[method-assign,assignment]
    ThreadPoolExecutor.submit = submit_followed  # type: ignore[method-assign,assignment]


def _going_on(work: Callable[..., Any]) -> Callable[..., Any]:
    modules = tuple(project_modules(sys._getframe(2)))

    def worker(*args: Any, **kwargs: Any) -> Any:
        before = getattr(_given_by, "modules", ())
        _given_by.modules = modules
        try:
            return work(*args, **kwargs)
        finally:
            _given_by.modules = before

    return worker
