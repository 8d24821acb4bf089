"""Who is told when a run fails."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import pytest

from minilab_dagster import names
from minilab_dagster.defs.maintenance.sensors import run_failures
from minilab_dagster.platform import Platform


@dg.op
def breaks() -> None:
    raise ValueError("the cause")


@dg.job
def broken() -> None:
    breaks()


def test_a_failed_run_is_told_on_the_topic(
    lab: Any, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, queue = _topic_with_a_reader(lab)
    monkeypatch.setenv("MINILAB_ALERTS_TOPIC_ARN", topic)
    result = broken.execute_in_process(
        instance=instance, raise_on_error=False, tags={names.STREAM_TAG: "billing"}
    )
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failures",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
        resources={"platform": Platform()},
    ).for_run_failure()

    run_failures(context)

    (message,) = lab.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    told = json.loads(message["Body"])
    assert told["Subject"] == "Mini-Lab: broken failed (billing)"
    assert result.dagster_run.run_id in told["Message"]
    assert "breaks" in told["Message"]


def _topic_with_a_reader(lab: Any) -> tuple[str, str]:
    sns, sqs, name = lab.client("sns"), lab.client("sqs"), f"minilab-{lab.settings.env}-alerts-runs"
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = sqs.create_queue(QueueName=f"{name}-reader")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    return topic, queue
