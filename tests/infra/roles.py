"""Roles of an applied environment beside the parts of the platform that work under them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployment import ENVIRONMENT
from plans import Resource, listed, of_type, policies, resources

from infra.tools.role_policies import is_of_code_or_people
from tests.support.aws_calls.compare import Permission, allowed, as_recorded
from tests.support.aws_calls.parts import ATHENA, ATHENA_FOR_ANALYSTS
from tests.support.aws_calls.recording import Call

NAME = f"minilab-{ENVIRONMENT}-"
Plans = Mapping[str, Any]
"""Plans as JSON, by stack."""

PARTS: Mapping[str, frozenset[str]] = {
    # Role, without what its name begins with: the parts of a recording that run under it.
    "ingest": frozenset({"ingest"}),
    "processor": frozenset({"processor"}),
    "operator": frozenset({"operator"}),
    "analyst": frozenset({"analyst", ATHENA_FOR_ANALYSTS}),
    "dagster-webserver": frozenset({"dagster-webserver"}),
    "dagster-daemon": frozenset({"dagster-daemon"}),
    "dagster-code": frozenset({"dagster-code"}),
    "dagster-run": frozenset({"dagster-run", "lander", "dbt", ATHENA}),
}

_OTHERS = ("bootstrap", "organization", "security", "network")
"""Stacks whose roles are Terraform's own, or AWS's to write logs with: no code of ours has them."""


def is_of_ecs(role: str) -> bool:
    """Whether ECS has a role before the code starts, and the code never."""
    return role.endswith("-start")


def roles(plans: Plans) -> list[str]:
    """Every role that code or people of the platform take, and those that start the code."""
    return sorted(
        role.values["name"].removeprefix(NAME)
        for stack, plan in plans.items()
        if stack not in _OTHERS
        for role in of_type(plan, "aws_iam_role")
        if is_of_code_or_people(role.values)
    )


def permissions_of(plans: Plans, role: str) -> frozenset[Permission]:
    """What a role's policies allow."""
    return _allowed(plans, _statements(plans, role))


def _statements(plans: Plans, role: str) -> Iterator[Mapping[str, Any]]:
    for policy in _all_of(plans, "aws_iam_role_policy", role):
        for _, document in policies(policy):
            yield from document["Statement"]


def _all_of(plans: Plans, kind: str, role: str) -> Iterator[Resource]:
    """A role, or its policies."""
    attribute = "name" if kind == "aws_iam_role" else "role"
    for plan in plans.values():
        for found in of_type(plan, kind):
            if found.values[attribute] == NAME + role:
                yield found


def _allowed(plans: Plans, statements: Iterable[Mapping[str, Any]]) -> frozenset[Permission]:
    aliases = {arn: f"alias/{name}" for arn, name in _keys(plans).items()}
    return allowed([{"Statement": list(statements)}], ENVIRONMENT, aliases=aliases)


def calls_of(recorded: Iterable[Call], role: str) -> list[Call]:
    return [call for call in recorded if call.part in PARTS.get(role, frozenset())]


def _keys(plans: Plans) -> dict[str, str]:
    """Names of the keys, by their ARN."""
    return {
        alias.values["target_key_arn"]: alias.values["name"].removeprefix("alias/")
        for plan in plans.values()
        for alias in of_type(plan, "aws_kms_alias")
    }


def encrypted(plans: Plans) -> dict[str, str]:
    """The alias of the key by what it encrypts: queues, tables, topics and buckets."""
    keys = _keys(plans)
    return {
        as_recorded(arn, ENVIRONMENT): as_recorded(f"alias/{keys[key]}", ENVIRONMENT)
        for plan in plans.values()
        for arn, key in _encrypted(plan)
        if key in keys
    }


def _encrypted(plan: Any) -> Iterator[tuple[str, str]]:
    """ARNs, each with its key's."""
    for kind in ("aws_sqs_queue", "aws_sns_topic"):
        for found in of_type(plan, kind):
            yield found.values["arn"], found.values["kms_master_key_id"]
    for table in of_type(plan, "aws_dynamodb_table"):
        for settings in table.values["server_side_encryption"]:
            yield table.values["arn"], settings["kms_key_arn"]
    for bucket in of_type(plan, "aws_s3_bucket_server_side_encryption_configuration"):
        for rule in bucket.values["rule"]:
            for default in rule["apply_server_side_encryption_by_default"]:
                yield f"arn:aws:s3:::{bucket.values['bucket']}", default["kms_master_key_id"]


def passed(plans: Plans) -> dict[str, list[str]]:
    """The roles that a task is handed when it starts, by the family of its definition."""
    return {
        as_recorded(definition.values["family"], ENVIRONMENT): [
            as_recorded(definition.values[kind], ENVIRONMENT)
            for kind in ("task_role_arn", "execution_role_arn")
        ]
        for plan in plans.values()
        for definition in of_type(plan, "aws_ecs_task_definition")
    }


def reaching_out(plans: Plans, role: str) -> frozenset[Permission]:
    """What a role's policies allow in other accounts than its own.

    But for calls through VPC Lattice, whose policies test_plans.py follows.
    """
    (own,) = {_account(found.values["arn"]) for found in _all_of(plans, "aws_iam_role", role)}
    return _allowed(
        plans,
        (
            {**statement, "Resource": elsewhere}
            for statement in _statements(plans, role)
            if statement["Action"] != "vpc-lattice-svcs:Invoke"
            and (
                elsewhere := [
                    r for r in listed(statement["Resource"]) if _account(r) not in ("", own)
                ]
            )
        ),
    )


def let_in(plans: Plans, role: str) -> frozenset[Permission]:
    """What the policies of queues, tables, buckets, keys and clusters let a role do by its name."""
    return _allowed(
        plans,
        (
            {
                "Effect": statement["Effect"],
                "Action": statement["Action"],
                # A key's policy has no other word for the key.
                "Resource": found.values["arn"] if found.type == "aws_kms_key" else resource,
            }
            for plan in plans.values()
            for found in resources(plan)
            for _, document in policies(found)
            for statement in document["Statement"]
            if NAME + role in _named_in(statement)
            for resource in listed(statement["Resource"])
        ),
    )


def _named_in(statement: Mapping[str, Any]) -> set[str]:
    """The roles that a statement of a resource's policy is bound to."""
    conditions = statement.get("Condition", {}).values()
    arns = [arn for keys in conditions for arn in listed(keys.get("aws:PrincipalArn", []))]
    return {arn.rpartition("/")[2] for arn in arns}


def _account(arn: str) -> str:
    """The account of an ARN, or at the end of a bucket's name; empty where there is none."""
    found = re.search(r":(\d{12}):|^arn:aws:s3:::[a-z0-9-]+-(\d{12})(?:/|$)", arn)
    return "" if found is None else found[1] or found[2]


@dataclass(frozen=True)
class Exceptions:
    """What is rightly otherwise than it was seen, each with its reason."""

    unseen: Mapping[Permission, str]
    withheld: Mapping[Permission, str]


def exceptions_of(role: str) -> Exceptions:
    """Those of one role, from role_exceptions.toml."""
    written = tomllib.loads(Path(__file__).with_name("role_exceptions.toml").read_text())
    found = {
        kind: {
            (action, _for(role, resource)): entry["reason"]
            for entry in written.get(kind, [])
            if role in entry["roles"]
            for action in entry["actions"]
            for resource in entry["resources"]
        }
        for kind in ("unseen", "withheld")
    }
    return Exceptions(**found)


def _for(role: str, resource: str) -> str:
    return resource.replace("${role}", role).replace("${task}", role.removesuffix("-start"))
