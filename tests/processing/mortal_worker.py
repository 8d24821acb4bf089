"""Workers that end themselves with SIGKILL, each at a point: ``python mortal_worker.py POINT …``.

Run by the tests; each worker is a process of its own, and this one prints how they ended, as JSON.
POINT is ``before:STEP``, ``amid:deliver`` (half of a
batch is on its bus) or ``after:STEP``, with STEP one of receive, deliver, store (failed events)
and delete.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from minilab.events.registry import load_registry
from minilab.processing.environment import Environment
from minilab.processing.worker import Limits, run
from minilab.settings import Settings


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """Another object, one of whose methods is deadly before, amid or after its work."""

    def __init__(self, inner: Any, method: str, when: str) -> None:
        self._inner, self._method, self._when = inner, method, when

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return self._deadly(name, value) if name == self._method else value

    def _deadly(self, name: str, effect: Callable[..., Any]) -> Callable[..., Any]:
        def called(argument: Any) -> Any:
            given = argument if isinstance(argument, int) else list(argument)
            if self._when == "before" and given:
                die()
            if self._when == "amid" and given:
                effect(given[: len(given) // 2 + 1])
                die()
            result = effect(given)
            if given and not (name == "receive" and not result):
                die()
            return result

        return called


def work(point: str) -> None:
    when, _, step = point.partition(":")
    real = Environment.of(Settings.from_env(), load_registry())
    environment = {
        "receive": lambda: replace(real, source=Mortal(real.source, "receive", when)),
        "deliver": lambda: replace(real, carriers=Mortal(real.carriers, "deliver", when)),
        "store": lambda: replace(real, failed=Mortal(real.failed, "send", when)),
        "delete": lambda: replace(real, source=Mortal(real.source, "delete", when)),
    }[step]()
    run(environment, threading.Event(), limits=Limits(receivers=1, poll_seconds=1))


def main(points: list[str]) -> None:
    workers = {}
    for point in points:
        if not (worker := os.fork()):  # before anything has threads or connections
            signal.alarm(90)  # one that does not come to its point does not stay
            work(point)
            os._exit(0)
        workers[point] = worker
    ends = {p: os.waitstatus_to_exitcode(os.waitpid(w, 0)[1]) for p, w in workers.items()}
    print(json.dumps(ends))


if __name__ == "__main__":
    main(sys.argv[1:])
