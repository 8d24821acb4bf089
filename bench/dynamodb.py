"""What a call of DynamoDB costs on the laptop: the direct path beside moto's own way, in one run.

    python bench/dynamodb.py [--items 100000] [--seconds 3]

Two servers of the same code run side by side, each with a table of its own, first empty and then
with many items. In one of them moto answers everything (moto's IAM checks are switched on with a
start that is never reached, which is what sends every call through moto). Calls go to one after
the other over one connection each, without a client library, so that what is measured is the
server. Its CPU time a call is the sturdier figure on a busy machine, and the ratio is of it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

TABLE = "bench"

# moto copies the table for each of the hundred actions: minutes for one call
NOT_WAITED_FOR = "TransactWriteItems, 100"


class Dynamo:
    """One connection to one server."""

    def __init__(self, port: int, process: int) -> None:
        self._process = psutil.Process(process)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def wait_until_idle(self) -> None:
        """A server that has just started loads the Athena engine in the background."""
        before, spent = self.cpu_seconds(), 1.0
        while spent > 0.05:
            time.sleep(2)
            spent, before = self.cpu_seconds() - before, self.cpu_seconds()

    def call(self, action: str, request: dict[str, Any]) -> tuple[int, Any]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{action}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAMINILABLOCAL0000/20260101/us-east-1"
            "/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
        }
        self._connection.request("POST", "/", json.dumps(request).encode(), headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())


@contextmanager
def server(**environment: str) -> Iterator[Dynamo]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "minilab_local.aws.server", "--home", f"{folder}/home"],
                env={**os.environ, **environment},
                stderr=output,
            )
        try:
            while "listening on" not in log.read_text():
                if process.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(0.05)
            port = int(log.read_text().partition("127.0.0.1:")[2].split()[0])
            yield Dynamo(port, process.pid)
        finally:
            process.kill()
            process.wait()


def item(key: str) -> dict[str, Any]:
    """About 400 bytes, as a record of idempotency or of a ledger has them."""
    return {
        "pk": {"S": key},
        "status": {"S": "COMPLETED"},
        "expires_at": {"N": "1790000000"},
        "counter": {"N": "0"},
        "answer": {"S": "x" * 250},
        "tags": {"M": {"tenant": {"S": "acme"}, "tries": {"N": "1"}}},
    }


def put(key: str) -> dict[str, Any]:
    condition = "attribute_not_exists(pk) OR expires_at < :now"
    return {
        "TableName": TABLE,
        "Item": item(key),
        "ConditionExpression": condition,
        "ExpressionAttributeValues": {":now": {"N": "1700000000"}},
    }


def new() -> str:
    return str(uuid4())


CALLS: dict[str, Callable[[], tuple[str, dict[str, Any]]]] = {
    "GetItem": lambda: ("GetItem", {"TableName": TABLE, "Key": {"pk": {"S": "known-1"}}}),
    "PutItem, condition holds": lambda: ("PutItem", put(new())),
    "PutItem, condition fails": lambda: ("PutItem", put("known-1")),
    "UpdateItem": lambda: (
        "UpdateItem",
        {
            "TableName": TABLE,
            "Key": {"pk": {"S": "known-2"}},
            "UpdateExpression": "SET #s = :s, expires_at = :e ADD #c :one",
            "ExpressionAttributeNames": {"#s": "status", "#c": "counter"},
            "ExpressionAttributeValues": {
                ":s": {"S": "DONE"},
                ":e": {"N": "1800000000"},
                ":one": {"N": "1"},
            },
        },
    ),
    "Query, one item": lambda: (
        "Query",
        {
            "TableName": TABLE,
            "KeyConditionExpression": "pk = :k",
            "ExpressionAttributeValues": {":k": {"S": "known-1"}},
        },
    ),
    "BatchGetItem, 100": lambda: (
        "BatchGetItem",
        {"RequestItems": {TABLE: {"Keys": [{"pk": {"S": f"known-{n}"}} for n in range(100)]}}},
    ),
    "BatchWriteItem, 25": lambda: (
        "BatchWriteItem",
        {"RequestItems": {TABLE: [{"PutRequest": {"Item": item(new())}} for _ in range(25)]}},
    ),
    "TransactWriteItems, 2": lambda: (
        "TransactWriteItems",
        {"TransactItems": [{"Put": put(new())} for _ in range(2)]},
    ),
    "TransactWriteItems, 100": lambda: (
        "TransactWriteItems",
        {"TransactItems": [{"Put": put(new())} for _ in range(100)]},
    ),
}


def prepare(dynamo: Dynamo) -> None:
    dynamo.call(
        "CreateTable",
        {
            "TableName": TABLE,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )
    fill(dynamo, [f"known-{n}" for n in range(100)])


def fill(dynamo: Dynamo, keys: list[str]) -> None:
    for start in range(0, len(keys), 25):
        requests = [{"PutRequest": {"Item": item(key)}} for key in keys[start : start + 25]]
        status, answer = dynamo.call("BatchWriteItem", {"RequestItems": {TABLE: requests}})
        if status != 200:
            raise SystemExit(f"BatchWriteItem: {status} {answer}")


@dataclass
class Measured:
    """Milliseconds of each call, and what the server's CPU spent on an average one."""

    times: list[float]
    cpu: float

    def __str__(self) -> str:
        return f"{statistics.median(self.times):.2f} / {self.cpu:.2f}"


def measure(dynamo: Dynamo, name: str, seconds: float) -> Measured:
    times: list[float] = []
    before = dynamo.cpu_seconds()
    until = time.monotonic() + seconds
    while time.monotonic() < until or not times:
        action, request = CALLS[name]()
        began = time.perf_counter()
        status, answer = dynamo.call(action, request)
        times.append((time.perf_counter() - began) * 1000)
        if status != (400 if "fails" in name else 200):
            raise SystemExit(f"{name}: {status} {answer}")
    return Measured(times, (dynamo.cpu_seconds() - before) * 1000 / len(times))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each kind of call")
    arguments = parser.parse_args()
    with server(INITIAL_NO_AUTH_ACTION_COUNT="1000000000") as moto, server() as ours:
        for dynamo in (moto, ours):
            prepare(dynamo)
            dynamo.wait_until_idle()
        for depth in (100, arguments.items):
            for dynamo in (moto, ours):
                fill(dynamo, [new() for _ in range(depth - 100)])
            print(f"\n{depth:,} items: ms a call, median / the server's CPU")
            print(f"{'':28}{'moto':>20}{'direct':>20}{'moto / direct':>16}")
            for name in CALLS:
                if name == NOT_WAITED_FOR and depth > 10_000:
                    direct = measure(ours, name, arguments.seconds)
                    print(f"{name:28}{'not waited for':>20}{direct!s:>20}", flush=True)
                    continue
                slow, direct = (measure(d, name, arguments.seconds) for d in (moto, ours))
                ratio = slow.cpu / direct.cpu
                print(f"{name:28}{slow!s:>20}{direct!s:>20}{ratio:>16.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
