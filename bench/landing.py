"""Measure landing: ours, a plain lander, peers, and the ceiling; the same events, the same run.

    .venv/bin/python bench/landing.py --events 200000 --rounds 3

Starts a laptop stack of its own, fills a topic and queues, and lets every contender drain the same
events to Parquet on S3, in interleaved rounds. Each runs in a process of its own and is timed
inside it, from the first byte read to the last one durable; imports are not counted. CPU seconds
are those of that process with all its threads: the broker, SQS and S3 are not in them, but share
the machine. Ratios are taken within a round. bench/README.md says what each contender does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PEERS = HERE / ".peers"
REQUIREMENTS = HERE / "requirements-peers.txt"
PACK = 100
"""Events in one message of the packed queue."""
PARTITIONS = 4

# Events --------------------------------------------------------------------------------------


def events(count: int, seed: int = 7) -> Iterator[bytes]:
    """Valid events of the product stream, about 700 bytes each, of 200 tenants."""
    rng = random.Random(seed)
    kinds = (_page_viewed, _page_viewed, _search_performed)
    for number in range(count):
        kind, data = kinds[number % 3](rng)
        whole = {
            "specversion": "1.0",
            "id": f"{rng.getrandbits(128):032x}",
            "source": "/clients/web",
            "type": kind,
            "time": f"2026-03-{rng.randint(1, 28):02d}T{rng.randint(0, 23):02d}:"
            f"{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}.{rng.randint(0, 999):03d}Z",
            "subject": f"user/{rng.randint(1, 99999)}",
            "tenant": f"tenant-{rng.randint(1, 200):04d}",
            "datacontenttype": "application/json",
            "dataschema": f"urn:minilab:contract:{kind}",
            "data": data,
        }
        yield json.dumps(whole, separators=(",", ":")).encode()


def _who(rng: random.Random) -> dict[str, Any]:
    return {
        "user_id": f"u_{rng.getrandbits(48):012x}",
        "session_id": f"s_{rng.getrandbits(120):030x}",
    }


def _page_viewed(rng: random.Random) -> tuple[str, dict[str, Any]]:
    path = "/".join(rng.choice(("projects", "boards", "settings", "reports")) for _ in range(10))
    return "product.page_viewed.v1", {
        **_who(rng),
        "path": f"/{path}",
        "referrer": f"https://www.example.com/{rng.getrandbits(480):0120x}",
        "duration_ms": rng.randint(1, 99999),
    }


def _search_performed(rng: random.Random) -> tuple[str, dict[str, Any]]:
    return "product.search_performed.v1", {
        **_who(rng),
        "query_length": rng.randint(1, 80),
        "results": rng.randint(0, 500),
        "filters": [f"{rng.getrandbits(96):024x}" for _ in range(9)],
    }


# Contenders: each drains everything and returns how many events it stored ---------------------


def ours(job: dict[str, Any]) -> Callable[[], int]:
    """``minilab land``: contracts validated, ledger kept, partitions registered."""
    import awswrangler  # noqa: F401  (imports are not what is measured)

    from minilab.events.registry import load_registry
    from minilab.landing import land
    from minilab.settings import Settings

    settings, registry = Settings.from_env(), load_registry()

    def run() -> int:
        summary = land(settings, registry, list(registry.streams))
        summary.raise_if_broken()
        return summary.events

    return run


def plain(job: dict[str, Any]) -> Callable[[], int]:
    """json.loads, a DataFrame, awswrangler. No validation, no ledger."""
    import awswrangler as wr
    import pandas as pd

    def store(rows: list[dict[str, Any]]) -> None:
        frame = pd.DataFrame(rows)
        frame["time"] = pd.to_datetime(frame["time"], format="ISO8601")
        frame["stream"], frame["dt"], frame["hour"] = "product", "2026-01-01", "00"
        wr.s3.to_parquet(
            frame,
            path=f"s3://{job['bucket']}/{job['prefix']}/",
            dataset=True,
            partition_cols=["stream", "dt", "hour"],
            mode="append",
        )

    def rows_of(body: bytes | str, where: dict[str, Any]) -> list[dict[str, Any]]:
        parsed = json.loads(body)
        some = parsed if isinstance(parsed, list) else [parsed]
        return [{**event, "data": json.dumps(event["data"]), **where} for event in some]

    def from_kafka() -> Iterator[list[dict[str, Any]]]:
        for messages in _kafka_messages(job, "plain"):
            yield [
                row
                for m in messages
                for row in rows_of(m.value(), {"shard": m.partition(), "position": m.offset()})
            ]

    def from_sqs() -> Iterator[list[dict[str, Any]]]:
        import boto3

        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName=job["queue"])["QueueUrl"]
        rows: list[dict[str, Any]] = []
        handles: list[str] = []
        while True:
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            for m in got:
                rows += rows_of(m["Body"], {"shard": job["queue"], "position": m["MessageId"]})
                handles.append(m["ReceiptHandle"])
            if rows and (not got or len(rows) >= 100_000):
                yield rows
                for start in range(0, len(handles), 10):
                    sqs.delete_message_batch(
                        QueueUrl=url,
                        Entries=[
                            {"Id": str(i), "ReceiptHandle": h}
                            for i, h in enumerate(handles[start : start + 10])
                        ],
                    )
                rows, handles = [], []
            if not got:
                return

    def run() -> int:
        total = 0
        for rows in from_kafka() if job["bus"] == "kafka" else from_sqs():
            store(rows)
            total += len(rows)
        return total

    return run


def dlt(job: dict[str, Any]) -> Callable[[], int]:
    """dlt: Arrow tables into its filesystem destination, as Parquet on S3."""
    import dlt as library
    import pyarrow as pa

    os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = f"s3://{job['bucket']}/{job['prefix']}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ[f"DESTINATION__FILESYSTEM__CREDENTIALS__{name}"] = os.environ[name]
    os.environ["DESTINATION__FILESYSTEM__CREDENTIALS__ENDPOINT_URL"] = os.environ[
        "AWS_ENDPOINT_URL"
    ]
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    count = 0

    @library.resource(name="events")
    def resource_() -> Iterator[pa.Table]:
        nonlocal count
        for messages in _kafka_messages(job, "dlt"):
            rows = [json.loads(m.value()) for m in messages]
            for row in rows:
                row["data"] = json.dumps(row["data"])
            count += len(rows)
            yield pa.Table.from_pylist(rows)

    def run() -> int:
        pipeline = library.pipeline(
            f"bench_{os.getpid()}",
            destination="filesystem",
            dataset_name="bench",
            pipelines_dir=tempfile.mkdtemp(dir=job["scratch"]),
        )
        pipeline.run(resource_(), loader_file_format="parquet", write_disposition="append")
        return count

    return run


def mq_bridge(job: dict[str, Any]) -> Callable[[], int]:
    """mq-bridge (Rust): bus to Parquet on S3, its largest sensible batches."""
    import mq_bridge as library

    os.environ["AWS_ENDPOINT"] = os.environ["AWS_ENDPOINT_URL"]
    os.environ["AWS_ALLOW_HTTP"] = "true"
    if job["bus"] == "kafka":
        source: dict[str, Any] = {
            "kafka": {
                "url": os.environ["MINILAB_KAFKA_BOOTSTRAP_SERVERS"],
                "topic": job["topic"],
                "group_id": f"mqb-{os.getpid()}",
                "consumer_options": [
                    ["auto.offset.reset", "earliest"],
                    ["session.timeout.ms", "6000"],
                ],
            }
        }
    else:
        source = {
            "aws": {
                "queue_url": job["queue_url"],
                "region": os.environ["AWS_REGION"],
                "endpoint_url": os.environ["AWS_ENDPOINT_URL"],
                "access_key": os.environ["AWS_ACCESS_KEY_ID"],
                "secret_key": os.environ["AWS_SECRET_ACCESS_KEY"],
                "max_messages": 10,
                "wait_time_seconds": 0,
            }
        }
    sink = {
        "object_store": {
            "url": f"s3://{job['bucket']}/{job['prefix']}",
            "format": "parquet",
        }
    }
    config = {"input": source, "output": sink, "batch_size": 20_000}
    expected = job["messages"]

    def run() -> int:
        import boto3

        s3 = boto3.client("s3")
        route = library.Route.from_config(config)
        route.start()
        deadline = time.monotonic() + 300
        seen: dict[str, int] = {}
        while sum(seen.values()) < expected and time.monotonic() < deadline:
            time.sleep(0.25)
            _count_rows(s3, job, seen)
        route.stop()
        route.join()
        return job["events"] if sum(seen.values()) >= expected else sum(seen.values())

    return run


def _count_rows(s3: Any, job: dict[str, Any], seen: dict[str, int]) -> None:
    """Rows in the Parquet files below the prefix, from their footers, each file once."""
    import io

    import pyarrow.parquet as pq

    for page in s3.get_paginator("list_objects_v2").paginate(
        Bucket=job["bucket"], Prefix=job["prefix"]
    ):
        for entry in page.get("Contents", []):
            if entry["Key"] not in seen and entry["Key"].endswith(".parquet"):
                body = s3.get_object(Bucket=job["bucket"], Key=entry["Key"])["Body"].read()
                seen[entry["Key"]] = pq.read_metadata(io.BytesIO(body)).num_rows


def ceiling(job: dict[str, Any]) -> Callable[[], int]:
    """Decode the same bytes and write them, in memory: no bus, no S3, no contract, no ledger.

    msgspec structs, one comprehension per column, payload as raw text, zstd-1 Parquet.
    """
    from datetime import UTC, datetime

    import msgspec
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from minilab.events.envelope import Envelope
    from minilab.landing.write import to_parquet

    bodies = list(events(job["events"]))
    decode = msgspec.json.Decoder(Envelope).decode

    def some(part: list[bytes], first: int) -> None:
        rows = [decode(body) for body in part]
        raws = [row.data for row in rows]
        offsets = np.zeros(len(raws) + 1, np.int32)
        np.cumsum(np.fromiter(map(len, raws), np.int64, len(raws)), out=offsets[1:])
        now = datetime.now(UTC).replace(tzinfo=None)
        columns = {
            name: pa.array([getattr(row, name) for row in rows], pa.string())
            for name in (
                "id",
                "source",
                "type",
                "specversion",
                "subject",
                "tenant",
                "datacontenttype",
                "dataschema",
            )
        }
        columns["time"] = pc.cast(
            pa.array([row.time for row in rows], pa.string()), pa.timestamp("us", "UTC")
        )
        columns["data"] = pa.StringArray.from_buffers(
            len(raws), pa.py_buffer(offsets), pa.py_buffer(b"".join(raws))
        )
        columns["position"] = pa.array(range(first, first + len(part)), pa.int64()).cast(
            pa.string()
        )
        columns["landed_at"] = pa.repeat(pa.scalar(now, pa.timestamp("us")), len(part))
        to_parquet(pa.table(columns))

    def run() -> int:
        import gc

        gc.disable()
        for start in range(0, len(bodies), 50_000):
            some(bodies[start : start + 50_000], start)
        return len(bodies)

    return run


def _kafka_messages(job: dict[str, Any], group: str) -> Iterator[list[Any]]:
    """All messages of the topic, at most 100,000 at a time; commits what was yielded."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["MINILAB_KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": f"{group}-{os.getpid()}",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
        }
    )
    consumer.assign([TopicPartition(job["topic"], p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    left, messages = PARTITIONS, []
    while left:
        for message in consumer.consume(10_000, 0.1):
            error = message.error()
            if error is None:
                messages.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                left -= 1
            else:
                raise RuntimeError(error.str())
        if len(messages) >= 100_000:
            yield messages
            messages = []
    if messages:
        yield messages
    consumer.close()


CONTENDERS: dict[str, Callable[[dict[str, Any]], Callable[[], int]]] = {
    "ours": ours,
    "plain": plain,
    "mq-bridge": mq_bridge,
    "dlt": dlt,
    "ceiling": ceiling,
}
FROM_PEERS = {"mq-bridge", "dlt"}
BY_BUS = {
    "kafka": ("ours", "plain", "mq-bridge", "dlt", "ceiling"),
    "sqs": ("ours", "plain", "mq-bridge", "ceiling"),
    "sqs-packed": ("ours", "plain", "ceiling"),
}


def run_contender(name: str, job: dict[str, Any]) -> None:
    """In the contender's own process: prepare, run, print one line of JSON."""
    run = CONTENDERS[name](job)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    stored = run()
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print("RESULT " + json.dumps({"events": stored, "seconds": seconds, "cpu": cpu}))
    sys.stdout.flush()
    os._exit(0)  # some of them keep threads


# The run -------------------------------------------------------------------------------------


@contextmanager
def laptop() -> Iterator[dict[str, str]]:
    """A stack of its own in a folder that vanishes, and a broker that keeps its log in memory.

    The laptop's broker keeps its log on the laptop's S3, and then that is what one would measure.
    """
    from minilab_local import stack

    home = Path(tempfile.mkdtemp(prefix="minilab-bench-"))
    try:
        environment = stack.start(home, owner=os.getpid())
        with memory_broker() as servers:
            yield environment | {"MINILAB_KAFKA_BOOTSTRAP_SERVERS": servers}
    finally:
        stack.stop(home)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def memory_broker() -> Iterator[str]:
    """The same broker as the laptop's, with its log in memory; yields its address."""
    from minilab_local.kafka import broker

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        "--storage-engine=memory://" if part.startswith("--storage-engine") else part
        for part in broker.command(port)
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not broker.answers(port):
            if process.poll() is not None:
                raise SystemExit(f"the broker ended with exit code {process.returncode}")
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def prepare(bus: str, scratch: Path) -> Any:
    """A deployment with one stream, ``product``, on this bus; returns its settings, registry."""
    from minilab.events.registry import load_registry
    from minilab.provision import provision
    from minilab.settings import Settings

    contracts = scratch / f"contracts-{bus}"
    contracts.mkdir()
    for path in (HERE.parent / "contracts").glob("product.*.json"):
        shutil.copy(path, contracts)
    kind = "kafka" if bus == "kafka" else "sqs"
    (contracts / "streams.yaml").write_text(
        f"streams: {{product: {{bus: {kind}, owner: 'team:bench', contract: required, "
        f"partitions: {PARTITIONS if kind == 'kafka' else 1}}}}}\n"
    )
    os.environ["MINILAB_CONTRACTS_DIR"] = str(contracts)
    os.environ["MINILAB_ENV"] = f"bench-{bus}"
    os.environ["MINILAB_DATABASE_PREFIX"] = f"bench_{bus.replace('-', '_')}"
    settings, registry = Settings.from_env(), load_registry(contracts)
    provision(settings, registry)
    return settings, registry


def fill(settings: Any, registry: Any, bus: str, count: int) -> int:
    """Send the events; return the number of messages."""
    from minilab.bus import open_publisher, pack

    sent, packed = 0, []
    with open_publisher(settings, registry.stream("product")) as publisher:
        for number, body in enumerate(events(count)):
            if bus != "sqs-packed":
                publisher.send(body, key=str(number % 1000))
                sent += 1
                continue
            packed.append(body)
            if len(packed) == PACK or number == count - 1:
                publisher.send(pack(packed))
                sent, packed = sent + 1, []
    return sent


def forget(settings: Any, bus: str) -> None:
    """Before a round: our ledger knows nothing, the queue is empty."""
    from minilab import aws

    dynamodb = aws.client("dynamodb", settings)
    for item in dynamodb.scan(TableName=settings.table_name("landing-ledger"))["Items"]:
        dynamodb.delete_item(
            TableName=settings.table_name("landing-ledger"), Key={"shard": item["shard"]}
        )
    if bus != "kafka":
        sqs = aws.client("sqs", settings)
        url = sqs.get_queue_url(QueueName=settings.queue_name("product"))["QueueUrl"]
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        if any(counts[name] != "0" for name in counts if name.startswith("ApproximateNumber")):
            time.sleep(61)  # a queue is purged at most once a minute
            sqs.purge_queue(QueueUrl=url)


def peers_python() -> tuple[Path | None, str]:
    """The Python that has the peers installed, made when first needed; or why there is none."""
    python = PEERS / "bin" / "python"
    if not (PEERS / ".ready").exists():
        say("installing the peers into bench/.peers (once)")
        try:
            subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
            subprocess.run(
                [
                    str(python),
                    "-m",
                    "pip",
                    "install",
                    "-q",
                    "-r",
                    str(HERE / "requirements-peers.txt"),
                ],
                check=True,
                capture_output=True,
                text=True,
            )
        except subprocess.CalledProcessError as error:
            return None, (error.stderr or str(error)).strip().splitlines()[-1]
        (PEERS / ".ready").touch()
    return python, ""


def measure(name: str, job: dict[str, Any], python: Path | str) -> dict[str, Any]:
    """Run one contender in its own process."""
    done = subprocess.run(
        [str(python), str(HERE / "landing.py"), "--contender", name, "--job", json.dumps(job)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            result: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
            if result["events"] != job["events"]:
                result["error"] = f"stored {result['events']:,} of {job['events']:,} events"
            return result
    tail = (done.stderr or done.stdout).strip().splitlines()[-1:]
    return {"error": tail[0][:300] if tail else f"exit code {done.returncode}"}


def bench(bus: str, count: int, rounds: int, scratch: Path) -> dict[str, Any]:
    """All rounds of one bus: ``{contender: [result per round]}``."""
    from minilab import aws

    settings, registry = prepare(bus, scratch)
    python, why = peers_python()
    messages = fill(settings, registry, bus, count) if bus == "kafka" else 0
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in BY_BUS[bus]}
    for number in range(rounds):
        order = list(BY_BUS[bus])
        order = order[number % len(order) :] + order[: number % len(order)]
        for name in order:
            forget(settings, bus)
            if bus != "kafka" and name != "ceiling":
                messages = fill(settings, registry, bus, count)
            job = {
                "bus": "kafka" if bus == "kafka" else "sqs",
                "bucket": settings.lake_bucket,
                "prefix": f"bench/{name}/{number}",
                "topic": settings.topic_name("product"),
                "queue": settings.queue_name("product"),
                "events": count,
                "messages": messages,
                "scratch": str(scratch),
            }
            if bus != "kafka":
                sqs = aws.client("sqs", settings)
                job["queue_url"] = sqs.get_queue_url(QueueName=job["queue"])["QueueUrl"]
            if name in FROM_PEERS and python is None:
                result: dict[str, Any] = {"error": f"not installed: {why}"}
            else:
                result = measure(name, job, python if name in FROM_PEERS else sys.executable)
            results[name].append(result)
            say(f"{bus} round {number + 1}: {name:10} {_told(result)}")
    return {"events": count, "rounds": results}


def _told(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"FAILED: {result['error']}"
    rate, per_cpu = result["events"] / result["seconds"], result["events"] / result["cpu"]
    return f"{rate:10,.0f} events/s  {per_cpu:10,.0f} per CPU second"


def spread(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def summarize(bus: str, measured: dict[str, Any]) -> dict[str, Any]:
    """Speeds of each contender, and our ratio to each, paired within rounds."""
    rounds = measured["rounds"]

    def rates(name: str, by: str) -> dict[int, float]:
        return {
            n: result["events"] / result[by]
            for n, result in enumerate(rounds[name])
            if "error" not in result
        }

    summary: dict[str, Any] = {"bus": bus, "events": measured["events"], "contenders": {}}
    for name in rounds:
        entry: dict[str, Any] = {"errors": [r["error"] for r in rounds[name] if "error" in r]}
        for label, by in (("events_per_second", "seconds"), ("events_per_cpu_second", "cpu")):
            mine, theirs = rates("ours", by), rates(name, by)
            entry[label] = spread(list(theirs.values()))
            entry[f"ours_to_it_{label}"] = spread(
                [mine[n] / theirs[n] for n in mine if n in theirs]
            )
        summary["contenders"][name] = entry
    return summary


def print_summary(summary: dict[str, Any]) -> None:
    print(f"\n{summary['bus']}: {summary['events']:,} events; median (min–max)")
    print(f"  {'':10} {'events/s':>28} {'per CPU second':>28} {'ours ÷ it':>20} {'per CPU s':>20}")
    for name, entry in summary["contenders"].items():
        cells = [
            _cell(entry["events_per_second"], "{:,.0f}"),
            _cell(entry["events_per_cpu_second"], "{:,.0f}"),
            _cell(entry["ours_to_it_events_per_second"], "{:.2f}"),
            _cell(entry["ours_to_it_events_per_cpu_second"], "{:.2f}"),
        ]
        print(f"  {name:10} {cells[0]:>28} {cells[1]:>28} {cells[2]:>20} {cells[3]:>20}")
        for error in sorted(set(entry["errors"])):
            print(f"             failed: {error}")


def _cell(values: dict[str, float] | None, form: str) -> str:
    if values is None:
        return "–"
    low, middle, high = (form.format(values[k]) for k in ("min", "median", "max"))
    return f"{middle} ({low}–{high})"


def say(text: str) -> None:
    print(f"▸ {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000, help="events from Kafka")
    parser.add_argument("--sqs-events", type=int, help="events from SQS (default: a tenth)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bus", choices=sorted(BY_BUS), action="append", help="only this one")
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        run_contender(options.contender, json.loads(options.job))
        return
    summaries = []
    with laptop() as environment, tempfile.TemporaryDirectory() as scratch:
        os.environ.update(environment)
        for bus in options.bus or BY_BUS:
            count = options.events
            if bus == "sqs":
                count = options.sqs_events or max(1000, options.events // 10)
            summaries.append(summarize(bus, bench(bus, count, options.rounds, Path(scratch))))
            if not options.json:
                print_summary(summaries[-1])
    if options.json:
        print(json.dumps(summaries, indent=2))


if __name__ == "__main__":
    main()
