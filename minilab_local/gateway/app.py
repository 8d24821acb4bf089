"""The ASGI application: a request becomes an event, the function's answer a response.

Its limits are those of the AWS documents "Quotas for HTTP APIs" and "Lambda quotas".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from minilab_local.gateway.event import Request, to_event
from minilab_local.gateway.function import MAX_PAYLOAD, Function, FunctionError
from minilab_local.gateway.response import MalformedResponse, Response, to_response

log = logging.getLogger(__name__)

MAX_BODY = 10 * 1024 * 1024
MAX_HEAD = 10_240
"""Bytes of the request line and the headers' values together."""

_BODY_SECONDS = 30.0
# A byte of a body becomes at most six of the event (\u00XX), a byte of the head as many twice.
_SURELY_FITS = MAX_PAYLOAD // 6 - 4 * MAX_HEAD

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Refused(Exception):
    """The request is answered without the function."""

    def __init__(self, status: int, text: str) -> None:
        self.response = Response.message(status, text)


class _ClientGone(Exception):
    """The client closed the connection before its request was whole."""


class Gateway:
    """An HTTP API whose one route, ``$default``, is the function."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._reading: set[asyncio.Timeout] = set()
        self._stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._respond(scope, receive)
        except _Refused as refused:
            response = refused.response
            if any(name == b"expect" for name, _ in scope["headers"]):
                # The client may send the body all the same, or not: only the end tells which.
                response = response.with_header("connection", "close")
        except _ClientGone:
            return
        await _send(response, send)

    def stop_reading(self) -> None:
        """Refuse requests of which a part is still to come; whole ones go on to their answer."""
        self._stopping = True
        for timeout in self._reading:
            timeout.reschedule(asyncio.get_running_loop().time())

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        )
        _check_head(scope, headers)
        body = await self._read_body(receive)
        event = to_event(_request(scope, headers, body))
        if len(body) > _SURELY_FITS and len(msgspec.json.encode(event)) > MAX_PAYLOAD:
            raise _Refused(413, "Request Entity Too Large")
        try:
            response = to_response(await self._function.invoke(event))
        except FunctionError:
            response = Response.message(500, "Internal Server Error")
        except MalformedResponse as error:
            log.error("%s %s: %s", scope["method"], scope["path"], error)
            response = Response.message(500, "Internal Server Error")
        except TimeoutError:
            log.error("%s %s: no answer in time", scope["method"], scope["path"])
            response = Response.message(503, "Service Unavailable")
        return response.with_header("apigw-requestid", event["requestContext"]["requestId"])

    async def _read_body(self, receive: Receive) -> bytes:
        """Raises:
        _Refused: the body is too long, or not here in time.
        _ClientGone: the client went away.
        """
        chunks: list[bytes] = []
        length = 0
        try:
            async with asyncio.timeout(0 if self._stopping else _BODY_SECONDS) as timeout:
                self._reading.add(timeout)
                try:
                    while True:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            raise _ClientGone
                        chunks.append(message["body"])
                        length += len(message["body"])
                        if length > MAX_BODY:
                            raise _Refused(413, "Request Entity Too Large")
                        if not message["more_body"]:
                            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
                finally:
                    self._reading.discard(timeout)
        except TimeoutError:
            if self._stopping:
                raise _Refused(503, "Service Unavailable") from None
            raise _Refused(408, "Request Timeout") from None


def _check_head(scope: Scope, headers: tuple[tuple[str, str], ...]) -> None:
    """Refuse what the head alone shows to be too large, before the body is asked for."""
    line = len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"])
    if line + sum(len(value) for _, value in headers) > MAX_HEAD:
        raise _Refused(431, "Request Header Fields Too Large")
    for name, value in headers:
        if name == "content-length" and int(value) > MAX_BODY:  # digits, says the server's parser
            raise _Refused(413, "Request Entity Too Large")


def _request(scope: Scope, headers: tuple[tuple[str, str], ...], body: bytes) -> Request:
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body,
        http_version=scope["http_version"],
        source_ip=scope["client"][0] if scope["client"] else "127.0.0.1",
        port=scope["server"][1],
    )


async def _send(response: Response, send: Send) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
    if response.status not in (204, 304):
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
