"""A role's policies held against what its part of the platform was seen to need.

Neither may have what the other lacks: an action on a resource that the code used must be allowed,
and what is allowed must have been used, unless it is written down as an exception. What is compared
is actions and resources. Conditions only narrow a permission; of them only a metric's namespace is
looked at, since it stands for the resource.

Source: IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements: Resource".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from minilab_local.iam.resources import implied

Need = tuple[str, str]
"""An action, and the ARN that it is done to; region and account may be ``*``."""
_NAMESPACE = "cloudwatch:namespace"


@dataclass(frozen=True)
class Difference:
    """What is wrong with a role; nothing, if all three are empty."""

    missing: tuple[Need, ...]
    """Used, and not allowed."""
    unused: tuple[Need, ...]
    """Allowed, as the policy has it, and not used. An action with a wildcard is always here."""
    idle_exceptions: tuple[str, ...]
    """Exceptions that the policies do not make use of."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.unused or self.idle_exceptions)


@dataclass(frozen=True)
class _Grant:
    action: str
    resource: str
    conditions: Mapping[str, Any]

    def covers(self, action: str, resource: str) -> bool:
        if self.action != action:
            return False
        if resource == "*":  # what it was done to is not known
            return True
        if resource.startswith(f"{_NAMESPACE}="):
            return self.resource == "*" and resource.partition("=")[2] in self._namespaces()
        return _covers(self.resource, resource)

    def _namespaces(self) -> list[str]:
        values = self.conditions.get("StringEquals", {}).get(_NAMESPACE, [])
        return _listed(values)


def compare(
    needed: Mapping[str, frozenset[str]],
    policies: Sequence[Mapping[str, Any]],
    exceptions: Mapping[str, str],
) -> Difference:
    """Compare one part's permissions with the policy documents of its role.

    ``needed`` is resources by action (``recording.permissions``), with the deployment's names put
    in (``with_deployment``). ``exceptions`` are actions that are rightly allowed though no code of
    ours calls them, each with its reason.
    """
    grants = [grant for policy in policies for grant in _grants(policy)]
    needs = [
        need for action, arns in needed.items() for arn in arns for need in implied(action, arn)
    ]
    return Difference(
        missing=tuple(
            sorted({need for need in needs if not any(grant.covers(*need) for grant in grants)})
        ),
        unused=tuple(
            sorted(
                {
                    (grant.action, grant.resource)
                    for grant in grants
                    if grant.action not in exceptions
                    and not any(grant.covers(*need) for need in needs)
                }
            )
        ),
        idle_exceptions=tuple(sorted(exceptions.keys() - {grant.action for grant in grants})),
    )


def with_deployment(
    needed: Mapping[str, frozenset[str]], env: str, database_prefix: str
) -> dict[str, frozenset[str]]:
    """Put a deployment's names where a recording has ``${env}`` and ``${database}``."""

    def named(arn: str) -> str:
        return arn.replace("${env}", env).replace("${database}", database_prefix)

    return {action: frozenset(map(named, arns)) for action, arns in needed.items()}


def _grants(policy: Mapping[str, Any]) -> Iterator[_Grant]:
    for statement in _listed(policy["Statement"]):
        if statement["Effect"] != "Allow":
            continue  # guardrails, with tests of their own
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield _Grant(action, resource, statement.get("Condition", {}))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _covers(pattern: str, arn: str) -> bool:
    """Whether a policy's resource has all of ``arn``, whose own wildcards stand for anything."""
    if pattern == "*":
        return True
    allowed, wanted = pattern.split(":", 5), arn.split(":", 5)
    if len(allowed) != 6 or len(wanted) != 6:
        return False
    named = zip(allowed[:5], wanted[:5], strict=True)
    return all(want == "*" or fnmatchcase(want, allow) for allow, want in named) and fnmatchcase(
        wanted[5], allowed[5].replace("[", "[[]")
    )
