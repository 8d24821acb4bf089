"""A lander that ends itself with SIGKILL at a named point: ``python lander.py POINT STREAM``.

STREAM may be ``failed``, which lands the failed queue and the dead letters.

Run as a process of its own by the tests. POINT is ``before:STEP`` or ``after:STEP``, with STEP one
of the effects in the environment, or ``none``. With ``pause:STEP`` it stops there with SIGSTOP and
goes on when it gets SIGCONT.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from minilab.events.registry import load_registry
from minilab.landing import Limits, land
from minilab.landing.environment import Environment
from minilab.settings import Settings


class _Wrapped:
    """Another object's methods, some of them with a deadly step before or after."""

    def __init__(self, inner: Any, wrap: Callable[[str, Any], Any], names: dict[str, str]) -> None:
        self._inner, self._wrap, self._names = inner, wrap, names

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return self._wrap(self._names[name], value) if name in self._names else value


def _deadly(point: str) -> Callable[[str, Any], Any]:
    when, _, step = point.partition(":")

    def wrap(name: str, effect: Any) -> Any:
        def called(*args: Any, **kwargs: Any) -> Any:
            at = name
            if name == "put":
                at = "put-" + str(args[0]).split("/", 1)[0]
            if at != step:
                return effect(*args, **kwargs)
            if when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            if when == "pause":
                os.kill(os.getpid(), signal.SIGSTOP)
            result = effect(*args, **kwargs)
            if when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return called

    return wrap


def main(point: str, stream: str) -> None:
    settings, registry = Settings.from_env(), load_registry()
    wrap = _deadly(point)
    real = Environment.of(settings)

    def opened(open_: Any, names: dict[str, str]) -> Any:
        @contextmanager
        def wrapped(what: Any, limits: Limits) -> Any:
            with open_(what, limits) as source:
                yield _Wrapped(source, wrap, names)

        return wrapped

    environment = replace(
        real,
        ledger=_Wrapped(real.ledger, wrap, {"open": "intent", "close": "close"}),
        store=_Wrapped(real.store, wrap, {"put": "put", "delete": "forget"}),
        register=wrap("register", real.register),
        open_kafka=opened(real.open_kafka, {"acknowledge": "acknowledge"}),
        open_sqs=opened(real.open_sqs, {"delete": "delete"}),
        open_queue=opened(real.open_queue, {"delete": "delete"}),
    )
    limits = Limits(batch_messages=40, workers=1)
    summary = land(settings, registry, [stream], environment=environment, limits=limits)
    print(json.dumps(summary.as_dict(), default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
