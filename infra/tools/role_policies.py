"""Write down the roles that code and people take: who may, and what they then may do.

    python -m infra.tools.role_policies PLANS     write infra/generated/role_policies.json

``PLANS`` is a folder of ``<stack>.json``, each what ``terraform show -json`` says of a plan that
knows every value (``make infra-test`` leaves one, ``.minilab/plans``). What differs between two
deployments stands as a placeholder: the environment, the region, the accounts, the databases'
prefix, Athena's workgroup, the account at the end of a bucket's name. Ids that AWS makes up, such
as a key's, are written as ``*``. The roles that services of AWS take to start something are left
out: no code ever has them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.tools.estate import read_plans
from infra.tools.plan_json import listed, of_type

WRITTEN = Path(__file__).resolve().parents[1] / "generated" / "role_policies.json"
STACKS = ("ingestion", "events", "analytics", "orchestration")
"""The stacks whose roles run the platform's code, or are people's."""

_CODE = frozenset({"lambda.amazonaws.com", "ecs-tasks.amazonaws.com"})
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def roles(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan's roles: name without the environment → name, account, trust, policies by name."""
    templated = _templater(plan)
    policies: dict[str, dict[str, Any]] = {}
    for values in (found.values for found in of_type(plan, "aws_iam_role_policy")):
        documents = policies.setdefault(values["role"], {})
        documents[values["name"]] = json.loads(templated(values["policy"]))
    return {
        templated(role["name"]).removeprefix("minilab-${environment}-"): {
            "name": templated(role["name"]),
            "account": templated(role["arn"].split(":")[4])[len("${account.") : -1],
            "trust": json.loads(templated(role["assume_role_policy"])),
            "policies": policies.get(role["name"], {}),
        }
        for role in (found.values for found in of_type(plan, "aws_iam_role"))
        if is_of_code_or_people(role) and not role["name"].endswith("-start")
    }


def is_of_code_or_people(role: Mapping[str, Any]) -> bool:
    """Whether people take a role, or our code, or what starts that; else a service of AWS does."""
    trust = json.loads(role["assume_role_policy"])
    services = {
        service
        for statement in trust["Statement"]
        for service in listed(statement["Principal"].get("Service", []))
    }
    return services <= _CODE


def _templater(plan: Mapping[str, Any]) -> Callable[[str], str]:
    """Puts placeholders where a text has what this deployment is called."""
    variables = {name: given["value"] for name, given in plan["variables"].items()}
    (looked_up,) = [
        module["resources"]
        for module in plan["prior_state"]["values"]["root_module"]["child_modules"]
        if module["address"] == "module.accounts"
    ]
    organization = next(
        found["values"] for found in looked_up if found["type"] == "aws_organizations_organization"
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


def document(plans: Mapping[str, dict[str, Any]]) -> str:
    """The text of ``infra/generated/role_policies.json``, by the plans of all ``STACKS``."""
    found = {name: role for stack in STACKS for name, role in roles(plans[stack]).items()}
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    (folder,) = arguments
    WRITTEN.write_text(document(read_plans(Path(folder))))
    print(f"written: {WRITTEN}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
