"""The recorder: told by botocore of each call, it appends what is new to a file of the process.

Only the standard library is imported here: it runs in every process that is watched, before the
program does, and costs it nothing until botocore is imported.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from minilab_local.iam import resources
from tests.support.aws_calls.engine import watch_catalog, watch_executions, watch_store
from tests.support.aws_calls.kafka import watch_kafka
from tests.support.aws_calls.parts import part_of_modules
from tests.support.aws_calls.threads import follow_threads, project_modules

_FLUSH_SECONDS = 1.0

Key = tuple[str, str, str, str, str, str, str]
"""part, caller, service, operation, resource, deployment, database prefix"""


def touched(service: str, operation: str, params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a call does, and to what, as finely as permissions are given: an ARN without region and
    account, and of an object's key its first folder (``raw/*``)."""
    return list(
        dict.fromkeys(
            (done, _S3_FOLDER.sub(r"\1*", _PLACE.sub(r"\1:*:*:", arn)))
            for done, arn in resources.touched(service, operation, params)
        )
    )


_PLACE = re.compile(r"^(arn:aws[a-z-]*:[a-z0-9-]+):[a-z0-9-]+:[0-9]+:")
_S3_FOLDER = re.compile(r"^(arn:aws:s3:::[^/]+/[^/]*/).*", re.DOTALL)


class Recorder:
    """Counts calls in memory; what was not seen before is written at once, counts now and then.

    So a process that is killed loses at most the counts of its last second, and no fact.
    """

    def __init__(self, folder: Path, part: str | None) -> None:
        """``part`` of the platform that this process is; None where its modules tell it."""
        self._folder = folder
        self._part = part
        self._start()
        atexit.register(self._flush)
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._seen: set[Key] = set()
        self._flushed = 0.0
        self._file = self._folder / f"{os.getpid()}-{time.time_ns()}.jsonl"

    def on_call(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        """For botocore's event ``before-parameter-build``, which comes once per API call."""
        self.add_call(model.service_model.service_name, model.name, params)

    def add_call(self, service: str, operation: str, params: Mapping[str, Any]) -> None:
        self.add(service, touched(service, operation, params))

    def add(self, service: str, touches: Sequence[tuple[str, str]]) -> None:
        """Count one call: the operations that it stands for, each with what it is done to."""
        part, caller = self._who()
        environ = os.environ
        env = environ.get("MINILAB_ENV") or "dev"
        prefix = environ.get("MINILAB_DATABASE_PREFIX") or "minilab"
        with self._lock:
            fresh = False
            for operation, resource in touches:
                key = (part, caller, service, operation, resource, env, prefix)
                self._counts[key] += 1
                if key not in self._seen:
                    self._seen.add(key)
                    fresh = True
            if fresh or time.monotonic() - self._flushed > _FLUSH_SECONDS:
                self._write()

    def _who(self) -> tuple[str, str]:
        modules = list(project_modules(sys._getframe(2)))
        part = self._part if self._part is not None else part_of_modules(modules)
        return part, modules[0] if modules else ""

    def _flush(self) -> None:
        with self._lock:
            self._write()

    def _write(self) -> None:
        self._flushed = time.monotonic()
        lines = [json.dumps([*key, n]) for key, n in self._counts.items()]
        self._counts.clear()
        if lines:
            with self._file.open("a") as file:
                file.write("".join(f"{line}\n" for line in lines))


class _OnImport(MetaPathFinder):
    """Does something with a module when it has been imported, once."""

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._then = then

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self._then(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def when_imported(name: str, then: Callable[[ModuleType], None]) -> None:
    if name in sys.modules:
        then(sys.modules[name])
    else:
        sys.meta_path.insert(0, _OnImport(name, then))


def start_recording(folder: Path, part: str | None) -> Recorder:
    """Record this process and its forks from now on, in files of their own in ``folder``."""
    recorder = Recorder(folder, part)

    def watch_botocore(handlers: ModuleType) -> None:
        # Every session that is made from now on registers these.
        handlers.BUILTIN_HANDLERS.append(("before-parameter-build", recorder.on_call))

    if part is None:
        follow_threads()
    when_imported("botocore.handlers", watch_botocore)
    when_imported("confluent_kafka", lambda module: watch_kafka(module, recorder.add))
    engine = "minilab_local.athena"
    when_imported(f"{engine}.catalog", lambda module: watch_catalog(module, recorder.add_call))
    when_imported(f"{engine}.store", lambda module: watch_store(module, recorder.add_call))
    when_imported(f"{engine}.executions", watch_executions)
    return recorder
