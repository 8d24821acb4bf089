"""Makes what moto does with a request repeatable: its clock and its random numbers can be given.

Imported before any of moto's services, because they take ``utcnow`` by name when they are
imported. While :func:`as_of` is active in a thread, moto sees that moment and those random
numbers there; everybody else sees the real ones.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import moto.core.utils
from moto.core.common_models import BaseModel
from moto.moto_api._internal import mock_random
from moto.moto_api._internal.moto_random import MotoRandom


class _Given(threading.local):
    now: datetime.datetime | None = None
    random: Random | None = None


_given = _Given()
_real_utcnow = moto.core.utils.utcnow


def _utcnow() -> datetime.datetime:
    return _given.now or _real_utcnow()


class _Randomness(MotoRandom):
    """moto's one source of random numbers, which follows the thread that asks."""

    def random(self) -> float:
        return _given.random.random() if _given.random else super().random()

    def getrandbits(self, k: int) -> int:
        return _given.random.getrandbits(k) if _given.random else super().getrandbits(k)


@contextmanager
def as_of(now: float, seed: int) -> Iterator[None]:
    """Let moto, in this thread, see this time (seconds since 1970) and this seed's numbers."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC).replace(tzinfo=None)
    _given.now, _given.random = moment, Random(seed)
    try:
        yield
    finally:
        _given.now = _given.random = None


def _untracked(cls: type, *args: object, **kwargs: object) -> object:
    return object.__new__(cls)


def install() -> None:
    moto.core.utils.utcnow = _utcnow
    mock_random.__class__ = _Randomness
    # moto keeps every model object it ever made, for its decorators' sake: a leak in a server.
    BaseModel.__new__ = _untracked  # type: ignore[method-assign,assignment]


install()
