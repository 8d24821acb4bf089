"""A Lambda function of this process: a handler imported by its name, run on threads.

Each thread is what an instance is on Lambda: it runs one invocation at a time, and there are no
more of them than there are instances. Unlike Lambda's, they share the handler's module, and one
that hangs cannot be ended; its caller is told in time all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any
from uuid import uuid4

from minilab.errors import MinilabError
from minilab_local.gateway.event import ACCOUNT_ID

log = logging.getLogger(__name__)

MAX_PAYLOAD = 6 * 1024 * 1024
"""Bytes of JSON that a synchronous invocation takes, and returns (AWS: "Lambda quotas")."""

Handler = Callable[[dict[str, Any], Any], Any]


class FunctionError(Exception):
    """The invocation failed. Its cause has been logged, as Lambda does; the caller learns none."""


@dataclass(frozen=True)
class Context:
    """What a handler is told of its invocation; the attributes of Lambda's own context object."""

    function_name: str
    memory_limit_in_mb: str
    deadline: float
    """Of ``time.monotonic()``."""
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    function_version: str = "$LATEST"
    identity: None = None
    client_context: None = None

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        return f"local/[{self.function_version}]"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.deadline - time.monotonic()) * 1000))


@dataclass(frozen=True)
class _Call:
    event: dict[str, Any]
    answer: asyncio.Future[str]
    loop: asyncio.AbstractEventLoop


class Function:
    """Runs ``handler`` on ``instances`` threads; ``timeout`` is an invocation's, in seconds."""

    def __init__(
        self,
        handler: Handler,
        *,
        name: str,
        instances: int,
        timeout: float,
        memory_mb: int = 512,
    ) -> None:
        self.timeout = timeout
        self._handler = handler
        self._name = name
        self._memory_mb = str(memory_mb)  # text, as Lambda's runtime gives it
        # An executor and its futures would cost another 40 µs of CPU a call (bench/gateway.py).
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._instances = instances
        for number in range(instances):
            Thread(target=self._work, name=f"instance-{number}", daemon=True).start()

    async def invoke(self, event: dict[str, Any]) -> Any:
        """Run the handler, when a thread is free, and return what it returned, through JSON.

        Raises:
            FunctionError: it raised, or what it returned is no JSON or too large.
            TimeoutError: it has no answer within the timeout; a call that was still waiting for a
                thread is not made at all.
        """
        loop = asyncio.get_running_loop()
        call = _Call(event, loop.create_future(), loop)
        async with asyncio.timeout(self.timeout):
            self._calls.put(call)
            return json.loads(await call.answer)

    def close(self) -> None:
        """End the threads, each after the call that it runs."""
        for _ in range(self._instances):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if not call.answer.cancelled():
                returned = self._run(call.event)
                with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                    call.loop.call_soon_threadsafe(_settle, call.answer, returned)

    def _run(self, event: dict[str, Any]) -> str | None:
        """What the handler returned, as JSON; None if that failed."""
        context = Context(self._name, self._memory_mb, time.monotonic() + self.timeout)
        try:
            returned = json.dumps(self._handler(event, context), ensure_ascii=False)
            size = len(returned.encode())
        except BaseException:  # SystemExit too: it ends an instance, not the gateway
            log.exception("%s failed (request %s)", self._name, context.aws_request_id)
            return None
        if size > MAX_PAYLOAD:
            log.error("%s returned %d bytes; %d are allowed", self._name, size, MAX_PAYLOAD)
            return None
        return returned


def _settle(answer: asyncio.Future[str], returned: str | None) -> None:
    if answer.done():
        return  # the caller did not wait for it
    if returned is None:
        answer.set_exception(FunctionError())
    else:
        answer.set_result(returned)


def load_handler(name: str) -> Handler:
    """The handler named ``package.module:function``.

    Raises:
        MinilabError: there is none; the message holds what the import said.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise MinilabError(
            f"{name!r} does not name a handler.",
            hint="Write it as package.module:function.",
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise MinilabError(f"The handler {name} cannot be imported: {error}") from error
    handler = getattr(module, attribute, None)
    if not callable(handler):
        raise MinilabError(f"The module {module_name} has no function {attribute}.")
    result: Handler = handler
    return result
