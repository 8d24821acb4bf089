"""The worker on real queues and a real broker: whatever happens, nothing is lost."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from processing_fixtures import (
    event,
    events_on_queue,
    eventually,
    fill,
    message,
    on_queue,
    on_topic,
    set_visibility,
)

from minilab import aws
from minilab.bus.failed_queue import decode
from minilab.bus.publisher import Publisher, open_publisher
from minilab.dynamodb import TENANTS
from minilab.events.registry import Stream, load_registry
from minilab.lake.claims import Claims
from minilab.processing.deliver import Carriers
from minilab.processing.environment import Environment
from minilab.processing.queue import IngestSource, QueueMissingError
from minilab.processing.records import Record
from minilab.processing.worker import Limits, Summary, run
from minilab.provision import provision, resources
from minilab.settings import Settings
from minilab.tenants.usage import last_day
from minilab_local import stack as local_stack
from minilab_local.kafka import broker as local_broker

if TYPE_CHECKING:
    from conftest import Lab

MORTAL = Path(__file__).with_name("mortal_worker.py")
MINILAB = Path(sys.executable).with_name("minilab")
QUICK = Limits(receivers=2, poll_seconds=1, retry_seconds=(0,))


def drain(lab: Lab, environment: Environment | None = None) -> Summary:
    environment = environment or Environment.of(lab.settings, lab.registry)
    return run(environment, threading.Event(), limits=QUICK, drain=True, tell=print)


def delivered_ids(settings: Settings, stream: str = "product") -> Counter[str]:
    return Counter(event["id"] for _, event in on_topic(settings, stream))


def dead_letters(lab: Lab) -> list[dict[str, Any]]:
    return on_queue(lab, lab.settings.ingest_dead_letter_queue)


def start(lab: Lab, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [MINILAB, "process", "--json", *arguments],
        env=lab.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(worker: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    summary: dict[str, Any] = json.loads(out)
    return summary


def test_from_the_ingest_queue_to_every_bus(lab: Lab) -> None:
    names = {"item": {"S": "tenant#acme"}, "name": {"S": "acme"}, "plan": {"S": "team"}}
    more = {"region": {"S": "eu-west-1"}, "status": {"S": "active"}, "created_at": {"S": "2026"}}
    lab.client("dynamodb").put_item(
        TableName=lab.settings.table_name(TENANTS),
        Item={
            **names,
            **more,
            "streams": {"L": [{"S": "*"}]},
            "events_per_second": {"N": "10"},
            "keys": {"L": []},
        },
    )
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    bad = event("w", tenant="other")
    messages = [
        message(event("p1"), event("p2")),
        message(event("b1", stream="billing"), event("b2", stream="billing"), stream="billing"),
        message(event("w1", "beta", "webhooks"), tenant="beta", stream="webhooks"),
        message(event("p3"), bad, b"7"),
    ]
    fill(
        lab,
        [
            dataclasses.replace(m, origin=dataclasses.replace(m.origin, received_at=now))
            for m in messages
        ],
    )
    summary = drain(lab)
    assert (summary.messages, summary.events, summary.failed_events) == (4, 6, 2)
    assert (summary.retried, summary.given_up, summary.undeleted) == (0, 0, 0)

    product = on_topic(lab.settings, "product")
    assert [(key, e["id"]) for key, e in product] == [(b"acme", n) for n in ("p1", "p2", "p3")]
    assert product[0][1] == {
        **json.loads(event("p1")),
        "receivedat": now,
        "tenantplan": "team",
        "tenantregion": "eu-west-1",
        "useragent": "tests/1",
    }
    assert [e["id"] for e in events_on_queue(lab, "billing")] == ["b1", "b2"]
    [webhook] = events_on_queue(lab, "webhooks")
    assert webhook["receivedat"] == now and "tenantplan" not in webhook

    claims = Claims(lab.settings)
    failed = [
        decode(m["Body"].encode(), claims) for m in on_queue(lab, lab.settings.failed_queue, 2)
    ]
    assert sorted((f.reason, f.item, f.tenant, f.body) for f in failed) == [
        ("not_an_event", 2, "acme", b"7"),
        ("wrong_tenant", 1, "acme", bad),
    ]
    usage = last_day(lab.settings, ["acme", "beta"], list(lab.registry.streams), datetime.now(UTC))
    assert (usage["acme"].events, usage["beta"].events) == (5, 1)
    assert usage["beta"].bytes == len(event("w1", "beta", "webhooks"))


def test_large_poison_keeps_its_original_bytes_apart(lab: Lab) -> None:
    large = json.dumps({**json.loads(event("l")), "tenant": "other", "data": "x" * 600_000})
    fill(lab, [message(large.encode())])
    assert drain(lab).failed_events == 1
    (found,) = on_queue(lab, lab.settings.failed_queue)
    assert json.loads(found["Body"])["body_ref"].startswith(f"s3://{lab.settings.lake_bucket}/")
    assert decode(found["Body"].encode(), Claims(lab.settings)).body == large.encode()


# Workers that die ----------------------------------------------------------------------------


POINTS = ("after:receive", "before:deliver", "amid:deliver", "after:deliver", "after:store",
          "before:delete", "after:delete")  # fmt: skip


def test_workers_killed_at_every_point_lose_nothing(fresh_lab: Lab) -> None:
    lab = fresh_lab
    set_visibility(lab, 6)
    tenants = [f"t{n}" for n in range(20)]
    messages = [
        message(
            *(event(f"{tenant}/{n}/{item}", tenant, stream) for item in range(3)),
            b'{"id":"poison"}',
            tenant=tenant,
            stream=stream,
        )
        for n in range(3)
        for tenant in tenants
        for stream in ("product", "billing")
    ]
    fill(lab, messages)
    mortal = subprocess.run(
        [sys.executable, MORTAL, *POINTS],
        env=lab.environ,
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    assert json.loads(mortal.stdout) == dict.fromkeys(POINTS, -signal.SIGKILL)
    summary = drain(lab)
    assert summary.given_up == 0

    wanted = {f"{t}/{n}/{item}" for t in tenants for n in range(3) for item in range(3)}
    assert set(delivered_ids(lab.settings)) == wanted
    assert {e["id"] for e in events_on_queue(lab, "billing")} == wanted
    claims = Claims(lab.settings)
    poison = [decode(m["Body"].encode(), claims) for m in on_queue(lab, lab.settings.failed_queue)]
    assert len({(p.position, p.item) for p in poison}) == len(messages)
    assert dead_letters(lab) == []
    assert Environment.of(lab.settings, lab.registry).source.is_empty()


def test_two_workers_keep_each_tenants_order(fresh_lab: Lab) -> None:
    lab = fresh_lab
    tenants = [f"t{n}" for n in range(12)]
    fill(
        lab,
        [
            message(
                *(event(f"{n * 2 + item:04}", tenant) for item in range(2)),
                tenant=tenant,
            )
            for n in range(25)
            for tenant in tenants
        ],
    )
    workers = [start(lab, "--drain"), start(lab, "--drain")]
    summaries = [finished(worker) for worker in workers]
    assert sum(s["events"] for s in summaries) == 12 * 50
    by_tenant: dict[bytes, list[str]] = defaultdict(list)
    for key, found in on_topic(lab.settings, "product"):
        assert key.decode() == found["tenant"]
        by_tenant[key].append(found["id"])
    assert by_tenant == {t.encode(): [f"{n:04}" for n in range(50)] for t in tenants}


def test_a_worker_that_is_told_to_stop_finishes_what_it_has(fresh_lab: Lab) -> None:
    lab = fresh_lab
    wanted = [f"{n}" for n in range(1200)]
    fill(lab, [message(event(n, f"t{int(n) % 50}"), tenant=f"t{int(n) % 50}") for n in wanted])
    sqs = lab.client("sqs")
    url = sqs.get_queue_url(QueueName=lab.settings.ingest_queue)["QueueUrl"]

    def left() -> int:
        names = ["ApproximateNumberOfMessages"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(answer[names[0]])

    done = 0
    for number in (signal.SIGTERM, signal.SIGINT):
        before, worker = left(), start(lab)
        eventually(lambda before=before: left() < before)
        worker.send_signal(number)
        summary = finished(worker)
        done += summary["events"]
        assert 0 < sum(delivered_ids(lab.settings).values()) == done < len(wanted)
        assert summary["given_back"] == summary["undeleted"] == 0
    assert drain(lab).events == len(wanted) - done, "nothing is held any more"
    assert delivered_ids(lab.settings) == Counter(wanted), "each once"


# Buses that fail -----------------------------------------------------------------------------


class OwnBroker:
    """A broker of a test's own on the stack's S3: stopped and started, it has what it had."""

    def __init__(self, lab: Lab, bucket: str) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = int(listener.getsockname()[1])
        self._command = [
            part.replace(local_broker.BUCKET, bucket) for part in local_broker.command(self.port)
        ]
        credentials = {k: v for k, v in lab.environ.items() if k.startswith("AWS_")}
        endpoint = credentials.pop("AWS_ENDPOINT_URL")
        self._environ = lab.environ | local_broker.environment(endpoint, credentials)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, env=self._environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(lambda: local_broker.answers(self.port))

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)


@pytest.fixture
def broker(fresh_lab: Lab) -> Iterator[tuple[Lab, OwnBroker]]:
    """A lab whose topics are on a broker of its own."""
    bucket = f"{fresh_lab.settings.env}-kafka"
    fresh_lab.client("s3").create_bucket(Bucket=bucket)
    own = OwnBroker(fresh_lab, bucket)
    settings = dataclasses.replace(
        fresh_lab.settings, kafka_bootstrap_servers=f"127.0.0.1:{own.port}"
    )
    try:
        own.start()
        for resource in resources(settings, fresh_lab.registry):
            if resource.kind == "topic":
                resource.supply()
        yield dataclasses.replace(fresh_lab, settings=settings), own
    finally:
        own.kill()


class Watched(IngestSource):
    """Remembers how often messages were received."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.times_received: list[int] = []

    def receive(self, wait_seconds: int) -> list[Record]:
        records = super().receive(wait_seconds)
        self.times_received += [record.times_received for record in records]
        return records


@contextmanager
def running(environment: Environment, limits: Limits = QUICK) -> Iterator[list[str]]:
    """A worker in this process; yields what it tells."""
    stop, told, ended = threading.Event(), list[str](), list[BaseException | Summary]()

    def work() -> None:
        try:
            ended.append(run(environment, stop, limits=limits, tell=told.append))
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(60)
    assert isinstance(ended[0], Summary), ended


def outage(lab: Lab, own: OwnBroker, seconds: float) -> None:
    """Kafka goes away under a worker for so long, with messages coming in all the while."""
    source = Watched(lab.settings)
    environment = dataclasses.replace(Environment.of(lab.settings, lab.registry), source=source)
    tenants = [f"t{n}" for n in range(5)]
    wanted = Counter(f"{t}/{n:03}" for t in tenants for n in range(60))

    def send(numbers: range) -> None:
        for n in numbers:
            fill(lab, [message(event(f"{t}/{n:03}", t), tenant=t) for t in tenants])

    with running(environment, dataclasses.replace(QUICK, longest_pause=2)) as told:
        send(range(20))
        eventually(lambda: len(source.times_received) >= 50)
        own.kill()
        died = time.monotonic()
        send(range(20, 40))
        eventually(lambda: any("Waiting for it" in text for text in told), 60)
        held = len(source.times_received)
        time.sleep(max(0.0, died + seconds - time.monotonic()))
        assert len(source.times_received) <= held + 20, "it receives nothing meanwhile"
        own.start()
        send(range(40, 60))
        eventually(lambda: any("are taken again" in text for text in told), 60)
        eventually(source.is_empty, 60)
    found = on_topic(lab.settings, "product")
    assert set(wanted) == {e["id"] for _, e in found}
    assert set(source.times_received) == {1}, "no try was used up"
    assert dead_letters(lab) == []
    by_tenant: dict[bytes, dict[str, None]] = defaultdict(dict)
    for key, each in found:
        by_tenant[key].setdefault(each["id"])
    for ids in by_tenant.values():
        assert list(ids) == sorted(ids), "in order, but for what was sent twice"


def test_kafka_away_for_a_while(
    broker: tuple[Lab, OwnBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilab.bus.kafka._DELIVERY_MS", 2000)
    monkeypatch.setattr("minilab.bus.kafka._CONNECT_SECONDS", 1.0)
    lab, own = broker
    set_visibility(lab, 3)
    outage(lab, own, seconds=7)


@pytest.mark.slow
def test_kafka_away_for_a_minute(broker: tuple[Lab, OwnBroker]) -> None:
    lab, own = broker
    set_visibility(lab, 30)
    outage(lab, own, seconds=75)


@pytest.mark.slow
def test_aws_killed_under_the_worker_and_its_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker's disk is that S3: it forgets producers then, and fences those that go on."""
    home = tmp_path / "home"
    for name, value in local_stack.start(home, owner=os.getpid()).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MINILAB_ENV", "own")
    aws._client.cache_clear()
    try:
        settings, registry = Settings.from_env(), load_registry()
        provision(settings, registry)
        own: Any = SimpleNamespace(settings=settings, client=lambda s: aws.client(s, settings))
        environment = Environment.of(settings, registry)
        tenants = [f"t{n}" for n in range(5)]
        with running(environment):
            for kill in range(3):
                for n in range(kill * 20, kill * 20 + 20):
                    fill(own, [message(event(f"{t}/{n:03}", t), tenant=t) for t in tenants])
                os.kill(local_stack.status(home).children["AWS"]["pid"], signal.SIGKILL)
            eventually(environment.source.is_empty, 120)
        found = [e["id"] for _, e in on_topic(settings, "product")]
        assert set(found) == {f"{t}/{n:03}" for t in tenants for n in range(60)}
        assert on_queue(own, settings.ingest_dead_letter_queue) == []
    finally:
        local_stack.stop(home)
        aws._client.cache_clear()


def test_told_to_stop_while_kafka_is_away_it_gives_everything_back(
    broker: tuple[Lab, OwnBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilab.bus.kafka._CONNECT_SECONDS", 1.0)
    lab, own = broker
    own.kill()
    wanted = Counter(f"{n}" for n in range(80))
    fill(lab, [message(event(n, f"t{n}"), tenant=f"t{n}") for n in wanted])
    with running(Environment.of(lab.settings, lab.registry)) as told:
        eventually(lambda: any("Waiting for it" in text for text in told))
    own.start()
    started = time.monotonic()
    assert drain(lab).events == len(wanted)
    assert time.monotonic() - started < 60, "visible at once, not after the queue's 120 s"
    assert delivered_ids(lab.settings) == wanted


class Unwilling:
    """An SQS client that does not take some messages."""

    def __init__(self, sqs: Any, refuse: Any) -> None:
        self._sqs, self._refuse = sqs, refuse

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:
        refused = [f for entry in Entries if (f := self._refuse(entry)) is not None]
        bad = {failure["Id"] for failure in refused}
        good = [entry for entry in Entries if entry["Id"] not in bad]
        if good:
            self._sqs.send_message_batch(QueueUrl=QueueUrl, Entries=good)
        return {"Failed": refused}


def unwilling(lab: Lab, refuse: Any) -> Environment:
    """An environment whose SQS streams refuse messages; ``refuse`` gives SQS's answer, or None."""

    def open_(stream: Stream) -> Publisher:
        publisher: Any = open_publisher(lab.settings, stream)
        if stream.bus == "sqs":
            publisher._sqs = Unwilling(publisher._sqs, refuse)
        return publisher  # type: ignore[no-any-return]

    return dataclasses.replace(Environment.of(lab.settings, lab.registry), carriers=Carriers(open_))


def billing(name: str, tenant: str) -> Any:
    return message(event(name, tenant, "billing"), tenant=tenant, stream="billing")


def test_a_message_that_fails_five_times_goes_to_the_dead_letters(fresh_lab: Lab) -> None:
    lab = fresh_lab
    tries: list[str] = []

    def refuse(entry: dict[str, Any]) -> dict[str, Any] | None:
        if '"bad"' not in entry["MessageBody"]:
            return None
        tries.append(entry["Id"])
        return {"Id": entry["Id"], "SenderFault": True, "Code": "Refused", "Message": "not that"}

    fill(lab, [billing("a1", "a"), billing("bad", "a"), billing("a2", "a"), billing("b1", "b")])
    summary = drain(lab, unwilling(lab, refuse))
    assert (len(tries), summary.given_up) == (5, 1)
    assert {e["id"] for e in events_on_queue(lab, "billing")} == {"a1", "a2", "b1"}
    [letter] = dead_letters(lab)
    assert json.loads(letter["Body"])["id"] == "bad", "as it was accepted"
    told = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert told["failure-reason"] == "undeliverable"
    assert "Refused: not that" in told["failure-detail"]
    assert (told["tenant"], told["stream"]) == ("a", "billing")
    assert letter["Attributes"]["MessageGroupId"] == "a"


def test_a_queue_that_throttles_for_long_is_waited_for(
    fresh_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilab.bus.sqs._LONGEST_PAUSE", 0.01)
    lab = fresh_lab
    calls: list[int] = []

    def refuse(entry: dict[str, Any]) -> dict[str, Any] | None:
        if entry["Id"] == "0":
            calls.append(1)
            if len(calls) <= 13:  # five tries are one publisher's; it takes three publishers
                raise ClientError({"Error": {"Code": "ThrottlingException"}}, "SendMessageBatch")
        return None

    names = [f"{n}" for n in range(25)]
    fill(lab, [billing(n, f"t{n}") for n in names])
    summary = drain(lab, unwilling(lab, refuse))
    assert (summary.messages, summary.retried, summary.given_up) == (25, 0, 0)
    assert summary.paused_seconds > 0
    assert {e["id"] for e in events_on_queue(lab, "billing")} == set(names)


def test_a_queue_that_is_not_there_is_waited_for_but_not_for_ever(lab: Lab) -> None:
    settings = dataclasses.replace(lab.settings, env=f"{lab.settings.env}x")
    environment = Environment.of(settings, lab.registry)
    told: list[str] = []
    stop = threading.Event()
    with pytest.raises(QueueMissingError, match=f"no SQS queue {settings.ingest_queue}"):
        run(
            environment,
            stop,
            limits=dataclasses.replace(QUICK, missing_queue_seconds=0.5),
            tell=told.append,
        )
    assert len(told) == 1 and "Waiting" in told[0]

    def supply() -> None:
        for resource in resources(settings, lab.registry):
            if resource.kind in ("queue", "table"):
                resource.supply()
        fill(dataclasses.replace(lab, settings=settings), [billing("a", "a")])

    threading.Timer(1.5, supply).start()
    with running(environment) as told:
        eventually(lambda: events_on_queue_of(lab, settings) == ["a"])
    assert "Waiting" in told[0]


def events_on_queue_of(lab: Lab, settings: Settings) -> list[str]:
    try:
        found = events_on_queue(dataclasses.replace(lab, settings=settings), "billing")
    except ClientError:
        return []
    return [e["id"] for e in found]
