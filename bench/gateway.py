"""What the laptop's API Gateway costs: a trivial Lambda handler behind it, beside bare ASGI.

    python bench/gateway.py --seconds 3 --rounds 2

The same body (an event of 650 bytes) is posted to both, in turn, by 1, 16 and 128 clients. ``bare``
is an ASGI endpoint under the same uvicorn that parses the body as JSON and answers; ``gateway`` is
the gateway with a handler that does the same.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from load import Load, run

_ANSWER = json.dumps({"status": "accepted", "id": "1", "stream": "product"})
_BODY = json.dumps(
    {
        "specversion": "1.0",
        "id": "0196f3c2-6f6e-7c52-9b5b-3f9d1a2b3c4d",
        "source": "/bench",
        "type": "product.page_viewed.v1",
        "time": "2026-11-26T12:00:00Z",
        "tenant": "acme",
        "data": {"path": "/pricing", "text": "x" * 440},
    }
).encode()


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    body = event["body"]
    json.loads(b64decode(body) if event["isBase64Encoded"] else body)
    headers = {"content-type": "application/json"}
    return {"statusCode": 202, "headers": headers, "body": _ANSWER}


async def bare(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    json.loads(body)
    body = _ANSWER.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_SERVE_BARE = (
    "import gateway, uvicorn; uvicorn.run(gateway.bare, port={port}, loop='uvloop',"
    " http='httptools', ws='none', lifespan='off', access_log=False, log_level='warning')"
)


@contextmanager
def serving(contender: str, extra: list[str]) -> Iterator[tuple[str, psutil.Process]]:
    """Its URL and process; ``extra`` are options of the gateway, such as another handler."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if contender == "bare":
        command = ["-c", _SERVE_BARE.format(port=port)]
    else:
        command = [
            *("-m", "minilab_local.gateway.server", "--handler", "gateway:lambda_handler"),
            *("--port", str(port), *extra),
        ]
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, f"{contender} does not start"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1/events", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(40)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--clients", type=int, action="append")
    parser.add_argument("gateway_options", nargs="*", help="such as: -- --instances 4")
    options = parser.parse_args()
    found: dict[tuple[str, int], list[tuple[Load, float]]] = {}
    for _ in range(options.rounds):
        for contender in ("bare", "gateway"):
            with serving(contender, options.gateway_options) as (url, process):
                for clients in options.clients or (1, 16, 128):
                    _load(url, clients, 0.5)
                    before = _cpu(process)
                    load = _load(url, clients, options.seconds)
                    cost = (_cpu(process) - before) / len(load.latencies)
                    found.setdefault((contender, clients), []).append((load, cost))
    print("| contender | clients | requests/s | p50 ms | p99 ms | server CPU µs/request |")
    print("|---|---|---|---|---|---|")
    for (contender, clients), loads in found.items():
        values = (
            f"{median(load.per_second for load, _ in loads):,.0f}",
            f"{median(load.percentile(50) for load, _ in loads):.2f}",
            f"{median(load.percentile(99) for load, _ in loads):.2f}",
            f"{median(cost for _, cost in loads) * 1e6:.0f}",
        )
        print(f"| {contender} | {clients} | {' | '.join(values)} |")


def _load(url: str, clients: int, seconds: float) -> Load:
    load = run(
        url,
        clients=clients,
        seconds=seconds,
        body=lambda number: _BODY,
        headers={"content-type": "application/json"},
        warm_up=0.0,
    )
    assert set(load.statuses) == {202} and not load.broken, load.summary()
    return load


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
