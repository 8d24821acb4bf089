"""Load for an HTTP server: N clients with kept connections, each asking as fast as it is answered.

    python bench/load.py http://127.0.0.1:8000/v1/health --clients 16 --seconds 5

Other benchmarks import ``run``. One process, uvloop, httptools: some 15,000 requests a second is
what one core of a laptop gives, so look at ``cpu`` before believing a server's limit to be found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import numpy as np
import uvloop

Body = Callable[[int], bytes]
"""Makes the body of the n-th request of all clients together."""


@dataclass(frozen=True)
class Load:
    """What was measured. ``latencies`` are seconds, one per answered request."""

    clients: int
    seconds: float
    latencies: np.ndarray
    statuses: Counter[int]
    broken: int
    """Requests whose connection ended before their answer."""
    cpu: float
    """The share of one core that this client itself took."""

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """Latency in milliseconds; NaN where nothing was answered."""
        if not len(self.latencies):
            return float("nan")
        return float(np.percentile(self.latencies, percent)) * 1000

    def summary(self) -> dict[str, Any]:
        return {
            "clients": self.clients,
            "requests/s": round(self.per_second),
            "p50 ms": round(self.percentile(50), 2),
            "p99 ms": round(self.percentile(99), 2),
            "statuses": dict(self.statuses),
            "broken": self.broken,
            "client cpu": round(self.cpu, 2),
        }


def run(
    url: str,
    *,
    clients: int,
    seconds: float,
    body: Body | None = None,
    headers: Mapping[str, str] | None = None,
    warm_up: float = 0.5,
) -> Load:
    """Ask ``url`` for ``seconds`` after ``warm_up`` seconds that do not count.

    GET, or POST where ``body`` is given. Requests under way at the end are waited for and count.
    """
    return uvloop.run(_run(url, clients, seconds, body, dict(headers or {}), warm_up))


async def _run(
    url: str,
    clients: int,
    seconds: float,
    body: Body | None,
    headers: dict[str, str],
    warm_up: float,
) -> Load:
    parts = urlsplit(url)
    assert parts.hostname is not None
    head = _head(
        parts.netloc, f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}", headers
    )
    work = _Work(head, body)
    loop = asyncio.get_running_loop()
    address = (parts.hostname, parts.port or 80)
    connections = [
        (await loop.create_connection(lambda: _Client(work, address), *address))[1]
        for _ in range(clients)
    ]
    for connection in connections:
        connection.ask()
    await asyncio.sleep(warm_up)
    started, cpu = work.start_counting()
    await asyncio.sleep(seconds)
    work.finishing = True
    await asyncio.wait([connection.done for connection in connections], timeout=60)
    elapsed = time.perf_counter() - started
    cpu = time.process_time() - cpu
    for connection in connections:
        connection.close()
    return Load(
        clients, elapsed, np.array(work.latencies), work.statuses, work.broken, cpu / elapsed
    )


def _head(netloc: str, target: str, headers: dict[str, str]) -> str:
    lines = [f"{{method}} {target} HTTP/1.1", f"host: {netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines)


class _Work:
    """What the clients ask, and what they found."""

    def __init__(self, head: str, body: Body | None) -> None:
        self._body = body
        method = "GET" if body is None else "POST"
        self._head = head.replace("{method}", method, 1).encode()
        self._number = 0
        self.finishing = False
        self.start_counting()

    def start_counting(self) -> tuple[float, float]:
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.broken = 0
        return time.perf_counter(), time.process_time()

    def next_request(self) -> bytes:
        if self._body is None:
            return self._head + b"\r\n\r\n"
        body = self._body(self._number)
        self._number += 1
        return b"%b\r\ncontent-length: %d\r\n\r\n%b" % (self._head, len(body), body)


class _Client(asyncio.Protocol):
    """One connection, one request at a time; a lost connection is made anew."""

    def __init__(self, work: _Work, address: tuple[str, int]) -> None:
        self._work = work
        self._address = address
        self._transport: asyncio.Transport | None = None
        self._asked = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._parser = httptools.HttpResponseParser(self)

    def ask(self) -> None:
        if self._work.finishing:
            if not self.done.done():
                self.done.set_result(None)
            return
        request = self._work.next_request()
        self._asked = time.perf_counter()
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 100:
            return
        self._work.latencies.append(time.perf_counter() - self._asked)
        self._work.statuses[status] += 1
        self._asked = 0.0
        if self._parser.should_keep_alive():
            # Not from within the parser's own callback.
            asyncio.get_running_loop().call_soon(self.ask)

    def connection_lost(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if self._asked:
            self._work.broken += 1
        self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())

    async def _reconnect(self) -> None:
        while not self._work.finishing:
            try:
                await asyncio.get_running_loop().create_connection(lambda: self, *self._address)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                break
        self.ask()

    def close(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        if self._transport is not None:
            self._transport.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--body", help="POST this text")
    parser.add_argument("--header", action="append", default=[], metavar="NAME:VALUE")
    options = parser.parse_args()
    text = options.body.encode() if options.body is not None else None
    load = run(
        options.url,
        clients=options.clients,
        seconds=options.seconds,
        body=None if text is None else lambda number: text,
        headers=dict(header.split(":", 1) for header in options.header),
    )
    print(json.dumps(load.summary(), indent=1))


if __name__ == "__main__":
    main()
