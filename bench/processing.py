"""The processor's speed: `python bench/processing.py` drains prefilled ingest queues.

One table: for each bus, messages of 1 and of 100 events, how many events a second one
``minilab process`` brings through (and two at once), and what that costs in CPU of the processor
and of the laptop's AWS. The stack runs in a home of its own and is gone afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import psutil

from minilab_local import stack as local_stack

MINILAB = Path(sys.executable).with_name("minilab")
TENANTS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=4000, help="of one event; a 20th of 100")
    parser.add_argument("--workers", type=int, default=4, help="receivers of each process")
    parser.add_argument(
        "--profile", action="store_true", help="say where the processor's time goes"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        os.environ.update(local_stack.start(home, owner=os.getpid()))
        try:
            _measure(home, options)
        finally:
            local_stack.stop(home)


def _measure(home: Path, options: argparse.Namespace) -> None:
    rows = []
    for stream in ("product", "billing"):
        for packing in (1, 100):
            for processes in (1, 2):
                messages = options.messages if packing == 1 else options.messages // 20
                _deploy()
                _fill(stream, messages, packing)
                rows.append((stream, packing, processes, *_drain(home, options, processes)))
                _show(rows[-1])
    if options.profile:
        _deploy()
        _fill("product", options.messages, 1)
        _profile(options)
        _deploy()
        _fill("product", options.messages // 20, 100)
        _profile(options)


def _show(row: tuple[Any, ...]) -> None:
    stream, packing, processes, events, seconds, cpu, aws = row
    print(
        f"{stream:8} {packing:4} events/message {processes} process(es): "
        f"{events / seconds:9,.0f} events/s in {seconds:5.1f} s, "
        f"processor {1e6 * cpu / events:7,.0f} µs CPU an event, "
        f"laptop's AWS and Kafka {1e6 * aws / events:7,.0f} µs",
        flush=True,
    )


def _deploy() -> None:
    """A deployment of its own for each run."""
    os.environ["MINILAB_ENV"] = f"b{uuid.uuid4().hex[:8]}"
    os.environ["MINILAB_DATABASE_PREFIX"] = os.environ["MINILAB_ENV"]
    subprocess.run([MINILAB, "provision"], check=True, stdout=subprocess.DEVNULL)


def _fill(stream: str, messages: int, packing: int) -> None:
    from minilab.bus.ingest_queue import IngestMessage, IngestQueue, Origin
    from minilab.settings import Settings

    queue = IngestQueue(Settings.from_env())
    waiting = [
        IngestMessage(
            Origin(stream, f"tenant-{n % TENANTS}", "2026-11-26T12:00:00.000Z", f"r{n}", "bench/1"),
            tuple(_event(stream, n, item) for item in range(packing)),
            f"d{n}",
        )
        for n in range(messages)
    ]
    for start in range(0, messages, 10):
        assert not any(queue.send(waiting[start : start + 10]))


def _event(stream: str, message: int, item: int) -> bytes:
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"{message}-{item}",
            "source": "/bench",
            "type": f"{stream}.page_viewed.v1",
            "time": "2026-11-26T12:00:00Z",
            "tenant": f"tenant-{message % TENANTS}",
            "datacontenttype": "application/json",
            "data": {"user_id": "u-1", "session_id": "s-1", "path": "/", "text": "x" * 400},
        }
    ).encode()


def _drain(
    home: Path, options: argparse.Namespace, processes: int
) -> tuple[int, float, float, float]:
    """Events, seconds, CPU seconds of the processors and of the stack."""
    before = _cpu(home)
    running = [
        subprocess.Popen(
            [MINILAB, "process", "--drain", "--json", "--workers", str(options.workers)],
            stdout=subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    cpu = [_wait(process) for process in running]
    done = [json.loads(out) for out, _ in cpu]
    # The last poll finds nothing, for a second.
    seconds = max(summary["seconds"] for summary in done) - 1
    return sum(s["events"] for s in done), seconds, sum(c for _, c in cpu), _cpu(home) - before


def _wait(process: subprocess.Popen[bytes]) -> tuple[bytes, float]:
    started = time.process_time()
    assert process.stdout is not None
    out = process.stdout.read()
    _, _, usage = os.wait4(process.pid, 0)
    del started
    return out, usage.ru_utime + usage.ru_stime


def _cpu(home: Path) -> float:
    status = local_stack.status(home)
    times = [psutil.Process(child["pid"]).cpu_times() for child in status.children.values()]
    return sum(t.user + t.system for t in times)


def _profile(options: argparse.Namespace) -> None:
    import cProfile
    import pstats
    import threading

    from minilab.events.registry import load_registry
    from minilab.processing.environment import Environment
    from minilab.processing.worker import Limits, run
    from minilab.settings import Settings

    env = Environment.of(Settings.from_env(), load_registry())
    profile = cProfile.Profile()
    profile.runcall(
        run,
        env,
        threading.Event(),
        limits=Limits(receivers=options.workers, poll_seconds=1),
        drain=True,
    )
    pstats.Stats(profile).sort_stats("cumulative").print_stats(30)


if __name__ == "__main__":
    main()
