"""An API in a process of its own that ends itself at a named point: ``python sender.py POINT``.

Reads one JSON object from standard input: ``key``, ``content_type`` and ``body``. POINT is
``before:STEP`` or ``after:STEP`` with STEP one of ``claim``, ``send``, ``accept`` and
``send_failed``. Prints the answer, if it gets that far.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from minilab.events.registry import load_registry
from minilab.ingest.api import Api
from minilab.ingest.environment import Environment
from minilab.ingest.handler import make_handler
from minilab.settings import Settings
from tests.ingest.client import Client


class _Wrapped:
    """Another object, some of whose methods are deadly."""

    def __init__(self, inner: Any, wrap: Callable[[str, Any], Any]) -> None:
        self._inner, self._wrap = inner, wrap

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return self._wrap(name, value) if callable(value) else value


def _deadly(point: str) -> Callable[[str, Any], Any]:
    when, _, deadly = point.partition(":")

    def wrap(step: str, effect: Any) -> Any:
        def called(*arguments: Any) -> Any:
            if step == deadly and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = effect(*arguments)
            if step == deadly and when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return called

    return wrap


def main(point: str) -> None:
    wrap = _deadly(point)
    real = Environment.of(Settings.from_env())
    environment = replace(
        real,
        idempotency=_Wrapped(real.idempotency, wrap),
        payloads=_Wrapped(real.payloads, wrap),
        send=wrap("send", real.send),
        send_failed=wrap("send_failed", real.send_failed),
    )
    api = Api(load_registry(), environment)
    given = json.load(sys.stdin)
    client = Client(make_handler(lambda: api), given["key"])
    answer = client.post(given["body"].encode(), given["content_type"])
    print(json.dumps({"status": answer.status, "body": answer.body.decode()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
