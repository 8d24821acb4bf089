"""The sensors, over a real queue and a real topic."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from minilab.bus import open_publisher
from minilab.bus.message import SqsSender
from minilab.events.registry import FAILURES
from minilab_dagster import names
from minilab_dagster.defs.raw.partitions import current_key
from minilab_dagster.platform import Platform

pytestmark = pytest.mark.usefixtures("fresh_lab")

Tick = Callable[..., Any]


def send(lab: Any, stream: str, count: int = 1) -> None:
    with open_publisher(lab.settings, lab.registry.stream(stream)) as publisher:
        for _ in range(count):
            event = {
                "specversion": "1.0",
                "id": secrets.token_hex(8),
                "source": "tests",
                "type": "com.example.tested",
                "tenant": "acme",
                "data": {},
            }
            publisher.send(json.dumps(event).encode(), key="acme")
        publisher.flush()


@pytest.fixture
def tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Tick:
    """``tick("sqs_backlog", cursor=None)``: one evaluation of a sensor."""

    def evaluate(name: str, cursor: str | None = None) -> Any:
        sensor = definitions.get_sensor_def(name)
        context = dg.build_sensor_context(
            instance=instance,
            cursor=cursor,
            definitions=definitions,
            resources={"platform": Platform()},
        )
        return sensor.evaluate_tick(context)

    return evaluate


def test_an_empty_bus_asks_for_nothing_and_says_so(tick: Tick) -> None:
    for name, said in (
        ("kafka_backlog", "product: 0 waiting"),
        ("sqs_backlog", "billing: 0 waiting; webhooks: 0 waiting"),
        ("failed_backlog", "failed: 0 waiting"),
    ):
        data = tick(name)
        assert data.run_requests == []
        assert data.skip_message == said


@pytest.mark.parametrize(
    ("sensor", "stream"), [("kafka_backlog", "product"), ("sqs_backlog", "webhooks")]
)
def test_what_waits_is_landed_into_the_current_hour(
    tick: Tick, fresh_lab: Any, sensor: str, stream: str
) -> None:
    send(fresh_lab, stream, 3)
    (request,) = tick(sensor).run_requests
    assert list(request.asset_selection) == [names.raw_key(stream)]
    assert request.partition_key == current_key()
    assert request.tags[names.STREAM_TAG] == stream


@pytest.mark.parametrize("queue", ["failed_queue", "ingest_dead_letter_queue", "webhooks"])
def test_what_failed_before_landing_is_landed(
    tick: Tick,
    fresh_lab: Any,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    queue: str,
) -> None:
    settings = fresh_lab.settings
    name = getattr(settings, queue, None) or settings.dead_letter_queue_name(queue)
    more = {"MessageGroupId": "t", "MessageDeduplicationId": "1"} if name.endswith("fifo") else {}
    entry = {"Id": "0", "MessageBody": "no record", **more}
    assert SqsSender(fresh_lab.client("sqs"), settings, name).send([entry]) == {}
    (request,) = tick("failed_backlog").run_requests
    assert list(request.asset_selection) == [names.FAILED_EVENTS]
    assert request.partition_key == current_key()
    assert request.tags[names.STREAM_TAG] == FAILURES
    _record_run(definitions, instance, FAILURES, dg.DagsterRunStatus.STARTED)
    data = tick("failed_backlog")
    assert data.run_requests == []
    assert "failed: 1 waiting; 1 run(s) of it queued or under way" in data.skip_message


def test_no_second_run_while_one_is_queued(
    tick: Tick, fresh_lab: Any, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    send(fresh_lab, "webhooks")
    _record_run(definitions, instance, "webhooks", dg.DagsterRunStatus.STARTED)
    data = tick("sqs_backlog")
    assert data.run_requests == []
    assert "webhooks: 1 waiting; 1 run(s) of it queued or under way" in data.skip_message


def test_another_streams_run_is_no_reason_to_wait(
    tick: Tick, fresh_lab: Any, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    send(fresh_lab, "webhooks")
    _record_run(definitions, instance, "billing", dg.DagsterRunStatus.STARTED)
    assert len(tick("sqs_backlog").run_requests) == 1


def test_waits_for_more_as_the_environment_says(
    tick: Tick, fresh_lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINILAB_LAND_MIN_MESSAGES", "3")
    monkeypatch.setenv("MINILAB_LAND_MAX_WAIT_SECONDS", "3600")
    send(fresh_lab, "webhooks", 2)
    data = tick("sqs_backlog")
    assert data.run_requests == []
    assert "webhooks: 2 waiting, fewer than 3, for 0 s of at most 3600 s" in data.skip_message
    waited_long = json.dumps({"webhooks": 0.0})
    assert len(tick("sqs_backlog", cursor=waited_long).run_requests) == 1
    send(fresh_lab, "webhooks", 1)
    assert len(tick("sqs_backlog", cursor=data.cursor).run_requests) == 1


def test_one_streams_trouble_is_not_the_others(tick: Tick, fresh_lab: Any) -> None:
    send(fresh_lab, "webhooks")
    sqs, queue = fresh_lab.client("sqs"), fresh_lab.settings.queue_name("billing")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"])
    (request,) = tick("sqs_backlog").run_requests
    assert request.tags[names.STREAM_TAG] == "webhooks"


def _record_run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    stream: str,
    status: dg.DagsterRunStatus,
) -> None:
    job = definitions.resolve_job_def("land_and_build")
    instance.create_run_for_job(job, status=status, tags={names.STREAM_TAG: stream})
