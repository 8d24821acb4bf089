"""One set of AWS clients for a whole `dbt build`.

dbt-athena 1.11 makes a boto3 session and an Athena client for every node, and a Glue or S3 client
for every look at a table: some 200 of them in a build of this project, which took a third of its
time. boto3's clients may be shared by threads (boto3 guide, "Clients: Caveats"), so here each kind
is made once. A build takes the same credentials throughout, and nothing is kept after it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any


class SharedSession:
    """A boto3 session that makes each kind of client once; all else is the session's own."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._clients: dict[tuple[object, ...], Any] = {}
        self._lock = threading.Lock()  # sessions, unlike clients, are not safe to share

    def client(self, service: str, **options: Any) -> Any:
        key = (service, *sorted((name, _comparable(value)) for name, value in options.items()))
        with self._lock:
            if key not in self._clients:
                # A copy, because making a client writes into its configuration.
                self._clients[key] = self._session.client(service, **deepcopy(options))
            return self._clients[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


@contextmanager
def shared_clients() -> Iterator[None]:
    """While this lasts, all of dbt-athena's connections have one :class:`SharedSession`."""
    from dbt.adapters.athena.connections import AthenaConnection

    make_session = AthenaConnection.__init__.__defaults__[0]
    lock = threading.Lock()
    made: list[SharedSession] = []

    def shared(connection: Any) -> SharedSession:
        with lock:
            if not made:
                made.append(SharedSession(make_session(connection)))
            return made[0]

    AthenaConnection.__init__.__defaults__ = (shared,)
    try:
        yield
    finally:
        AthenaConnection.__init__.__defaults__ = (make_session,)


def _comparable(value: Any) -> str:
    """Two ``botocore.config.Config`` with the same options are the same to us."""
    return repr(getattr(value, "_user_provided_options", value))
