"""A recording read back: who called what, on what, how often, and what that must be allowed."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from minilab_local.iam.actions import actions


@dataclass(frozen=True, order=True)
class Call:
    part: str
    service: str
    operation: str
    resource: str
    """An ARN in which ``${env}`` and ``${database}`` stand for the deployment's names."""
    caller: str
    """The module of the project that made it; empty where a library did by itself."""


Permissions = Mapping[str, Mapping[str, frozenset[str]]]
"""Resources by IAM action by part."""


def read(folder: Path) -> Counter[Call]:
    """All calls that the processes recorded in ``folder``, with how often they were made."""
    calls: Counter[Call] = Counter()
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            part, caller, service, operation, resource, env, prefix, n = json.loads(line)
            named = without_deployment(resource, env, prefix)
            calls[Call(part, service, operation, named, caller)] += n
    return calls


# Deployments of tests. A process that serves several, such as the laptop's AWS, is none of them.
_TESTS = "t[0-9a-f]{8,10}x?"


def without_deployment(arn: str, env: str, prefix: str) -> str:
    """An ARN with ``${env}`` and ``${database}`` in the place of a deployment's names.

    The laptop's workgroup has Athena's own name, ``primary``; on AWS it is the deployment's.
    """
    arn = re.sub(r":workgroup/primary$", ":workgroup/minilab-${env}", arn)
    arn = re.sub(rf"\bminilab-({re.escape(env)}|{_TESTS})(?=[-/:.]|$)", "minilab-${env}", arn)
    databases = rf"/({re.escape(prefix)}|(minilab_)?{_TESTS})_(?=(raw|staging|marts)\b)"
    return re.sub(databases, "/${database}_", arn)


def permissions(calls: Iterable[Call]) -> Permissions:
    """What each part must be allowed, and no more, for what it was seen to do."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for call in calls:
        for action in actions(call.service, call.operation):
            found[call.part][action].add(call.resource)
    return {
        part: {action: frozenset(resources) for action, resources in sorted(by_action.items())}
        for part, by_action in sorted(found.items())
    }
