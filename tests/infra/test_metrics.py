"""Every metric that an alarm or dashboard looks at is one: AWS documents it, or the code emits it.

Names, namespaces and dimensions are read from the files, where each metric stands on one line.
What the code emits is seen by letting it emit.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest
from terraform import INFRA

from minilab.events.failures import Reason, Violation
from minilab.ingest.api import _METRICS
from minilab.ingest.judge import Rejected
from minilab.ingest.outcome import STATUSES, Outcome, result_of
from minilab.ingest.telemetry import count_outcome, count_problem
from minilab.landing.summary import LandingSummary, StreamSummary
from minilab.metrics import emf
from minilab.processing.metrics import Metrics
from minilab.processing.process import Processed
from minilab_dagster.definitions import defs
from minilab_dagster.platform import Platform

STACKS = [INFRA / "stacks" / stack / "main.tf" for stack in ("events", "monitoring")]
_METRIC = re.compile(
    r'namespace = "(?P<namespace>[^"]+)", name = "(?P<name>[^"]+)", dimensions = \{(?P<body>.*?)\},'
    r' (?:statistic = "[^"]+", account_id|per_task) = '
)
_DIMENSION = re.compile(r'(?:^|, ) *"?([A-Za-z][A-Za-z ]*?)"? = ')

Metric = tuple[str, str, frozenset[str]]
"""Namespace, name, and the names of the dimensions."""

DOCUMENTED: dict[str, tuple[str, dict[str, frozenset[str]]]] = {
    # Namespace: where AWS documents it, and the dimensions by the metric's name.
    "AWS/ApiGateway": (
        "API Gateway Developer Guide, Monitor CloudWatch metrics for HTTP APIs",
        dict.fromkeys(
            ("4xx", "5xx", "Count", "IntegrationLatency", "Latency"), frozenset({"ApiId"})
        ),
    ),
    "AWS/Lambda": (
        "Lambda Developer Guide, Types of metrics for Lambda functions",
        dict.fromkeys(("Errors", "Throttles"), frozenset({"FunctionName"})),
    ),
    "AWS/SQS": (
        "SQS Developer Guide, Available CloudWatch metrics for Amazon SQS",
        dict.fromkeys(
            ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"),
            frozenset({"QueueName"}),
        ),
    ),
    "AWS/RDS": (
        "RDS User Guide, Amazon CloudWatch metrics for Amazon RDS",
        dict.fromkeys(("CPUUtilization", "FreeStorageSpace"), frozenset({"DBInstanceIdentifier"})),
    ),
    "ECS/ContainerInsights": (
        "CloudWatch User Guide, Amazon ECS Container Insights metrics",
        {"RunningTaskCount": frozenset({"ClusterName", "ServiceName"})},
    ),
    "AWS/Kafka": (
        "MSK Developer Guide, Monitor MSK Serverless clusters",
        {"SumOffsetLag": frozenset({"Cluster Name", "Consumer Group", "Topic"})},
    ),
}


def metrics_of(text: str) -> Iterator[Metric]:
    for found in _METRIC.finditer(text):
        dimensions = frozenset(_DIMENSION.findall(found["body"]))
        yield found["namespace"], found["name"], dimensions


def emitted_in(lines: str) -> Iterator[Metric]:
    """What CloudWatch makes of lines of its embedded metric format."""
    for line in lines.splitlines():
        for directive in json.loads(line)["_aws"]["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                for metric in directive["Metrics"]:
                    yield directive["Namespace"], metric["Name"], frozenset(dimensions)


class _Queue:
    def backlog(self) -> int:
        return 1


@dataclass
class _CloudWatch:
    """Keeps what it is told."""

    told: set[Metric] = field(default_factory=set)

    def put_metric_data(self, Namespace: str, MetricData: list[dict[str, Any]]) -> None:
        self.told |= {
            (Namespace, datum["MetricName"], frozenset(d["Name"] for d in datum["Dimensions"]))
            for datum in MetricData
        }


def emit_of_the_api() -> None:
    violation = Violation("/id", "type", "no")
    event = Rejected(0, "billing", Reason.CONTRACT_VIOLATION, (violation,), b"{}", "1", "/s", "t")
    count_outcome(Outcome(False, tuple(result_of(event, status) for status in STATUSES)), 1.0)
    for name in (*_METRICS.values(), "Refused"):
        count_problem(name, "billing", 1, 1.0)


def emit_of_the_processor() -> None:
    processing = Metrics("dev", _Queue(), emf.print_line)
    processing.count(Processed((), (), (), {}, 1, 1, ()))
    processing.tell_if_due()


def emit_of_dagster(monkeypatch: pytest.MonkeyPatch) -> set[Metric]:
    cloudwatch = _CloudWatch()
    monkeypatch.setattr("minilab.aws.client", lambda service, settings: cloudwatch)
    nothing = LandingSummary((StreamSummary("billing", "sqs"),))
    monkeypatch.setattr("minilab.landing.land", lambda *_, **__: nothing)
    Platform().land("billing", logging.getLogger(__name__))
    definitions = defs()
    with dg.DagsterInstance.ephemeral() as instance:
        for key in definitions.resolve_all_asset_keys():
            instance.report_runless_asset_event(dg.AssetMaterialization(key))
        context = dg.build_sensor_context(
            instance=instance, definitions=definitions, resources={"platform": Platform()}
        )
        definitions.get_sensor_def("metrics").evaluate_tick(context)
    return cloudwatch.told


def test_each_metric_is_documented_by_aws_or_emitted_by_the_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
    emit_of_the_api()
    emit_of_the_processor()
    emitted = set(emitted_in(capsys.readouterr().out))
    assert {name for _, name, _ in emitted} >= {"Accepted", "Latency", "Events", "Backlog"}
    emitted |= emit_of_dagster(monkeypatch)

    text = "".join(stack.read_text() for stack in STACKS)
    used = list(metrics_of(text))
    assert len(used) == text.count("namespace = "), "a metric is not on one line as the others are"
    for namespace, name, dimensions in used:
        if namespace in DOCUMENTED:
            known = DOCUMENTED[namespace][1]
            assert known.get(name) == dimensions, f"{namespace} has no {name} by {dimensions}"
        else:
            assert (namespace, name, dimensions) in emitted, f"nothing emits {namespace} {name}"
    assert {namespace for namespace, _, _ in used} == {*DOCUMENTED, "Minilab"}


@pytest.mark.parametrize(
    ("line", "metric"),
    [
        (
            '{ namespace = "AWS/Kafka", name = "SumOffsetLag", dimensions = { "Cluster Name" = '
            'var.a, "Consumer Group" = "${local.b}-c", Topic = "d" }, statistic = "Maximum", '
            "account_id = local.e }",
            ("AWS/Kafka", "SumOffsetLag", frozenset({"Cluster Name", "Consumer Group", "Topic"})),
        ),
        (
            '{ namespace = "Minilab", name = "Y", dimensions = { service = "a" }, per_task = 1 }',
            ("Minilab", "Y", frozenset({"service"})),
        ),
        (
            '{ namespace = "Minilab", name = "X", dimensions = { stream = stream }, '
            'statistic = "p99", account_id = local.e }',
            ("Minilab", "X", frozenset({"stream"})),
        ),
    ],
)
def test_a_metric_is_read_from_its_line(line: str, metric: Metric) -> None:
    assert list(metrics_of(line)) == [metric]
