"""Somebody hears of it when a run fails; CloudWatch, how runs ended and how fresh the marts are."""

import os
import time

import dagster as dg

from minilab.events.registry import load_registry
from minilab.metrics import cloudwatch
from minilab_dagster import names
from minilab_dagster.freshness import freshness_of
from minilab_dagster.platform import Platform
from minilab_dagster.runs_ended import runs_ended

_ALERTS = "MINILAB_ALERTS_TOPIC_ARN"
_SETTLED_SECONDS = 5.0
"""A run's end is in the storage by then."""


@dg.run_failure_sensor(
    name="run_failures",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
    description=f"Says what failed in its log, and on the SNS topic of {_ALERTS} if that is set.",
)
def run_failures(context: dg.RunFailureSensorContext, platform: Platform) -> None:
    run = context.dagster_run
    stream = run.tags.get(names.STREAM_TAG)
    subject = f"Mini-Lab: {run.job_name} failed" + (f" ({stream})" if stream else "")
    text = f"{subject}\nRun {run.run_id}\n\n{context.failure_event.message}"
    context.log.error(text)
    if topic := os.environ.get(_ALERTS):
        from minilab import aws

        aws.client("sns", platform.settings).publish(
            TopicArn=topic, Subject=subject[:100], Message=text
        )


@dg.sensor(
    name="metrics",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
    description="Tells CloudWatch how many runs ended, and how, and how fresh the marts are.",
)
def metrics(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    now = time.time()
    until = now - _SETTLED_SECONDS
    since = float(context.cursor or until)
    fresh = freshness_of(context.instance, _marts(context), _raw_keys(), now)
    told = [
        *((metric, {}) for metric in fresh.metrics()),
        *runs_ended(context.instance, since, until),
    ]
    cloudwatch.send(platform.settings, "dagster", told)
    age = "never" if fresh.age_seconds is None else f"{fresh.age_seconds:.0f} s ago"
    return dg.SensorResult(
        skip_reason=f"{fresh.mart} was built {age}; landed events wait for"
        f" {fresh.behind_seconds:.0f} s to be in it",
        cursor=repr(until),
    )


def _marts(context: dg.SensorEvaluationContext) -> list[dg.AssetKey]:
    assert context.repository_def is not None
    graph = context.repository_def.asset_graph
    marts = graph.asset_keys_for_group(names.MARTS)
    return [key for key in marts if not graph.get(key).is_virtual]


def _raw_keys() -> list[dg.AssetKey]:
    return [names.raw_key(stream) for stream in load_registry().streams]
