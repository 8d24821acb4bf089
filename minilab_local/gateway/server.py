"""The laptop's API Gateway as a process.

``python -m minilab_local.gateway.server --handler package.module:function [--port N | --fd N]``
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import socket
import sys

import uvicorn

from minilab.errors import MinilabError
from minilab_local.gateway.app import Gateway
from minilab_local.gateway.function import Function, load_handler

log = logging.getLogger("minilab_local.gateway")

TIMEOUT_SECONDS = 30.0
"""Longest that an HTTP API waits for its integration (AWS: "Quotas for HTTP APIs")."""


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,  # as on Lambda
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    log.setLevel(logging.INFO)
    # uvicorn raises again, after a graceful stop, the signal that asked for it.
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(0))
    try:
        handler = load_handler(options.handler)
        listener = _listener(options.port, options.fd)
    except MinilabError as error:
        log.error("%s", error)
        return 1
    function = Function(
        handler, name="minilab-ingest", instances=options.instances, timeout=options.timeout
    )
    server = _Server(Gateway(function), stop_seconds=options.timeout + 1)
    log.info("%s behind 127.0.0.1:%d", options.handler, listener.getsockname()[1])
    with contextlib.suppress(SystemExit):
        server.run(sockets=[listener])
    log.info("stopped")
    logging.shutdown()
    function.close()
    os._exit(0)  # a handler that hangs has its thread, which would keep this process from ending


class _Server(uvicorn.Server):
    """uvicorn with its C parser and loop; at its stop, requests that are not whole are refused."""

    def __init__(self, gateway: Gateway, *, stop_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                gateway,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=int(stop_seconds),
            )
        )
        self._gateway = gateway

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._gateway.stop_reading()
        await super().shutdown(sockets)


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m minilab_local.gateway.server", description=__doc__
    )
    parser.add_argument("--handler", required=True, help="package.module:function")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (0: a free one)")
    parser.add_argument("--fd", type=int, help="file descriptor of an open listening socket")
    parser.add_argument(
        "--instances", type=int, default=16, help="invocations at the same time (threads)"
    )
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT_SECONDS, help="seconds for an answer"
    )
    return parser.parse_args(argv)


def _listener(port: int, fd: int | None) -> socket.socket:
    """Raises:
    MinilabError: the port cannot be had.
    """
    if fd is not None:
        return socket.socket(fileno=fd)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        raise MinilabError(f"Port {port} on 127.0.0.1 cannot be had: {error.strerror}.") from None
    listener.listen(512)
    return listener


if __name__ == "__main__":
    sys.exit(main())
