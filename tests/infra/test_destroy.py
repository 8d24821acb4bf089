"""The whole of infra/ removed again, after every test that needs it there."""

from __future__ import annotations

import pytest
from cloud import MANAGEMENT, refused
from deployment import NEEDED_BY, Deployment, in_order

pytestmark = pytest.mark.timeout(1200)


def test_all_is_destroyed_to_the_last_resource(deployment: Deployment) -> None:
    def do(command: str, stack: str) -> str:
        deployment.run(stack, command, "-auto-approve")
        return deployment.terraform.run(f"stacks/{stack}", "state", "list").output

    steps = {
        ("destroy", stack): [("destroy", other) for other in others]
        for stack, others in NEEDED_BY.items()
    }
    assert in_order(steps, do) == dict.fromkeys(steps, "")


def test_nothing_is_left_behind(deployment: Deployment, account_ids: dict[str, str]) -> None:
    """By AWS's word. Bootstrap stays: it holds the state."""
    client = deployment.cloud.client
    assert refused(client("organizations").describe_organization) == (
        "AWSOrganizationsNotInUseException"
    )
    assert client("cloudtrail").describe_trails()["trailList"] == []
    assert client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert client("budgets").describe_budgets(AccountId=MANAGEMENT)["Budgets"] == []
    shared = account_ids["shared-services"]
    told = client("cloudwatch", shared).describe_alarms(
        AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    assert told["MetricAlarms"] == told["CompositeAlarms"] == []
    assert client("kafka", shared).list_clusters()["ClusterInfoList"] == []
    assert client("rds", shared).describe_db_instances()["DBInstances"] == []
    told = client("ecs", shared).describe_clusters(clusters=["minilab-dev"])["clusters"]
    assert {cluster["status"] for cluster in told} <= {"INACTIVE"}  # ECS remembers it for a while
    buckets = {bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]}
    assert buckets == {deployment.outputs("bootstrap")["state_bucket"]}
