"""Write down the roles that code and people take: who may, and what they then may do.

    python infra/tools/role_policies.py PLAN...            write generated/role_policies.json
    python infra/tools/role_policies.py --check PLAN...    say whether it is out of date, and fail

Each PLAN is a stack's plan as JSON (``terraform show -json``) with every value known: one of a
stack that is applied. What differs between two deployments stands as a placeholder: the
environment, the region, the accounts, the databases' prefix, Athena's workgroup, the account at the
end of a bucket's name. Ids that AWS makes up, such as a key's, are written as ``*``. The roles that
services of AWS take to start something are left out: no code ever has them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

WRITTEN = Path(__file__).resolve().parents[1] / "generated" / "role_policies.json"
STACKS = ("ingestion", "events", "analytics", "orchestration")
"""The stacks whose roles run the platform's code, or are people's."""

_CODE = frozenset({"lambda.amazonaws.com", "ecs-tasks.amazonaws.com"})
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def roles(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan's roles: name without the environment → name, account, trust, policies by name."""
    templated = _templater(plan)
    resources = list(_walk(plan["planned_values"]["root_module"]))
    policies: dict[str, dict[str, Any]] = {}
    for resource in resources:
        if resource["type"] == "aws_iam_role_policy":
            values = resource["values"]
            documents = policies.setdefault(values["role"], {})
            documents[values["name"]] = json.loads(templated(values["policy"]))
    return {
        templated(role["name"]).removeprefix("minilab-${environment}-"): {
            "name": templated(role["name"]),
            "account": templated(role["arn"].split(":")[4])[len("${account.") : -1],
            "trust": json.loads(templated(role["assume_role_policy"])),
            "policies": policies.get(role["name"], {}),
        }
        for role in (r["values"] for r in resources if r["type"] == "aws_iam_role")
        if _is_taken_by_code_or_people(role)
    }


def _is_taken_by_code_or_people(role: Mapping[str, Any]) -> bool:
    trust = json.loads(role["assume_role_policy"])
    services = {
        service
        for statement in trust["Statement"]
        for service in _listed(statement["Principal"].get("Service", []))
    }
    return services <= _CODE and not role["name"].endswith("-start")


def _templater(plan: Mapping[str, Any]) -> Any:
    """Puts placeholders where a text has what this deployment is called."""
    variables = {name: given["value"] for name, given in plan["variables"].items()}
    organization = next(
        resource["values"]
        for resource in _walk(plan["prior_state"]["values"]["root_module"])
        if resource["type"] == "aws_organizations_organization"
    )
    accounts = {account["id"]: account["name"] for account in organization["accounts"]}
    project = rf"\bminilab-{re.escape(variables['environment'])}\b"
    prefix = re.escape(variables.get("database_prefix", "minilab"))
    rules = (
        (rf"(arn:aws:s3:::{project}[a-z-]*?)-[0-9]{{12}}\b", r"\1${bucket_suffix}"),
        (r"\b[0-9]{12}\b", lambda found: f"${{account.{accounts[found[0]]}}}"),
        (re.escape(organization["id"]), "${organization}"),
        (rf":workgroup/{project}(?!-)", ":workgroup/${workgroup}"),
        (project, "minilab-${environment}"),
        (rf"\b{re.escape(variables['region'])}\b", "${region}"),
        (rf"\b{prefix}_(?=raw|staging|marts)", "${database_prefix}_"),
        (_UUID, "*"),
    )

    def templated(text: str) -> str:
        for pattern, placeholder in rules:
            text = re.sub(pattern, placeholder, text)
        return text

    return templated


def _walk(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _walk(child)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def content(plans: Mapping[str, Any]) -> str:
    """The file's content, by the plans of all ``STACKS``."""
    found = {name: role for stack in STACKS for name, role in roles(plans[stack]).items()}
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    paths = [Path(argument) for argument in arguments if argument != "--check"]
    plans = {path.stem: json.loads(path.read_text()) for path in paths}
    if missing := set(STACKS) - plans.keys():
        print(f"Name the plans of all stacks as <stack>.json; missing: {', '.join(missing)}.")
        return 2
    fresh = content(plans)
    if "--check" not in arguments:
        WRITTEN.write_text(fresh)
        return 0
    if not WRITTEN.exists() or WRITTEN.read_text() != fresh:
        print(f"{WRITTEN.name} is out of date. Write it anew: python infra/tools/role_policies.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
