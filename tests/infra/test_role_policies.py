"""``generated/role_policies.json``: written from plans, and what the plans say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deployment import Deployment

from infra.tools.role_policies import WRITTEN, document, roles


def plan(*resources: dict[str, Any]) -> dict[str, Any]:
    accounts = [{"id": "111111111111", "name": "team-a"}, {"id": "222222222222", "name": "lake"}]
    organization = {
        "type": "aws_organizations_organization",
        "values": {"id": "o-abc1234567", "accounts": accounts},
    }
    return {
        "variables": {"environment": {"value": "dev"}, "region": {"value": "eu-central-1"}},
        "planned_values": {"root_module": {"resources": list(resources)}},
        "configuration": {
            "root_module": {
                "resources": [{**found, "provider_config_key": "aws"} for found in resources]
            }
        },
        "prior_state": {
            "values": {
                "root_module": {
                    "child_modules": [{"address": "module.accounts", "resources": [organization]}]
                }
            }
        },
    }


def managed(kind: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"address": f"{kind}.{name}", "mode": "managed", "type": kind, "values": values}


def role(name: str, principal: dict[str, str]) -> dict[str, Any]:
    trust = {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}
    values = {
        "name": name,
        "arn": f"arn:aws:iam::111111111111:role/{name}",
        "assume_role_policy": json.dumps(trust),
    }
    return managed("aws_iam_role", name, values)


def policy(of: str, *resources: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "x:Y", "Resource": list(resources)}
    text = json.dumps({"Statement": [statement]})
    return managed("aws_iam_role_policy", of, {"role": of, "name": "use", "policy": text})


@pytest.mark.parametrize(
    ("text", "placeholders"),
    [
        (
            "arn:aws:sqs:eu-central-1:222222222222:minilab-dev-billing",
            "arn:aws:sqs:${region}:${account.lake}:minilab-${environment}-billing",
        ),
        (
            "arn:aws:s3:::minilab-dev-lake-222222222222/raw/*",
            "arn:aws:s3:::minilab-${environment}-lake${bucket_suffix}/raw/*",
        ),
        (
            "arn:aws:glue:eu-central-1:222222222222:table/minilab_raw/*",
            "arn:aws:glue:${region}:${account.lake}:table/${database_prefix}_raw/*",
        ),
        (
            "arn:aws:athena:eu-central-1:222222222222:workgroup/minilab-dev",
            "arn:aws:athena:${region}:${account.lake}:workgroup/${workgroup}",
        ),
        (
            "arn:aws:athena:eu-central-1:222222222222:workgroup/minilab-dev-analysts",
            "arn:aws:athena:${region}:${account.lake}:workgroup/minilab-${environment}-analysts",
        ),
        (
            "arn:aws:kms:eu-central-1:111111111111:key/8883df28-5bb2-4d36-97ce-8da370a06ee7",
            "arn:aws:kms:${region}:${account.team-a}:key/*",
        ),
    ],
)
def test_what_is_called_otherwise_elsewhere_is_a_placeholder(text: str, placeholders: str) -> None:
    name = "minilab-dev-ingest"
    found = roles(plan(role(name, {"Service": "lambda.amazonaws.com"}), policy(name, text)))
    assert found["ingest"]["name"] == "minilab-${environment}-ingest"
    assert found["ingest"]["account"] == "team-a"
    assert found["ingest"]["policies"]["use"]["Statement"][0]["Resource"] == [placeholders]


def test_roles_that_no_code_has_are_left_out() -> None:
    found = roles(
        plan(
            role("minilab-dev-analyst", {"AWS": "arn:aws:iam::111111111111:root"}),
            role("minilab-dev-run", {"Service": "ecs-tasks.amazonaws.com"}),
            role("minilab-dev-run-start", {"Service": "ecs-tasks.amazonaws.com"}),
            role("minilab-dev-web-lattice", {"Service": "ecs.amazonaws.com"}),
        )
    )
    assert found.keys() == {"analyst", "run"}


def test_the_file_is_what_the_plans_say(deployment: Deployment) -> None:
    assert json.loads(WRITTEN.read_text()) == json.loads(document(deployment.settled)), (
        "run: python -m infra.tools.role_policies .minilab/plans"
    )
