"""Python's cyclic garbage collector, kept out of the way of very many short-lived objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Messages and rows make no cycles, and there are hundreds of thousands of them: a collection
    amid them only costs time (a third of landing's, see bench/README.md). Reference counting frees
    them all the same."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
