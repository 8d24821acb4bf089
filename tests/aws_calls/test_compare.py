"""A role is right when it has exactly what its part was seen to need."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.aws_calls.compare import allowed, as_recorded, compare, needs
from tests.support.aws_calls.recording import Call

PLACE = "eu-central-1:111111111111"
QUEUE = f"arn:aws:sqs:{PLACE}:minilab-dev-ingest.fifo"
GLUE = f"arn:aws:glue:{PLACE}"
KEY = f"arn:aws:kms:{PLACE}:key/5"


def call(service: str, operation: str, resource: str) -> Call:
    return Call("part", service, operation, resource, "")


CALLS = [
    call("sqs", "SendMessageBatch", "arn:aws:sqs:*:*:minilab-${env}-ingest.fifo"),
    call("s3", "PutObject", "arn:aws:s3:::minilab-${env}-lake/claims/*"),
    call("glue", "GetTable", "arn:aws:glue:*:*:table/${database}_raw/events"),
    call("athena", "StartQueryExecution", "arn:aws:athena:*:*:workgroup/minilab-${env}"),
    call("athena", "GetQueryExecution", "*"),
    call("cloudwatch", "PutMetricData", "cloudwatch:namespace=Minilab"),
    call("ecs", "RunTask", "arn:aws:ecs:*:*:task-definition/minilab-${env}-run:3"),
]
NEEDS = needs(
    CALLS,
    {"arn:aws:s3:::minilab-${env}-lake": "alias/minilab-${env}-lake"},
    {"minilab-${env}-run": ["arn:aws:iam::*:role/minilab-${env}-run"]},
)


def allow(actions: str | list[str], resources: str | list[str], **conditions: Any) -> Any:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, "Condition": conditions}


def statements() -> list[dict[str, Any]]:
    return [
        allow("sqs:SendMessage", QUEUE),
        allow(["s3:PutObject"], ["arn:aws:s3:::minilab-dev-lake-111111111111/claims/*"]),
        allow(
            "glue:GetTable",
            [f"{GLUE}:catalog", f"{GLUE}:database/minilab_raw", f"{GLUE}:table/minilab_raw/*"],
        ),
        allow(
            ["athena:StartQueryExecution", "athena:GetQueryExecution"],
            f"arn:aws:athena:{PLACE}:workgroup/minilab-dev",
        ),
        allow("cloudwatch:PutMetricData", "*", StringEquals={"cloudwatch:namespace": ["Minilab"]}),
        allow("ecs:RunTask", f"arn:aws:ecs:{PLACE}:task-definition/minilab-dev-run:*"),
        allow("iam:PassRole", "arn:aws:iam::111111111111:role/minilab-dev-run"),
        allow("kms:GenerateDataKey", KEY),
        allow("logs:PutLogEvents", "*"),
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": {"x": "false"}}},
    ]


def permissions(*given: Any) -> frozenset[tuple[str, str]]:
    aliases = {KEY: "alias/minilab-dev-lake"}
    return allowed([{"Statement": list(given)}], "dev", aliases=aliases)


LOGS = [("logs:PutLogEvents", "*")]


def test_a_role_that_is_right() -> None:
    assert not compare(NEEDS, permissions(*statements()), LOGS)


def test_what_aws_asks_besides() -> None:
    assert NEEDS - {(f"{c.service}:{c.operation}", c.resource) for c in CALLS} == {
        ("sqs:SendMessage", "arn:aws:sqs:*:*:minilab-${env}-ingest.fifo"),
        ("glue:GetTable", "arn:aws:glue:*:*:catalog"),
        ("glue:GetTable", "arn:aws:glue:*:*:database/${database}_raw"),
        ("athena:GetQueryExecution", "arn:aws:athena:*:*:workgroup/minilab-${env}"),
        ("iam:PassRole", "arn:aws:iam::*:role/minilab-${env}-run"),
        ("kms:GenerateDataKey", "kms:ResourceAliases=alias/minilab-${env}-lake"),
    }


@pytest.mark.parametrize("taken", sorted(permissions(*statements())))
def test_a_permission_that_is_taken_away_is_told(taken: tuple[str, str]) -> None:
    difference = compare(NEEDS, permissions(*statements()) - {taken}, LOGS)
    assert {action for action, _ in (*difference.missing, *difference.idle)} == {taken[0]}
    assert not difference.unused


@pytest.mark.parametrize(
    "added",
    [
        allow("sqs:PurgeQueue", QUEUE),
        allow("sqs:SendMessage", QUEUE.replace("dev", "prod")),
        allow("sqs:SendMessage", f"arn:aws:sqs:{PLACE}:minilab-dev-*"),
        allow("s3:PutObject", "arn:aws:s3:::minilab-dev-lake-111111111111/raw/*"),
        allow("s3:PutObject", "arn:aws:s3:::minilab-dev-lake-111111111111/*"),
        allow("s3:PutObject", "arn:aws:s3:::*"),
        allow("s3:PutObject", "*"),
        allow("s3:*", "arn:aws:s3:::minilab-dev-lake-111111111111/claims/*"),
        allow("glue:GetTable", f"{GLUE}:table/minilab_marts/*"),
        allow("glue:GetTable", f"{GLUE}:table/*"),
        allow("cloudwatch:PutMetricData", "*"),
        allow("kms:GenerateDataKey", f"arn:aws:kms:{PLACE}:key/*"),
        allow("iam:PassRole", "*"),
    ],
    ids=lambda added: f"{added['Action']} {added['Resource']}",
)
def test_a_permission_that_is_added_is_told(added: dict[str, Any]) -> None:
    """Also one that is wider than its use."""
    difference = compare(NEEDS, permissions(*statements(), added), LOGS)
    assert difference.unused == ((added["Action"], as_recorded(added["Resource"], "dev")),)
    assert not difference.missing


@pytest.mark.parametrize(
    ("resource", "enough"),
    [
        ("arn:aws:s3:::minilab-dev-lake/claims/*", True),
        ("arn:aws:s3:::minilab-dev-lake/*", True),
        ("*", True),
        ("arn:aws:s3:::minilab-dev-lake", False),
        ("arn:aws:s3:::minilab-dev-lake/claims/a*", False),
        ("arn:aws:s3:::minilab-dev-lake/claims", False),
        ("arn:aws:s3:::minilab-prod-lake/claims/*", False),
    ],
)
def test_a_resource_must_hold_all_that_was_used(resource: str, enough: bool) -> None:
    need = ("s3:PutObject", "arn:aws:s3:::minilab-${env}-lake/claims/*")
    difference = compare([need], permissions(allow("s3:PutObject", resource)))
    assert (not difference.missing) is enough


def test_a_key_is_known_by_its_alias() -> None:
    need = ("kms:Decrypt", "kms:ResourceAliases=alias/minilab-${env}-lake")
    condition = {"kms:ResourceAliases": "alias/minilab-dev-lake"}
    by_alias = allow("kms:Decrypt", f"arn:aws:kms:{PLACE}:key/*", StringEquals=condition)
    assert not compare([need], permissions(by_alias))
    assert not compare([need], permissions(allow("kms:Decrypt", KEY)))
    assert compare([need], permissions(allow("kms:Decrypt", KEY.replace("5", "6")))).missing


def test_what_is_withheld_is_not_missed_and_must_not_be_given() -> None:
    need = ("s3:PutObject", "arn:aws:s3:::minilab-${env}-lake/claims/*")
    assert not compare([need], [], withheld=[need])
    assert compare([need], [need], withheld=[need]).idle == (need,)


def test_an_exception_that_is_none_is_told() -> None:
    exceptions = [*LOGS, ("xray:PutTraceSegments", "*")]
    difference = compare(NEEDS, permissions(*statements()), exceptions)
    assert difference.idle == (("xray:PutTraceSegments", "*"),)
    assert "xray:PutTraceSegments on *" in str(difference)


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (QUEUE, "arn:aws:sqs:*:*:minilab-${env}-ingest.fifo"),
        (
            "arn:aws:s3:::minilab-dev-lake-111111111111/raw/*",
            "arn:aws:s3:::minilab-${env}-lake/raw/*",
        ),
        (
            "arn:aws:iam::111111111111:role/minilab-dev-run",
            "arn:aws:iam::*:role/minilab-${env}-run",
        ),
        (f"{GLUE}:database/minilab_raw", "arn:aws:glue:*:*:database/${database}_raw"),
        (
            f"arn:aws:kafka:{PLACE}:topic/minilab-dev/0b3b7a5e-0000-4000-8000-000000000000-2/x",
            "arn:aws:kafka:*:*:topic/minilab-${env}/*/x",
        ),
        (
            f"arn:aws:secretsmanager:{PLACE}:secret:rds!db-1-AbC",
            "arn:aws:secretsmanager:*:*:secret:rds!*",
        ),
    ],
)
def test_an_arn_has_a_recordings_names(arn: str, expected: str) -> None:
    assert as_recorded(arn, "dev") == expected
