"""The picture of the deployment is what the plans give: nothing more, and no way left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from deployment import Deployment

from infra.tools import diagram
from infra.tools.estate import ESTATE, document, estate

IDS = {"management": "1" * 12, "team-a": "2" * 12, "team-b": "3" * 12, "log-archive": "4" * 12}
PLANS = Path(__file__).resolve().parents[2] / ".minilab" / "plans"


def plan(*made: tuple[str, str, str, dict[str, Any]]) -> dict[str, Any]:
    """A plan of resources: provider, type without ``aws_``, name, values."""
    return {
        "variables": {"environment": {"value": "dev"}},
        "planned_values": {
            "root_module": {
                "resources": [
                    {
                        "address": f"aws_{kind}.{name}",
                        "mode": "managed",
                        "type": f"aws_{kind}",
                        "values": values,
                    }
                    for _, kind, name, values in made
                ]
            }
        },
        "configuration": {
            "root_module": {
                "resources": [
                    {"address": f"aws_{kind}.{name}", "provider_config_key": provider}
                    for provider, kind, name, _ in made
                ]
            }
        },
    }


def organization() -> dict[str, Any]:
    members = [
        ("aws", "organizations_account", name, {"id": account, "name": name, "parent_id": "ou-1"})
        for name, account in IDS.items()
        if name != "management"
    ]
    unit = {"id": "ou-1", "name": "Workloads", "arn": "arn:aws:organizations::1:ou/o-1/ou-1"}
    return plan(("aws", "organizations_organizational_unit", "it", unit), *members)


def network() -> dict[str, Any]:
    """A VPC in each team's account."""
    return plan(
        *(
            (provider, "vpc", provider[4:], {"id": provider, "cidr_block": "10.0.0.0/20"})
            for provider in ("aws.team_a", "aws.team_b")
        )
    )


def queue(policy: dict[str, Any]) -> dict[str, Any]:
    url = f"https://sqs.eu-central-1.amazonaws.com/{IDS['team-a']}/minilab-dev-ingest"
    return plan(
        ("aws.team_a", "sqs_queue", "it", {"name": "minilab-dev-ingest"}),
        (
            "aws.team_a",
            "sqs_queue_policy",
            "it",
            {"queue_url": url, "policy": json.dumps({"Statement": [policy]})},
        ),
    )


def let_in(account: str, role: str = "processor", **changes: Any) -> dict[str, Any]:
    arn = f"arn:aws:iam::{IDS[account]}"
    return {
        "Effect": "Allow",
        "Principal": {"AWS": f"{arn}:root"},
        "Action": ["sqs:GetQueueUrl", "sqs:SendMessage"],
        "Resource": "*",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": [f"{arn}:role/minilab-dev-{role}"]}},
        **changes,
    }


def of(*plans: dict[str, Any]) -> dict[str, Any]:
    return estate({str(index): plan for index, plan in enumerate([organization(), *plans])})


def test_a_policy_that_lets_another_account_in_is_a_way() -> None:
    assert of(queue(let_in("team-b")))["ways"] == [
        {
            "kind": "policy",
            "from": "team-b",
            "as": "processor",
            "to": "team-a",
            "on": "queue ingest",
            "may": ["sqs:GetQueueUrl", "sqs:SendMessage"],
        }
    ]


def test_a_policy_without_a_role_lets_the_whole_account_in() -> None:
    (way,) = of(queue(let_in("team-b", Condition={})))["ways"]
    assert (way["from"], way["as"]) == ("team-b", "")


@pytest.mark.parametrize(
    "policy",
    [
        let_in("team-a"),
        let_in("team-b", Effect="Deny"),
        let_in("team-b", Principal={"Service": "sns.amazonaws.com"}, Condition={}),
    ],
    ids=["own account", "deny", "a service that acts for nobody named"],
)
def test_what_is_no_way(policy: dict[str, Any]) -> None:
    assert of(queue(policy))["ways"] == []


def test_a_service_that_acts_for_another_accounts_resource_is_a_way() -> None:
    source = f"arn:aws:cloudtrail:eu-central-1:{IDS['management']}:trail/minilab-dev"
    policy = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::minilab-dev-audit-1/AWSLogs/{IDS['management']}/*",
        "Condition": {"StringEquals": {"aws:SourceArn": source}},
    }
    values = {"bucket": "minilab-dev-audit", "policy": json.dumps({"Statement": [policy]})}
    (way,) = of(plan(("aws.log_archive", "s3_bucket_policy", "it", values)))["ways"]
    assert (way["from"], way["as"], way["to"]) == ("management", "cloudtrail", "log-archive")
    assert way["where"] == ["AWSLogs/…/*"], "ids differ from cloud to cloud"


def test_a_way_that_the_estate_cannot_name_is_not_passed_over() -> None:
    values = {"policy": json.dumps({"Statement": [let_in("team-b")]})}
    with pytest.raises(ValueError, match=r"aws_new_thing_policy\.it lets another account in"):
        of(plan(("aws.team_a", "new_thing_policy", "it", values)))


def test_names_have_neither_environment_nor_account() -> None:
    bucket = {"bucket": f"minilab-dev-lake-{IDS['team-a']}"}
    found = of(plan(("aws.team_a", "s3_bucket", "it", bucket)))
    assert found["accounts"]["team-a"]["things"] == {"bucket": ["lake"]}
    assert not any(account in json.dumps(found) for account in IDS.values())


def test_connections_are_ways() -> None:
    cluster = {"cluster_name": "minilab-dev"}
    sink = {"name": "minilab-dev", "arn": "arn:sink"}
    found = of(
        plan(
            ("aws.team_a", "msk_cluster", "it", cluster),
            ("aws.team_a", "oam_sink", "it", sink),
            ("aws.team_b", "msk_vpc_connection", "it", {"authentication": "SASL_IAM"}),
            (
                *("aws.team_b", "oam_link", "it"),
                {"sink_identifier": "arn:sink", "resource_types": ["AWS::CloudWatch::Metric"]},
            ),
        )
    )
    assert [(way["kind"], way["from"], way["to"]) for way in found["ways"]] == [
        ("metrics", "team-b", "team-a"),
        ("privatelink", "team-b", "team-a"),
    ]


def test_a_line_ends_at_what_its_policy_is_on_with_what_it_is_for() -> None:
    picture = diagram.draw(of(network(), queue(let_in("team-b"))))
    assert ">queue ingest<" in picture
    assert ">processor: send<" in picture
    assert picture.count("<polyline") == 3, "from the actor, the trunk, to the queue"


def test_one_more_policy_is_one_more_line() -> None:
    one = diagram.draw(of(network(), queue(let_in("team-b"))))
    two = diagram.draw(of(network(), queue(let_in("team-b", role="replayer"))))
    assert ">replayer: send<" in two
    assert ">replayer: send<" not in one


def test_a_way_of_a_new_kind_is_not_left_out_of_the_picture() -> None:
    found = of(network())
    found["ways"].append({"kind": "peering", "from": "team-a", "to": "team-b", "on": "vpc"})
    with pytest.raises(ValueError, match="peering"):
        diagram.draw(found)


def test_every_way_of_the_estate_is_in_the_picture() -> None:
    found = json.loads(ESTATE.read_text())
    picture = diagram.PICTURE.read_text()
    for way in found["ways"]:
        actor = way.get("as") or f"{way['from']}, deploying"
        if way["from"] == "management" or way["on"].startswith("sink "):
            actor = way.get("as") or way["on"]
        shown = {
            "policy": actor,
            "lattice": f">{way.get('as')}: ",
            "privatelink": "PrivateLink",
            "share": "shared by RAM with",
            "metrics": way["on"],
            "trail": ">trail, ",
        }[way["kind"]]
        assert shown == "cloudtrail" or str(shown) in picture, way


def test_the_picture_is_drawn_from_the_estate() -> None:
    assert diagram.PICTURE.read_text() == diagram.draw(json.loads(ESTATE.read_text())), (
        "run: python -m infra.tools.diagram"
    )


@pytest.mark.timeout(1200)
def test_the_estate_is_what_the_plans_give(deployment: Deployment) -> None:
    PLANS.mkdir(parents=True, exist_ok=True)
    for stack, settled in deployment.settled.items():
        (PLANS / f"{stack}.json").write_text(json.dumps(settled))
    assert ESTATE.read_text() == document(deployment.settled), (
        "run: python -m infra.tools.estate .minilab/plans && python -m infra.tools.diagram"
    )
