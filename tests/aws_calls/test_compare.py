"""A role is right when it has exactly what its part was seen to need."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.aws_calls.compare import compare, with_deployment

QUEUE = "arn:aws:sqs:us-east-1:111111111111:minilab-dev-ingest.fifo"
NEEDED = with_deployment(
    {
        "sqs:SendMessage": frozenset({"arn:aws:sqs:*:*:minilab-${env}-ingest.fifo"}),
        "s3:PutObject": frozenset({"arn:aws:s3:::minilab-${env}-lake/claims/*"}),
        "glue:GetTable": frozenset({"arn:aws:glue:*:*:table/${database}_raw/events"}),
        "athena:GetQueryExecution": frozenset({"*"}),
        "cloudwatch:PutMetricData": frozenset({"cloudwatch:namespace=Minilab"}),
    },
    "dev",
    "minilab",
)
GLUE = "arn:aws:glue:us-east-1:111111111111"


def statements() -> list[dict[str, Any]]:
    return [
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": QUEUE},
        {
            "Effect": "Allow",
            "Action": ["s3:PutObject"],
            "Resource": ["arn:aws:s3:::minilab-dev-lake/claims/*"],
        },
        {
            "Effect": "Allow",
            "Action": "glue:GetTable",
            "Resource": [
                f"{GLUE}:catalog",
                f"{GLUE}:database/minilab_raw",
                f"{GLUE}:table/minilab_raw/*",
            ],
        },
        {
            "Effect": "Allow",
            "Action": "athena:GetQueryExecution",
            "Resource": "arn:aws:athena:us-east-1:111111111111:workgroup/minilab-dev",
        },
        {
            "Effect": "Allow",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": "Minilab"}},
        },
        {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"x": "false"}}},
    ]


LOGS = {"logs:PutLogEvents": "Lambda itself writes what the function prints"}


def test_a_role_that_is_right() -> None:
    assert not compare(NEEDED, [{"Statement": statements()}], LOGS)
    apart = [{"Statement": statement} for statement in statements()]
    assert not compare(NEEDED, apart, LOGS)


@pytest.mark.parametrize("index", range(5))
def test_an_action_that_is_taken_away_is_missing(index: int) -> None:
    kept = statements()
    taken = kept.pop(index)
    difference = compare(NEEDED, [{"Statement": kept}], LOGS)
    action = taken["Action"]
    assert {missing for missing, _ in difference.missing} == set(
        [action] if isinstance(action, str) else action
    )
    assert not difference.unused


def allow(action: str, resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    "added",
    [
        allow("sqs:PurgeQueue", QUEUE),
        allow("sqs:SendMessage", QUEUE.replace("dev", "prod")),
        allow("s3:PutObject", "arn:aws:s3:::minilab-dev-lake/raw/*"),
        allow("s3:*", "arn:aws:s3:::minilab-dev-lake/claims/*"),
        allow("glue:GetTable", f"{GLUE}:table/minilab_marts/*"),
        allow("cloudwatch:PutMetricData", "*"),
    ],
    ids=lambda added: f"{added['Action']} {added['Resource']}",
)
def test_an_action_that_is_added_is_unused(added: dict[str, Any]) -> None:
    difference = compare(NEEDED, [{"Statement": [*statements(), added]}], LOGS)
    assert difference.unused == ((added["Action"], added["Resource"]),)
    assert not difference.missing


@pytest.mark.parametrize(
    ("resource", "enough"),
    [
        ("arn:aws:s3:::minilab-dev-lake/claims/*", True),
        ("arn:aws:s3:::minilab-dev-lake/*", True),
        ("arn:aws:s3:::*", True),
        ("*", True),
        ("arn:aws:s3:::minilab-dev-lake", False),
        ("arn:aws:s3:::minilab-dev-lake/claims/a*", False),
        ("arn:aws:s3:::minilab-dev-lake/claims", False),
        ("arn:aws:s3:::minilab-prod-lake/claims/*", False),
    ],
)
def test_a_resource_must_hold_all_that_was_used(resource: str, enough: bool) -> None:
    need = {"s3:PutObject": frozenset({"arn:aws:s3:::minilab-dev-lake/claims/*"})}
    difference = compare(need, [{"Statement": allow("s3:PutObject", resource)}], {})
    assert (not difference.missing) is enough


def test_a_metric_goes_to_its_namespace_alone() -> None:
    condition = {"StringEquals": {"cloudwatch:namespace": "Other"}}
    statement = allow("cloudwatch:PutMetricData", "*", Condition=condition)
    need = {"cloudwatch:PutMetricData": NEEDED["cloudwatch:PutMetricData"]}
    assert compare(need, [{"Statement": statement}], {}).missing


def test_an_exception_that_nothing_needs_is_told() -> None:
    exceptions = {**LOGS, "xray:PutTraceSegments": "sent by the daemon"}
    difference = compare(NEEDED, [{"Statement": statements()}], exceptions)
    assert difference.idle_exceptions == ("xray:PutTraceSegments",)
    assert difference
