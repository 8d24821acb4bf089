"""The laptop's AWS as a process: ``python -m minilab_local.aws.server --home DIR``.

One endpoint on 127.0.0.1 for every service that moto has, with Athena that executes.
"""

from __future__ import annotations

import argparse
import gc
import logging
import logging.handlers
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minilab_local.aws.http import Server, WsgiApp

if TYPE_CHECKING:
    from minilab_local.aws.state import State

log = logging.getLogger("minilab_local.aws")

_BROKER_START_SECONDS = 0.7


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m minilab_local.aws.server", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="where the state lies")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (0: a free one)")
    parser.add_argument("--fd", type=int, help="file descriptor of an open listening socket")
    parser.add_argument(
        "--enforce-iam", action="store_true", help="refuse what the caller's role does not allow"
    )
    options = parser.parse_args(argv)

    options.home.mkdir(parents=True, exist_ok=True)
    _log_to(options.home / "logs")
    listener = _listener(options.port, options.fd)
    app, state = _application(options.home, enforce_iam=options.enforce_iam)
    server = Server(listener, app)
    stopping = threading.Event()

    def stop(signum: int, frame: object) -> None:
        # Not in the signal handler itself: it may run inside a lock that shutdown needs.
        if not stopping.is_set():
            stopping.set()
            threading.Thread(target=_shut_down, args=(server,), name="shutdown").start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # What was just loaded stays; looking through it for garbage again and again costs a third.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    log.info("listening on 127.0.0.1:%d", server.port)
    server.serve_forever()
    server.wait_until_idle()
    state.close()
    log.info("stopped")
    return 0


def _shut_down(server: Server) -> None:
    from minilab_local.aws import sqs

    server.stop_accepting()
    sqs.stop_waiting()


def _application(home: Path, *, enforce_iam: bool) -> tuple[WsgiApp, State]:
    # moto and botocore read these when they are imported.
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    os.environ.setdefault("S3_IGNORE_SUBDOMAIN_BUCKETNAME", "true")
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        os.environ.pop(name, None)

    from minilab_local.aws import repeatable  # noqa: F401, I001 - before any service of moto
    from minilab_local.aws import cloudwatch, glue, objects
    from minilab_local.aws.app import Application
    from minilab_local.aws.state import State
    from minilab_local.iam import guard

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    objects.use_root(home / "objects")
    cloudwatch.install()
    glue.install()
    moto_app = _Moto(DomainDispatcherApplication(create_backend_app))
    state = State(home / "state", moto_app)
    moto_app.install_athena_soon()
    if enforce_iam:
        guard.install(guard.Guard())
    return Application(moto_app, state, guard.installed()), state


class _Moto:
    """moto's application, with the Athena engine behind it before the first call to Athena.

    The engine's libraries take longer to import than all the rest, so the server answers without
    them first and imports them in the background, a moment later: the broker starts meanwhile.
    """

    def __init__(self, app: WsgiApp) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._has_athena = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "/athena/aws4_request" in environ.get("HTTP_AUTHORIZATION", ""):
            self.install_athena()
        return self._app(environ, start_response)

    def install_athena(self) -> None:
        with self._lock:
            if not self._has_athena:
                try:
                    from minilab_local.athena import install
                except ImportError as error:
                    raise RuntimeError(f"the Athena engine cannot be loaded: {error}") from error
                install()
                self._has_athena = True

    def install_athena_soon(self) -> None:
        timer = threading.Timer(_BROKER_START_SECONDS, self.install_athena)
        timer.daemon = True
        timer.start()


def _listener(port: int, fd: int | None) -> socket.socket:
    if fd is not None:
        return socket.socket(fileno=fd)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    return listener


def _log_to(folder: Path) -> None:
    """Errors and news to stderr (which the supervisor keeps), requests to ``access.log``."""
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    access = logging.getLogger("minilab_local.access")
    access.propagate = False
    handler = logging.handlers.RotatingFileHandler(
        folder / "access.log", maxBytes=20_000_000, backupCount=2
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    access.addHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
