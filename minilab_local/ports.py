"""Ports on 127.0.0.1: the one that is wanted, else the one of the last run, else a free one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from minilab_local.child import StartError


def listen(wanted: int | None, previous: int | None, option: str) -> socket.socket:
    """A listening socket.

    Raises:
        StartError: the port that ``option`` wants is taken.
    """
    for listener in _bound(wanted, previous):
        listener.listen(512)
        return listener
    raise _taken(option, wanted)


def choose(wanted: int | None, previous: int | None, option: str) -> int:
    """A port for a program that opens it itself.

    Raises:
        StartError: the port that ``option`` wants is taken.
    """
    for probe in _bound(wanted, previous):
        with probe:
            return int(probe.getsockname()[1])
    raise _taken(option, wanted)


def _bound(wanted: int | None, previous: int | None) -> Iterator[socket.socket]:
    for port in (wanted,) if wanted else (previous, 0):
        if port is None:
            continue
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(("127.0.0.1", port))
        except OSError:
            bound.close()
            continue
        yield bound


def _taken(option: str, port: int | None) -> StartError:
    return StartError(
        f"Port {port} on 127.0.0.1 cannot be had: another process has it, or it is privileged.",
        hint=f"Name another port, or leave {option} out and a free one is found.",
    )
