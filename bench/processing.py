"""Measure the processor: how many events a second it brings from the ingest queue to the buses.

    .venv/bin/python bench/processing.py --messages 4000 --rounds 2

Starts a laptop stack of its own, fills the ingest queue with messages of 1 and of 100 events (600
bytes, 40 tenants), and lets `minilab process --drain` bring them to Kafka and to SQS. Seconds are
those from its first poll to its last delivery; CPU is that of the whole process, less that of one
that finds nothing to do. The stack's CPU is beside it, because both share the machine. At the end
the same is done in this process, under a profiler for the thread that processes (`--profile`).
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import psutil

from minilab_local import stack as local_stack

MINILAB = Path(sys.executable).with_name("minilab")
TENANTS = 40
PACK = 100
LAST_POLL_SECONDS = 1.0
"""A drain ends with a poll that finds nothing for so long."""


class Run(NamedTuple):
    events: int
    seconds: float
    cpu: float
    stack_cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=4000, help="of one event each")
    parser.add_argument("--packed", type=int, default=600, help="messages of 100 events each")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=4, help="receivers of the processor")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        os.environ.update(local_stack.start(home, owner=os.getpid()))
        try:
            measure(home, options)
        finally:
            local_stack.stop(home)


def measure(home: Path, options: argparse.Namespace) -> None:
    deploy()
    idle = drain(home, options.workers)
    print(f"starting and ending: {idle.cpu:.1f} s CPU", flush=True)
    for round_ in range(options.rounds):
        for stream, bus in (("product", "Kafka"), ("billing", "SQS")):
            for packing, messages in ((1, options.messages), (PACK, options.packed)):
                deploy()
                fill(stream, messages, packing)
                run = drain(home, options.workers)
                assert run.events == messages * packing
                print(
                    f"round {round_ + 1}, {bus}, {packing} events a message: "
                    f"{run.events / run.seconds:,.0f} events/s; "
                    f"CPU an event: {1e6 * (run.cpu - idle.cpu) / run.events:,.0f} µs, "
                    f"the stack's {1e6 * run.stack_cpu / run.events:,.0f} µs",
                    flush=True,
                )
    if options.profile:
        for packing, messages in ((1, options.messages), (PACK, options.packed)):
            deploy()
            fill("product", messages, packing)
            profile(options.workers)


def deploy() -> None:
    """A deployment of its own for each run."""
    os.environ["MINILAB_ENV"] = f"b{secrets.token_hex(4)}"
    os.environ["MINILAB_DATABASE_PREFIX"] = os.environ["MINILAB_ENV"]
    subprocess.run(
        [MINILAB, "provision"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def fill(stream: str, messages: int, packing: int) -> None:
    from minilab.bus.ingest_queue import IngestMessage, IngestQueue, Origin
    from minilab.settings import Settings

    queue = IngestQueue(Settings.from_env())
    received_at = "2026-11-26T12:00:00.000Z"
    for start in range(0, messages, 10):
        some = [
            IngestMessage(
                Origin(stream, f"tenant-{n % TENANTS}", received_at, f"request-{n}", "bench/1"),
                tuple(event(stream, n, item) for item in range(packing)),
                f"dedup-{n}",
            )
            for n in range(start, min(start + 10, messages))
        ]
        assert not any(queue.send(some))


def event(stream: str, message: int, item: int) -> bytes:
    whole = {
        "specversion": "1.0",
        "id": f"{message}-{item}",
        "source": "/clients/web",
        "type": f"{stream}.page_viewed.v1",
        "time": "2026-11-26T12:00:00Z",
        "tenant": f"tenant-{message % TENANTS}",
        "datacontenttype": "application/json",
        "data": {"user_id": "u_1", "session_id": "s_1", "path": "/projects" * 40},
    }
    return json.dumps(whole, separators=(",", ":")).encode()


def drain(home: Path, workers: int) -> Run:
    before = stack_cpu(home)
    command = [MINILAB, "process", "--drain", "--json", "--workers", str(workers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    summary = json.loads(process.stdout.read())
    _, _, usage = os.wait4(process.pid, 0)
    return Run(
        summary["events"],
        summary["seconds"] - LAST_POLL_SECONDS,
        usage.ru_utime + usage.ru_stime,
        stack_cpu(home) - before,
    )


def stack_cpu(home: Path) -> float:
    children = local_stack.status(home).children.values()
    times = [psutil.Process(child["pid"]).cpu_times() for child in children]
    return sum(t.user + t.system for t in times)


def profile(workers: int) -> None:
    import cProfile
    import pstats
    import threading

    from minilab.events.registry import load_registry
    from minilab.processing.environment import Environment
    from minilab.processing.worker import Limits, run
    from minilab.settings import Settings

    environment = Environment.of(Settings.from_env(), load_registry())
    limits = Limits(receivers=workers, poll_seconds=1)
    watch = cProfile.Profile()
    watch.runcall(run, environment, threading.Event(), limits=limits, drain=True)
    pstats.Stats(watch).sort_stats("cumulative").print_stats("minilab|cimpl|acquire")


if __name__ == "__main__":
    main()
