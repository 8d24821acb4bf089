"""What a policy says, held against the IAM User Guide's "Policy evaluation logic"."""

from __future__ import annotations

from typing import Any

import pytest

from minilab_local.iam.policy import Decision, Policies

QUEUE = "arn:aws:sqs:us-east-1:123456789012:minilab-dev-billing"
ALLOWED, NOT_ALLOWED, DENIED = Decision.ALLOWED, Decision.NOT_ALLOWED, Decision.DENIED


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "sqs:SendMessage", "Resource": QUEUE, **elements}


def decide(*statements: dict[str, Any], **context: str | list[str]) -> Decision:
    policies = Policies([{"Version": "2012-10-17", "Statement": list(statements)}])
    return policies.decide(
        "sqs:SendMessage", QUEUE, {key.replace("__", ":"): v for key, v in context.items()}
    )


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, ALLOWED),
        ({"Action": ["sqs:ReceiveMessage", "sqs:SendMessage"]}, ALLOWED),
        ({"Action": "sqs:sendmessage"}, ALLOWED),
        ({"Action": "sqs:Send*"}, ALLOWED),
        ({"Action": "*"}, ALLOWED),
        ({"Action": "sqs:SendMessag?"}, ALLOWED),
        ({"Action": "sqs:Send"}, NOT_ALLOWED),
        ({"Action": "sqs:ReceiveMessage"}, NOT_ALLOWED),
        ({"Resource": "*"}, ALLOWED),
        ({"Resource": "arn:aws:sqs:*:*:minilab-dev-*"}, ALLOWED),
        ({"Resource": [QUEUE + "-dlq", QUEUE]}, ALLOWED),
        ({"Resource": QUEUE + "-dlq"}, NOT_ALLOWED),
        ({"Resource": QUEUE.upper()}, NOT_ALLOWED),
        ({"Resource": QUEUE.replace("-dev-", ".dev.")}, NOT_ALLOWED),  # a dot is a dot
    ],
)
def test_action_and_resource(elements: dict[str, Any], expected: Decision) -> None:
    assert decide(statement(**elements)) is expected


def test_what_is_not_named() -> None:
    but = {"Effect": "Allow", "NotAction": "sqs:DeleteQueue", "NotResource": QUEUE + "-dlq"}
    assert decide(but) is ALLOWED
    assert decide(but | {"NotAction": "sqs:Send*"}) is NOT_ALLOWED
    assert decide(but | {"NotResource": "arn:aws:sqs:*"}) is NOT_ALLOWED


def test_nothing_is_allowed_by_nothing() -> None:
    assert Policies([]).decide("sqs:SendMessage", QUEUE, {}) is NOT_ALLOWED


@pytest.mark.parametrize("order", [1, -1])
def test_a_deny_wins_wherever_it_stands(order: int) -> None:
    assert decide(*[statement(), statement("Deny", Action="sqs:*")][::order]) is DENIED


def test_a_deny_of_something_else_does_not() -> None:
    assert decide(statement(), statement("Deny", Resource=QUEUE + "-dlq")) is ALLOWED


ROLE = "arn:aws:iam::123456789012:role/minilab-dev-ingest"


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"StringEquals": {"aws:x": "a"}}, {"aws__x": "a"}, True),
        ({"StringEquals": {"aws:x": ["b", "a"]}}, {"aws__x": "a"}, True),
        ({"StringEquals": {"AWS:X": "a"}}, {"aws__x": "a"}, True),  # keys have no case
        ({"StringEquals": {"aws:x": "a"}}, {"aws__x": "A"}, False),
        ({"StringEqualsIgnoreCase": {"aws:x": "a"}}, {"aws__x": "A"}, True),
        ({"StringEquals": {"aws:x": "a"}}, {}, False),
        ({"StringEqualsIfExists": {"aws:x": "a"}}, {}, True),
        ({"StringEqualsIfExists": {"aws:x": "a"}}, {"aws__x": "b"}, False),
        ({"StringNotEquals": {"aws:x": ["a", "b"]}}, {"aws__x": "c"}, True),
        ({"StringNotEquals": {"aws:x": ["a", "b"]}}, {"aws__x": "b"}, False),
        ({"StringNotEquals": {"aws:x": "a"}}, {}, True),
        ({"StringLike": {"s3:prefix": "raw/*"}}, {"s3__prefix": "raw/x"}, True),
        ({"StringLike": {"s3:prefix": "raw/*"}}, {"s3__prefix": "failed/x"}, False),
        (
            {"ArnLike": {"aws:principalarn": "arn:aws:iam::*:role/*"}},
            {"aws__principalarn": ROLE},
            1,
        ),
        ({"ArnEquals": {"aws:principalarn": [ROLE]}}, {"aws__principalarn": ROLE}, True),
        ({"ArnNotEquals": {"aws:principalarn": [ROLE]}}, {"aws__principalarn": ROLE}, False),
        ({"Bool": {"aws:x": True}}, {"aws__x": "true"}, True),
        ({"Null": {"aws:x": "true"}}, {}, True),
        ({"Null": {"aws:x": "false"}}, {}, False),
        ({"ForAnyValue:StringEquals": {"kms:x": "a"}}, {"kms__x": "a"}, True),
        ({"ForAnyValue:StringEquals": {"kms:x": "a"}}, {}, False),
        ({"ForAllValues:StringEquals": {"kms:x": "a"}}, {}, True),
        ({"ForAllValues:StringLike": {"k:x": "a*"}}, {"k__x": ["a1", "a2"]}, True),
        ({"ForAllValues:StringLike": {"k:x": "a*"}}, {"k__x": ["a1", "b"]}, False),
        ({"ForAnyValue:StringLike": {"k:x": "a*"}}, {"k__x": ["b", "a1"]}, True),
        ({"ForAnyValue:StringNotLike": {"k:x": "a*"}}, {"k__x": ["a1"]}, False),
        ({"StringEquals": {"aws:x": "a", "aws:y": "b"}}, {"aws__x": "a", "aws__y": "c"}, False),
        (
            {"StringEquals": {"aws:x": "a"}, "StringLike": {"aws:y": "b*"}},
            {"aws__x": "a", "aws__y": "bb"},
            True,
        ),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, Any], holds: bool) -> None:
    assert decide(statement(Condition=condition), **context) is (ALLOWED if holds else NOT_ALLOWED)
    denied = decide(statement(), statement("Deny", Condition=condition), **context)
    assert denied is (DENIED if holds else ALLOWED)


def test_an_operator_that_is_not_known_is_said() -> None:
    with pytest.raises(NotImplementedError, match="IpAddress"):
        decide(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))
