"""The ingestion API under load, and where the time of a request goes.

    python bench/ingest.py --seconds 4
    python bench/ingest.py --clients 16 --batch 100 --json
    python bench/ingest.py --only breakdown      # steps, AWS calls and packages of one request
    python bench/ingest.py --processor           # and then the figures of bench/processing.py

Starts a laptop stack of its own, with a tenant whose rate limit is not in the way, and posts events
of 600 bytes, each with an id of its own, to three servers of the same kind (uvicorn, httptools,
uvloop), in turn: ``bare``, an ASGI endpoint that parses the JSON and answers; ``gateway``, the
laptop's API Gateway before a handler that does the same; ``api``, the gateway before the platform's
own handler. CPU is per request: of the server, of the laptop's AWS, of the client.

The breakdown calls the handler in this process, one request at a time, with a clock around each
step; then once more under a profiler that counts CPU.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import dataclasses
import functools
import io
import json
import os
import pstats
import secrets
import statistics
import sys
import tempfile
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import processing
import psutil
from gateway import serving
from load import Body, run

from minilab_local import stack as local_stack
from minilab_local.gateway.event import Request, to_event

API = ("--handler", "minilab.ingest.handler:lambda_handler")
CONTENDERS = {"bare": [], "gateway": [], "api": list(API)}
SINGLE, BATCHED = "application/cloudevents+json", "application/cloudevents-batch+json"
UNLIMITED = 10_000_000
"""Events a second that the benchmark's tenants may send."""


@dataclass(frozen=True)
class Row:
    """One measurement. CPU is in milliseconds a request."""

    round: int
    contender: str
    batch: int
    clients: int
    load_average: float
    """Of the last minute, before it began."""
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu: float
    aws_cpu: float
    client_cpu: float

    @property
    def events_per_second(self) -> float:
        return self.requests_per_second * self.batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--clients", type=int, action="append", help="default: 1, 16 and 128")
    parser.add_argument("--batch", type=int, action="append", help="default: 1 and 100")
    parser.add_argument("--contender", action="append", choices=CONTENDERS)
    parser.add_argument("--only", choices=("load", "breakdown"))
    parser.add_argument("--processor", action="store_true", help="the processor's figures too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.json and options.processor:
        parser.error("--processor prints text: leave --json out")
    batches = options.batch or [1, 100]
    found: dict[str, Any] = {}
    with laptop() as home:
        if options.only != "breakdown":
            rows = measure(home, options, batches)
            found["load"] = [dataclasses.asdict(row) for row in rows]
            if not options.json:
                print_rows(rows)
        if options.only != "load":
            found["breakdown"] = [breakdown(batch) for batch in batches]
            if not options.json:
                print_breakdowns(found["breakdown"])
        if options.processor:
            print(f"\nThe processor (bench/processing.py), load {load_average():.1f}", flush=True)
            amounts = Namespace(messages=2000, packed=300, rounds=1, workers=4, profile=False)
            processing.measure(home, amounts)
    if options.json:
        print(json.dumps(found, indent=1))


# What is measured with ------------------------------------------------------------------------


@contextlib.contextmanager
def laptop() -> Iterator[Path]:
    """The home of a laptop stack that lasts as long; this process's environment leads to it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        os.environ.update(local_stack.start(home, owner=os.getpid()))
        try:
            processing.deploy()
            yield home
        finally:
            local_stack.stop(home)


def new_tenant(events_per_second: int = UNLIMITED) -> tuple[str, str]:
    """Name and API key of a tenant that may send to every stream."""
    from minilab.settings import Settings
    from minilab.tenants import Tenant, Tenants
    from minilab.tenants.keys import new_key

    name, created = f"bench-{secrets.token_hex(4)}", "2026-11-26T12:00:00Z"
    text, key = new_key(name, created)
    tenant = Tenant(name, "enterprise", "eu", "active", ("*",), events_per_second, created)
    Tenants(Settings.from_env()).create(tenant, key)
    return name, text


def bodies(batch: int, stream: str = "product") -> Body:
    """Makes requests' bodies: ``batch`` events each, no two alike."""
    unique = secrets.token_hex(8).encode()
    head, tail = _event(stream).split(b"@")

    def body(number: int) -> bytes:
        events = [b"%b%b-%d-%d%b" % (head, unique, number, n, tail) for n in range(batch)]
        return events[0] if batch == 1 else b"[" + b",".join(events) + b"]"

    return body


def _event(stream: str) -> bytes:
    """One event of 600 bytes without its id, for which ``@`` stands."""
    kind, data = {
        "product": (
            "product.page_viewed.v1",
            {"user_id": "u_12345", "session_id": "s_67890", "path": "/projects" * 34},
        ),
        "billing": (
            "billing.invoice_paid.v1",
            {
                "invoice_id": "in_12345",
                "subscription_id": "sub_12345",
                "amount_cents": 4900,
                "tax_cents": 931,
                "currency": "EUR",
                "period_start": "2026-10-01",
                "period_end": "2026-10-31",
                "paid_at": "2026-11-01T08:00:00Z",
                "note": "paid in time; " * 12,
            },
        ),
    }[stream]
    event = {
        "specversion": "1.0",
        "id": "@",
        "source": "/clients/web",
        "type": kind,
        "time": "2026-11-26T12:00:00Z",
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def headers(key: str, batch: int) -> dict[str, str]:
    return {
        "authorization": f"Bearer {key}",
        "content-type": SINGLE if batch == 1 else BATCHED,
        "user-agent": "bench/1",
    }


def load_average() -> float:
    return os.getloadavg()[0]


# Under load -----------------------------------------------------------------------------------


def measure(home: Path, options: Namespace, batches: Sequence[int]) -> list[Row]:
    """Each contender in turn, in every round; a contender is started once a round."""
    rows: list[Row] = []
    _, key = new_tenant()
    aws = psutil.Process(local_stack.status(home).children["AWS"]["pid"])
    for number in range(options.rounds):
        for contender in options.contender or CONTENDERS:
            with serving(contender, CONTENDERS[contender]) as (url, server):
                for batch in batches:
                    for clients in options.clients or (1, 16, 128):
                        post = functools.partial(
                            run,
                            url,
                            clients=clients,
                            body=bodies(batch),
                            headers=headers(key, batch),
                            warm_up=0.0,
                        )
                        post(seconds=0.5, body=bodies(batch))
                        busy = load_average()
                        before = _cpu(server), _cpu(aws)
                        load = post(seconds=options.seconds)
                        assert set(load.statuses) == {202} and not load.broken, load.summary()
                        requests = len(load.latencies)
                        row = Row(
                            round=number + 1,
                            contender=contender,
                            batch=batch,
                            clients=clients,
                            load_average=round(busy, 1),
                            requests_per_second=load.per_second,
                            p50_ms=load.percentile(50),
                            p99_ms=load.percentile(99),
                            server_cpu=1000 * (_cpu(server) - before[0]) / requests,
                            aws_cpu=1000 * (_cpu(aws) - before[1]) / requests,
                            client_cpu=1000 * load.cpu * load.seconds / requests,
                        )
                        rows.append(row)
                        told = f"{contender}, batch {batch}, {clients} clients"
                        print(f"{told}: {row.requests_per_second:,.0f}/s", file=sys.stderr)
    return rows


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def print_rows(rows: Sequence[Row]) -> None:
    """One line for each case: medians of its rounds."""
    print(
        "| contender | batch | clients | load | requests/s | events/s | p50 ms | p99 ms "
        "| server CPU ms | AWS CPU ms | client CPU ms |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    cases: dict[tuple[str, int, int], list[Row]] = defaultdict(list)
    for row in rows:
        cases[row.contender, row.batch, row.clients].append(row)
    for (contender, batch, clients), some in cases.items():
        values = (
            f"{_median(some, 'load_average'):.1f}",
            f"{_median(some, 'requests_per_second'):,.0f}",
            f"{_median(some, 'events_per_second'):,.0f}",
            f"{_median(some, 'p50_ms'):,.1f}",
            f"{_median(some, 'p99_ms'):,.1f}",
            f"{_median(some, 'server_cpu'):.2f}",
            f"{_median(some, 'aws_cpu'):.2f}",
            f"{_median(some, 'client_cpu'):.2f}",
        )
        print(f"| {contender} | {batch} | {clients} | {' | '.join(values)} |")


def _median(rows: Sequence[Row], name: str) -> float:
    return statistics.median(getattr(row, name) for row in rows)


# One request, step by step --------------------------------------------------------------------


class Clock:
    """Seconds on the clock and of this process's CPU, added up by step."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)

    def around(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.cpu[step] += time.process_time() - cpu
                self.wall[step] += time.perf_counter() - wall

        return timed


WHOLE, REST = "the whole handler", "Powertools' resolver, and the rest"


@contextlib.contextmanager
def clocked(clock: Clock) -> Iterator[None]:
    """Put the clock around the steps of ``minilab.ingest.accept`` and what is around them."""
    from minilab.ingest import accept, api, handler
    from minilab.ingest.judge import Judge
    from minilab.ingest.limits import RateLimits

    steps = (
        (handler.Request, "of", "read the gateway's event"),
        (accept, "_authenticate", "authenticate"),
        (accept, "_bind", "bind"),
        (RateLimits, "spend", "limit"),
        (Judge, "judge", "judge"),
        (accept, "_distinct", "tell apart (keys, fingerprints)"),
        (accept, "_claim_payloads", "look for large payloads"),
        (accept, "_claim_ids", "claim (DynamoDB)"),
        (accept, "_publish", "send (SQS)"),
        (accept, "_mark", "mark (DynamoDB)"),
        (api, "count_outcome", "metrics (Powertools, EMF)"),
        (api, "reply_to", "answer"),
    )
    with contextlib.ExitStack() as stack:
        for owner, name, step in steps:
            whole = vars(owner)[name]
            timed = clock.around(step, getattr(owner, name))
            setattr(owner, name, staticmethod(timed) if isinstance(whole, classmethod) else timed)
            stack.callback(setattr, owner, name, whole)
        yield


class Serial:
    """In the place of ``ingest.parallel.Parallel``: a profiler sees one thread."""

    def map(self, function: Callable[[Any], Any], things: Sequence[Any]) -> list[Any]:
        return [function(thing) for thing in things]


def handler_of(*, serial: bool = False) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """The platform's handler, on a world of its own."""
    from minilab.events.registry import load_registry
    from minilab.ingest.api import Api
    from minilab.ingest.clients import client_of
    from minilab.ingest.environment import Environment
    from minilab.ingest.handler import make_handler
    from minilab.ingest.idempotency import Idempotency
    from minilab.settings import Settings

    settings = Settings.from_env()
    environment = Environment.of(settings)
    if serial:
        idempotency = Idempotency(settings, client_of("dynamodb", settings), Serial())  # type: ignore[arg-type]
        environment = dataclasses.replace(environment, idempotency=idempotency)
    return make_handler(lambda: Api(load_registry(), environment))


def gateway_event(key: str, batch: int, body: bytes) -> dict[str, Any]:
    """What the handler gets for a request."""
    pairs = (("host", "127.0.0.1"), *headers(key, batch).items())
    return to_event(Request("POST", "/v1/events", "", pairs, body, "1.1", "127.0.0.1", 80))


def breakdown(batch: int) -> dict[str, Any]:
    """Milliseconds a request by step, and the shares of CPU by package."""
    requests = 400 if batch == 1 else 60
    _, key = new_tenant()
    busy, clock = load_average(), Clock()
    with clocked(clock), contextlib.redirect_stdout(io.StringIO()):
        _serve(handler_of(), key, batch, requests, clock)
    with contextlib.redirect_stdout(io.StringIO()):
        watch = cProfile.Profile(time.thread_time)
        _serve(handler_of(serial=True), key, batch, requests, None, watch)
    steps = [name for name in clock.wall if name != WHOLE]
    for times in (clock.wall, clock.cpu):
        times[REST] = times[WHOLE] - sum(times[name] for name in steps)
    return {
        "batch": batch,
        "requests": requests,
        "load_average": round(busy, 1),
        "steps": {
            name: {
                "wall_ms": 1000 * clock.wall[name] / requests,
                "cpu_ms": 1000 * clock.cpu[name] / requests,
            }
            for name in (*steps, REST, WHOLE)
        },
        "packages": _packages(watch),
    }


def _serve(
    handle: Callable[..., Any],
    key: str,
    batch: int,
    requests: int,
    clock: Clock | None,
    watch: cProfile.Profile | None = None,
) -> None:
    body = bodies(batch)
    for number in range(20):  # clients, caches, connections
        handle(gateway_event(key, batch, body(number)), None)
    if clock is not None:
        clock.wall.clear()
        clock.cpu.clear()
        handle = clock.around(WHOLE, handle)
    elif watch is not None:
        handle = functools.partial(watch.runcall, handle)
    for number in range(20, 20 + requests):
        answer = handle(gateway_event(key, batch, body(number)), None)
        assert answer["statusCode"] == 202, answer


def _packages(watch: cProfile.Profile) -> dict[str, float]:
    """Shares of CPU, by whose code it was spent in; C functions count for whoever called them."""
    own: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, seconds, _, callers) in pstats.Stats(watch).stats.items():  # type: ignore[attr-defined]
        if file != "~" or not callers:
            own[_package(file)] += seconds
            continue
        for (caller, _, _), (_, _, part, _) in callers.items():
            own[_package(caller)] += part
    whole = sum(own.values())
    return {name: own[name] / whole for name in sorted(own, key=lambda n: -own[n])}


def _package(file: str) -> str:
    parts = Path(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    if "minilab" in parts and file.startswith(str(Path(__file__).parents[1])):
        return "minilab"
    return "Python's own library"


def print_breakdowns(found: Sequence[dict[str, Any]]) -> None:
    for each in found:
        print(f"\nOne request of {each['batch']}, load {each['load_average']} (mean, ms):\n")
        print("| step | on the clock | own CPU | waiting |\n|---|---|---|---|")
        for name, times in each["steps"].items():
            wall, cpu = times["wall_ms"], times["cpu_ms"]
            print(f"| {name} | {wall:.3f} | {cpu:.3f} | {max(0.0, wall - cpu):.3f} |")
        shares = [f"{name} {100 * share:.0f} %" for name, share in each["packages"].items()]
        print(f"\nCPU by whose code it is (profiled): {', '.join(shares[:7])}")


if __name__ == "__main__":
    main()
