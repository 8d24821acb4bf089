"""Metrics sent to CloudWatch's API, by what has no log that CloudWatch reads: Dagster keeps what
its runs print in files of its own.

Source: Amazon CloudWatch API Reference, PutMetricData.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from minilab import aws
from minilab.metrics import NAMESPACE, Metric
from minilab.settings import Settings


def send(
    settings: Settings, service: str, told: Iterable[tuple[Metric, Mapping[str, str]]]
) -> None:
    """Send metrics, each with its dimensions; environment and service are dimensions of all.

    Raises:
        AwsError: CloudWatch cannot be reached, or refuses.
    """
    common = {"environment": settings.env, "service": service}
    with aws.readable_errors("Telling CloudWatch metrics"):
        aws.client("cloudwatch", settings).put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {
                    "MetricName": metric.name,
                    "Value": metric.value,
                    "Unit": metric.unit,
                    "Dimensions": [
                        {"Name": name, "Value": value}
                        for name, value in {**common, **dimensions}.items()
                    ],
                }
                for metric, dimensions in told
            ],
        )
