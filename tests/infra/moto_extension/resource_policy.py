"""What a resource's policy lets another account do, of policies as ``infra/`` writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from minilab_local.iam.policy import listed

PLAIN_HTTP = {"Bool": {"aws:SecureTransport": "false"}}
"""The condition of a Deny that nobody meets here: moto has no TLS."""


def lets(
    policy: str | None,
    account: str,
    action: str,
    resource: str,
    context: dict[str, list[str]] | None = None,
) -> bool:
    """Whether some statement allows the action to the whole account, on conditions that are met.

    Args:
        policy: JSON, or None where the resource has none.
        context: values of the condition keys; a key without any is not met.

    Raises:
        NotImplementedError: a Deny on another condition than plain HTTP, or a condition of a kind
            that is not known here.
    """
    return any(
        _matches(statement, account, action, resource, context or {})
        for statement in json.loads(policy or '{"Statement": []}')["Statement"]
    )


def _matches(
    statement: dict[str, Any],
    account: str,
    action: str,
    resource: str,
    context: dict[str, list[str]],
) -> bool:
    if statement["Effect"] == "Deny":
        if statement["Condition"] == PLAIN_HTTP:
            return False
        raise NotImplementedError(f"a resource's policy that denies: {statement}")
    principals = listed(statement["Principal"].get("AWS", []))
    return (
        f"arn:aws:iam::{account}:root" in principals
        and any(fnmatchcase(action, each) for each in listed(statement["Action"]))
        and any(fnmatchcase(resource, each) for each in listed(statement["Resource"]))
        and all(
            _is_met(operator, context.get(key, []), listed(wanted))
            for operator, tests in statement.get("Condition", {}).items()
            for key, wanted in tests.items()
        )
    )


_OPERATORS: dict[str, Callable[[list[str], list[str]], bool]] = {
    "ArnEquals": lambda given, wanted: any(each in wanted for each in given),
    "StringEquals": lambda given, wanted: any(each in wanted for each in given),
    "ForAllValues:StringEquals": lambda given, wanted: all(each in wanted for each in given),
}


def _is_met(operator: str, given: list[str], wanted: list[str]) -> bool:
    if operator not in _OPERATORS:
        raise NotImplementedError(f"a condition with {operator}")
    return _OPERATORS[operator](given, wanted)
