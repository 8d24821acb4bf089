"""A role's policies held against what its part was seen to do.

Neither may have what the other lacks: an action on a resource that the code used must be allowed,
and what is allowed must have been used. Both are told as *permissions*: an action, and the ARN of
what it is done to, without region, account and the deployment's own names. Conditions only narrow a
permission and are left out, but for two that stand for the resource: a metric's namespace and a
key's alias. What departs from this is written down as an exception, and one that nothing departs by
is told as well.

Source: IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements: Resource".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from minilab_local.iam.actions import PASSES_ROLES, actions, key_actions
from minilab_local.iam.policy import listed
from minilab_local.iam.resources import implied
from tests.support.aws_calls.recording import Call, without_deployment

Permission = tuple[str, str]
"""An action such as ``sqs:SendMessage``, and what it is done to."""

_NAMESPACE = "cloudwatch:namespace"
_ALIAS = "kms:ResourceAliases"
_NO_ARN = (f"{_NAMESPACE}=", f"{_ALIAS}=")


@dataclass(frozen=True)
class Difference:
    """What is wrong with a role; nothing, if all of it is empty."""

    missing: tuple[Permission, ...]
    """Used, and not allowed."""
    unused: tuple[Permission, ...]
    """Allowed, and not used, or not so widely. An action with a wildcard is always here."""
    idle: tuple[Permission, ...]
    """Exceptions that are none."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unused or self.idle)

    def __str__(self) -> str:
        told = {
            "the code does what the role may not": self.missing,
            "the role may do what no code was seen to do": self.unused,
            "an exception is written down that is none": self.idle,
        }
        return "\n".join(
            f"{what}:" + "".join(f"\n  {action} on {arn}" for action, arn in found)
            for what, found in told.items()
            if found
        )


def compare(
    needs: Collection[Permission],
    allowed: Collection[Permission],
    unseen: Collection[Permission] = (),
    withheld: Collection[Permission] = (),
) -> Difference:
    """Hold what a role is allowed against what its part needs.

    ``unseen`` is rightly allowed though no code was seen to use it; ``withheld`` is rightly not
    allowed though the code was seen to use it.
    """
    missing = {need for need in needs if not any(_covers(grant, need) for grant in allowed)}
    unused = {grant for grant in allowed if not any(_fits(grant, need) for need in needs)}
    return Difference(
        missing=tuple(sorted(missing - set(withheld))),
        unused=tuple(sorted(unused - set(unseen))),
        idle=tuple(sorted((set(unseen) - unused) | (set(withheld) - missing))),
    )


def _covers(grant: Permission, need: Permission) -> bool:
    """Whether a permission holds all of another."""
    (action, pattern), (wanted_action, arn) = grant, need
    if action != wanted_action:
        return False
    if pattern == arn:
        return True
    return not arn.startswith(_NO_ARN) and fnmatchcase(arn, pattern.replace("[", "[[]"))


def _fits(grant: Permission, need: Permission) -> bool:
    """Whether a permission holds another and little more: a whole name at the end may be open."""
    pattern, arn = grant[1], need[1]
    if not _covers(grant, need):
        return False
    beginning = pattern.removesuffix("*")
    name = arn.removeprefix(beginning)
    return pattern == arn or (beginning.endswith(("/", ":")) and not set(name) & set("/:"))


def needs(
    calls: Collection[Call],
    encrypted: Mapping[str, str],
    passed: Mapping[str, Collection[str]] | None = None,
) -> frozenset[Permission]:
    """What the calls of one role must be allowed, with what AWS asks besides.

    A table's Glue permission is asked of its database and its catalog as well; who reads or writes
    what is encrypted must be allowed to use the key; who starts a task hands it its roles. A query
    is of the workgroup that it was started in.

    ``encrypted`` is the alias of the key by what it encrypts: an ARN, of a bucket without any key
    of its objects. ``passed`` are the roles by the family of the task's definition.
    """
    workgroups = {call.resource for call in calls if ":workgroup/" in call.resource}
    found: set[Permission] = set()
    for call in calls:
        of_query = call.service == "athena" and call.resource == "*"
        for action in actions(call.service, call.operation):
            for resource in workgroups if of_query else {call.resource}:
                found.update(implied(action, resource))
        if (call.service, call.operation) in PASSES_ROLES:
            family = call.resource.rpartition("/")[2].partition(":")[0]
            found |= {("iam:PassRole", role) for role in (passed or {})[family]}
        alias = encrypted.get(call.resource.partition("/")[0] if _is_s3(call) else call.resource)
        if alias is not None:
            found |= {(a, f"{_ALIAS}={alias}") for a in key_actions(call.service, call.operation)}
    return frozenset(found)


def _is_s3(call: Call) -> bool:
    return call.service == "s3"


def allowed(
    policies: Iterable[Mapping[str, Any]],
    env: str,
    database_prefix: str = "minilab",
    aliases: Mapping[str, str] | None = None,
) -> frozenset[Permission]:
    """What policy documents of a deployment allow. ``aliases`` are those of keys, by their ARN.

    Denials are left out: they only narrow, and have tests of their own.
    """
    return frozenset(
        (action, as_recorded(resource, env, database_prefix))
        for policy in policies
        for statement in listed(policy["Statement"])
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in _resources(statement, action, aliases or {})
    )


def as_recorded(arn: str, env: str, database_prefix: str = "minilab") -> str:
    """An ARN without region and account, and with a recording's names.

    A bucket that must be unique in all of AWS ends with its account's id.
    """
    arn = re.sub(r"^(arn:aws[a-z-]*:[a-z0-9-]+):[a-z0-9-]+:\d{12}:", r"\1:*:*:", arn)
    arn = re.sub(r"^(arn:aws[a-z-]*:iam:):\d{12}:", r"\1:*:", arn)
    arn = re.sub(r"(:secret:rds!).*", r"\1*", arn)  # RDS makes the name up
    # A cluster of Kafka has an id besides its name.
    arn = re.sub(r"(?<=:)((?:cluster|topic|group)/[^/]+/)[0-9a-f-]{36}(-[0-9]+)?", r"\1*", arn)
    arn = re.sub(r"^(arn:aws[a-z-]*:s3:::[a-z0-9-]+)-\d{12}(?=/|$)", r"\1", arn)
    return without_deployment(arn, env, database_prefix)


def _resources(
    statement: Mapping[str, Any], action: str, aliases: Mapping[str, str]
) -> Iterator[str]:
    """Resources of a statement, or what its conditions put in their place."""
    conditions: dict[str, Any] = {}
    for keys in statement.get("Condition", {}).values():
        conditions |= keys
    service = action.partition(":")[0]
    if service == "cloudwatch" and _NAMESPACE in conditions:
        yield from (f"{_NAMESPACE}={name}" for name in listed(conditions[_NAMESPACE]))
    elif service == "kms" and _ALIAS in conditions:
        yield from (f"{_ALIAS}={alias}" for alias in listed(conditions[_ALIAS]))
    else:
        for arn in listed(statement["Resource"]):
            yield f"{_ALIAS}={aliases[arn]}" if service == "kms" and arn in aliases else arn
