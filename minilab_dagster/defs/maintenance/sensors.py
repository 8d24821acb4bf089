"""Somebody hears of it when a run fails."""

import os

import dagster as dg

from minilab_dagster import names
from minilab_dagster.platform import Platform

_ALERTS = "MINILAB_ALERTS_TOPIC_ARN"


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
