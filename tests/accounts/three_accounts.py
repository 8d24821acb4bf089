"""An AWS of several accounts, where calls reach what another account owns.

moto keeps accounts apart but serves each call from the caller's own. On AWS a call lands with the
owner that it names: the owner of a queue's address, the account in a table's ARN. Whether the owner
lets the caller in is not decided here: that is in the policies of ``infra/``.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

INGESTION, EVENTS, SHARED = "111111111111", "222222222222", "333333333333"

_OWNER = re.compile(
    rb'"QueueOwnerAWSAccountId": "(\d{12})"'
    rb'|"QueueUrl": "[^"]*/(\d{12})/[^"]*"'
    rb'|"arn:aws:dynamodb:[a-z0-9-]+:(\d{12}):table/[^"]*"'
)
_CALLER = re.compile(r"Credential=(\d{12})/")

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


def _by_owner(app: App) -> App:
    """Give each call to the account that owns what it names; else to the caller's, who signs with
    the account's id as access key."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        caller = _CALLER.search(environ.get("HTTP_AUTHORIZATION", ""))
        account = caller[1] if caller else None
        if "HTTP_X_AMZ_TARGET" in environ:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            owners = {next(filter(None, found.groups())) for found in _OWNER.finditer(body)}
            assert len(owners) <= 1, f"a call names things of several accounts: {body!r}"
            account = owners.pop().decode() if owners else account
        if account:
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = account
        return app(environ, start_response)

    return serve


@contextmanager
def running() -> Iterator[str]:
    """The endpoint's URL."""
    app = _by_owner(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
