"""One HTTP request to a port of this machine, as a health check makes it."""

from __future__ import annotations

import http.client
from collections.abc import Mapping


def answers(port: int, path: str, timeout: float = 2.0) -> bool:
    """Whether GET of the path is answered 200 within ``timeout`` seconds."""
    try:
        return request(port, "GET", path, timeout) == 200
    except (OSError, http.client.HTTPException):
        return False


def request(
    port: int, method: str, path: str, timeout: float, headers: Mapping[str, str] | None = None
) -> int:
    """The status of the answer.

    Raises:
        OSError, http.client.HTTPException: there is none.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
