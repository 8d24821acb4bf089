"""What Dagster tells CloudWatch: how runs ended, how fresh the marts are, what was landed."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from minilab.aws import AwsError
from minilab.bus import open_publisher
from minilab.metrics import Metric, cloudwatch
from minilab_dagster import names
from minilab_dagster.freshness import Freshness, freshness_of
from minilab_dagster.platform import Platform
from minilab_dagster.runs_ended import runs_ended

ONE, OTHER = names.raw_key("one"), names.raw_key("other")
SALES, USERS = dg.AssetKey(["marts", "sales"]), dg.AssetKey(["marts", "users"])


def made(instance: dg.DagsterInstance, key: dg.AssetKey) -> float:
    """Materialize an asset; returns when."""
    instance.report_runless_asset_event(dg.AssetMaterialization(key))
    entry = instance.get_latest_materialization_event(key)
    assert entry is not None
    return entry.timestamp


# How fresh the marts are ---------------------------------------------------------------------


def fresh(instance: dg.DagsterInstance, now: float) -> Freshness:
    return freshness_of(instance, [SALES, USERS], [ONE, OTHER], now)


def test_where_nothing_ever_came_nothing_waits(instance: dg.DagsterInstance) -> None:
    found = fresh(instance, 1000.0)
    assert (found.age_seconds, found.behind_seconds) == (None, 0.0)
    assert found.metrics() == [Metric("MartsBehind", 0.0, "Seconds")], "there is no age yet"


def test_what_was_landed_before_the_first_build_waits(instance: dg.DagsterInstance) -> None:
    first = made(instance, OTHER)
    made(instance, ONE)
    made(instance, SALES)
    found = fresh(instance, first + 100)
    assert (found.mart, found.age_seconds, found.behind_seconds) == ("marts/users", None, 100)


def test_marts_that_have_all_that_was_landed_grow_older_but_not_late(
    instance: dg.DagsterInstance,
) -> None:
    made(instance, ONE)
    built = made(instance, SALES)
    made(instance, USERS)
    found = fresh(instance, built + 5000)
    assert found == Freshness("marts/sales", 5000, 0.0)
    assert found.metrics()[1] == Metric("MartsAge", 5000, "Seconds")


def test_what_came_after_the_oldest_build_waits_from_the_first_on(
    instance: dg.DagsterInstance,
) -> None:
    made(instance, ONE)
    made(instance, USERS)
    built = made(instance, SALES)
    made(instance, USERS)
    waits = made(instance, OTHER)
    made(instance, USERS)
    made(instance, ONE)
    found = fresh(instance, waits + 60)
    assert found == Freshness("marts/sales", waits + 60 - built, 60)


# How runs ended ------------------------------------------------------------------------------


@dg.op
def breaks() -> None:
    raise ValueError("on purpose")


@dg.op
def works() -> None:
    pass


@dg.job
def broken() -> None:
    breaks()


@dg.job
def sound() -> None:
    works()


def counted(
    instance: dg.DagsterInstance, since: float, until: float
) -> dict[tuple[str, str | None], float]:
    """Runs by status and job (None: all)."""
    return {
        (dimensions["status"], dimensions.get("job")): metric.value
        for metric, dimensions in runs_ended(instance, since, until)
    }


def test_runs_are_counted_by_how_they_ended_and_by_job(instance: dg.DagsterInstance) -> None:
    for _ in range(2):
        broken.execute_in_process(instance=instance, raise_on_error=False)
    sound.execute_in_process(instance=instance)
    instance.create_run_for_job(sound, status=dg.DagsterRunStatus.STARTED)
    ends = sorted(r.end_time for r in instance.get_run_records() if r.end_time is not None)
    assert len(ends) == 3
    assert counted(instance, ends[0], ends[-1] + 1) == {
        ("success", None): 1, ("failure", None): 2, ("canceled", None): 0,
        ("failure", "broken"): 2, ("success", "sound"): 1,
    }  # fmt: skip


def test_each_run_is_counted_once_and_no_run_is_told_as_none(instance: dg.DagsterInstance) -> None:
    sound.execute_in_process(instance=instance)
    [record] = instance.get_run_records()
    assert record.end_time is not None
    before = counted(instance, record.end_time - 60, record.end_time)
    after = counted(instance, record.end_time, record.end_time + 60)
    assert before == {("success", None): 0, ("failure", None): 0, ("canceled", None): 0}
    assert (after["success", None], after["success", "sound"]) == (1, 1)


# What CloudWatch has -------------------------------------------------------------------------


def sums(lab: Any, name: str, dimensions: Mapping[str, str]) -> float:
    """All that was told of a metric."""
    given = {"environment": lab.settings.env, **dimensions}
    now = datetime.now(UTC)
    points = lab.client("cloudwatch").get_metric_statistics(
        Namespace="Minilab",
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in given.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=7200,
        Statistics=["Sum"],
    )["Datapoints"]
    assert points, f"{name} was not told by {given}"
    return sum(point["Sum"] for point in points)


def tick(
    definitions: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None
) -> dg.SensorExecutionData | Any:
    context = dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        definitions=definitions,
        resources={"platform": Platform()},
    )
    return definitions.get_sensor_def("metrics").evaluate_tick(context)


def test_the_sensor_tells_of_every_mart_and_of_the_runs_since_it_told_last(
    fresh_lab: Any, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    broken.execute_in_process(instance=instance, raise_on_error=False)
    [record] = instance.get_run_records()
    assert record.end_time is not None
    made(instance, names.raw_key("billing"))
    data = tick(definitions, instance, repr(record.end_time - 60))
    assert data.run_requests == []
    assert data.skip_message.startswith("marts/")
    assert "was built never" in data.skip_message
    assert float(data.cursor) < record.end_time + 60
    dagster = {"service": "dagster"}
    assert sums(fresh_lab, "MartsBehind", dagster) >= 0
    assert sums(fresh_lab, "Runs", {**dagster, "status": "success"}) == 0


def test_the_first_tick_counts_no_run_of_the_past(
    fresh_lab: Any, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    broken.execute_in_process(instance=instance, raise_on_error=False)
    tick(definitions, instance, None)
    assert sums(fresh_lab, "Runs", {"service": "dagster", "status": "failure"}) == 0


def publish(lab: Any, *bodies: bytes) -> None:
    with open_publisher(lab.settings, lab.registry.stream("webhooks")) as publisher:
        for body in bodies:
            publisher.send(body, key="acme")
        publisher.flush()


def an_event() -> bytes:
    event = {"specversion": "1.0", "id": secrets.token_hex(8), "source": "/t", "type": "a.b"}
    return json.dumps({**event, "tenant": "acme"}).encode()


def test_landing_tells_what_it_landed_and_what_failed(fresh_lab: Any) -> None:
    publish(fresh_lab, an_event(), an_event(), b"no event")
    log = logging.getLogger("landing-tells")
    landed = Platform().land("webhooks", log)
    assert (landed.events, landed.failed_events) == (2, 1)
    of_stream = {"service": "landing", "stream": "webhooks"}
    assert sums(fresh_lab, "Events", of_stream) == 2
    assert sums(fresh_lab, "FailedEvents", of_stream) == 1


def test_a_cloudwatch_that_is_away_fails_no_landing(
    fresh_lab: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise AwsError("CloudWatch is away.")

    monkeypatch.setattr(cloudwatch, "send", away)
    publish(fresh_lab, an_event())
    with caplog.at_level(logging.WARNING, "landing-goes-on"):
        landed = Platform().land("webhooks", logging.getLogger("landing-goes-on"))
    assert landed.events == 1
    assert caplog.messages == ["CloudWatch is away."]
