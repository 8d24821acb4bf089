"""Metrics as lines of a log, in CloudWatch's embedded metric format.

CloudWatch Logs makes metrics of such lines, whatever brings them there: Lambda what a function
prints, ECS what a container prints (log driver ``awslogs``). That takes no agent and no header.
Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format", "Using the
PutLogEvents API to send manually-created embedded metric format logs".
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
from aws_lambda_powertools.metrics.functions import is_metrics_disabled
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)

from minilab.metrics import NAMESPACE, Metric

_NOTHING: Mapping[str, object] = MappingProxyType({})


def line_of(
    service: str,
    dimensions: Mapping[str, str],
    metrics: Iterable[Metric],
    properties: Mapping[str, object] = _NOTHING,
) -> str:
    """One line. The service is a dimension; ``properties`` are found in the log only."""
    emf = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service=service)
    for name, value in dimensions.items():
        emf.add_dimension(name, value)
    for metric in metrics:
        emf.add_metric(metric.name, metric.unit, metric.value)
    for name, property_ in properties.items():
        emf.add_metadata(name, property_)
    return msgspec.json.encode(emf.serialize_metric_set()).decode()


def print_line(line: str) -> None:
    """Write a line to stdout, unless ``POWERTOOLS_METRICS_DISABLED`` is set."""
    if not is_metrics_disabled():
        sys.stdout.write(line + "\n")  # one write: lines of two threads do not mix
        sys.stdout.flush()
