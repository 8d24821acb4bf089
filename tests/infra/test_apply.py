"""The whole of infra/ applied, looked at from outside, disturbed and mended.

The tests build on one another and run in this order; each names what it needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from cloud import MANAGEMENT, refused
from deployment import ORDER, Deployment
from plans import changed, of_type, resources

from minilab.lake.glue import ensure_tables
from minilab.lake.tables import TABLES
from minilab.settings import Settings
from tests.domain_fixtures import running_broker

pytestmark = pytest.mark.timeout(1200)

# Which account each provider of a stack works in.
ACCOUNT_OF_PROVIDER = {
    "aws": "management",
    "aws.log_archive": "log-archive",
    "aws.shared_services": "shared-services",
    "aws.analytics": "analytics",
    "aws.team_a": "team-a",
    "aws.team_b": "team-b",
}
TEAMS = ("shared-services", "analytics", "team-a", "team-b")


def test_state_is_in_the_bucket_that_bootstrap_made(deployment: Deployment) -> None:
    bucket = deployment.outputs("bootstrap")["state_bucket"]
    s3 = deployment.cloud.client("s3")
    keys = {item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert keys == {f"{stack}.tfstate" for stack in ("bootstrap", *ORDER)}
    head = s3.head_object(Bucket=bucket, Key="network.tfstate")
    assert head["ServerSideEncryption"] == "aws:kms"


def test_a_held_lock_keeps_others_out(deployment: Deployment) -> None:
    bucket = deployment.outputs("bootstrap")["state_bucket"]
    s3 = deployment.cloud.client("s3")
    lock = {"ID": "1", "Operation": "OperationTypeApply", "Who": "someone@else"}
    s3.put_object(Bucket=bucket, Key="organization.tfstate.tflock", Body=json.dumps(lock))
    try:
        told = deployment.run("organization", "plan", "-lock-timeout=0s", ends=(1,)).output
    finally:
        s3.delete_object(Bucket=bucket, Key="organization.tfstate.tflock")
    assert "Error acquiring the state lock" in told
    assert "someone@else" in told


@pytest.mark.parametrize("stack", ("bootstrap", *ORDER))
def test_a_second_plan_is_empty(deployment: Deployment, stack: str) -> None:
    assert changed(deployment.settled[stack]) == {}


def test_the_organization_is_as_declared(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    organizations = deployment.cloud.client("organizations")
    assert set(account_ids) == set(ACCOUNT_OF_PROVIDER.values())
    root = organizations.list_roots()["Roots"][0]["Id"]
    units = organizations.list_organizational_units_for_parent(ParentId=root)
    members = {
        unit["Name"]: {
            account["Name"]
            for account in organizations.list_accounts_for_parent(ParentId=unit["Id"])["Accounts"]
        }
        for unit in units["OrganizationalUnits"]
    }
    assert members == {
        "Security": {"log-archive"},
        "Infrastructure": {"shared-services"},
        "Workloads": {"analytics", "team-a", "team-b"},
    }
    bound = organizations.list_policies_for_target(TargetId=root, Filter="SERVICE_CONTROL_POLICY")[
        "Policies"
    ]
    assert {policy["Name"] for policy in bound} == {
        "FullAWSAccess",
        "minilab-accountability",
        "minilab-isolated-networks",
        "minilab-no-public-data",
        "minilab-regions",
    }


SPREAD = {
    "security": set(ACCOUNT_OF_PROVIDER.values()),
    "network": set(TEAMS),
    "shared-services": {"shared-services"},
    "ingestion": {"team-a"},
    "events": {"team-b"},
    "analytics": {"shared-services", "analytics"},
    "orchestration": {"shared-services"},
    "monitoring": {"management", "shared-services", "team-a", "team-b"},
}


@pytest.mark.parametrize("stack", SPREAD)
def test_each_resource_is_in_the_account_of_its_provider(
    deployment: Deployment, account_ids: dict[str, str], stack: str
) -> None:
    """By what AWS answered: the account in each ARN."""
    seen = set()
    for resource in resources(deployment.settled[stack]):
        arn = resource.values.get("arn") or ""
        account = arn.split(":")[4] if arn.count(":") >= 5 else ""
        if account in {"", "aws"}:
            continue
        expected = ACCOUNT_OF_PROVIDER[resource.provider]
        assert account == account_ids[expected], resource.address
        seen.add(expected)
    assert seen == SPREAD[stack]


def test_each_team_finds_its_own_vpc_and_no_other(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    networks = deployment.outputs("network")["networks"]
    for team in TEAMS:
        ec2 = deployment.cloud.client("ec2", account_ids[team])
        for owner in TEAMS:
            wanted = [networks[owner]["vpc_id"]]
            if owner == team:
                (found,) = ec2.describe_vpcs(VpcIds=wanted)["Vpcs"]
                assert found["OwnerId"] == account_ids[team]
            else:
                assert refused(ec2.describe_vpcs, VpcIds=wanted) == "InvalidVpcID.NotFound"


def test_every_account_has_its_baseline(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    for name, account in account_ids.items():
        client = deployment.cloud.client
        block = client("s3control", account).get_public_access_block(AccountId=account)
        assert set(block["PublicAccessBlockConfiguration"].values()) == {True}, name
        ec2 = client("ec2", account)
        assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"], name
        options = ec2.describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]
        assert options["InternetGatewayBlockMode"] == "block-bidirectional", name
        trust = client("iam", account).get_role(RoleName="minilab-terraform-apply")["Role"]
        (statement,) = trust["AssumeRolePolicyDocument"]["Statement"]
        if name == "management":
            assert "Federated" in statement["Principal"]
        else:
            assert statement["Principal"] == {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}


def test_the_trail_writes_to_the_locked_bucket_of_the_log_archive(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    outputs = deployment.outputs("security")
    (trail,) = deployment.cloud.client("cloudtrail").describe_trails()["trailList"]
    assert trail["TrailARN"] == outputs["trail_arn"]
    assert trail["IsOrganizationTrail"] and trail["IsMultiRegionTrail"]
    assert trail["LogFileValidationEnabled"]
    assert trail["S3BucketName"] == outputs["audit_bucket"]
    archive = deployment.cloud.client("s3", account_ids["log-archive"])
    assert outputs["audit_bucket"] in {b["Name"] for b in archive.list_buckets()["Buckets"]}
    assert outputs["audit_bucket"] not in {
        bucket["Name"] for bucket in deployment.cloud.client("s3").list_buckets()["Buckets"]
    }
    lock = archive.get_object_lock_configuration(Bucket=outputs["audit_bucket"])
    assert lock["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"


def test_only_those_who_share_the_network_see_it(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    arn = deployment.outputs("network")["service_network_arn"]
    identifier = arn.rsplit("/", 1)[-1]
    for name, account in account_ids.items():
        lattice = deployment.cloud.client("vpc-lattice", account)
        arguments = {"serviceNetworkIdentifier": identifier}
        if name in TEAMS:
            assert lattice.get_service_network(**arguments)["arn"] == arn
        else:
            code = refused(lattice.get_service_network, **arguments)
            assert code == "ResourceNotFoundException", name


def test_only_the_processors_account_joins_kafka(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    client = deployment.cloud.client
    (cluster,) = client("kafka", account_ids["shared-services"]).list_clusters()["ClusterInfoList"]
    (connection,) = of_type(deployment.settled["events"], "aws_msk_vpc_connection")
    assert connection.values["target_cluster_arn"] == cluster["ClusterArn"]
    there = client("kafka", account_ids["team-b"])
    told = there.describe_vpc_connection(Arn=connection.values["arn"])
    assert told["State"] == "AVAILABLE"
    wanted = {
        "TargetClusterArn": cluster["ClusterArn"],
        "Authentication": "SASL_IAM",
        "VpcId": told["VpcId"],
        "ClientSubnets": told["Subnets"],
        "SecurityGroups": told["SecurityGroups"],
    }
    for other in ("team-a", "analytics"):
        join = client("kafka", account_ids[other]).create_vpc_connection
        assert refused(join, **wanted) == "ForbiddenException", other


def test_each_program_is_told_of_kafka_as_it_reaches_it(deployment: Deployment) -> None:
    """Within the VPC at MSK's port for IAM, from another one at those of its PrivateLink."""
    for stack, ports in (
        ("shared-services", {"9098"}),
        ("orchestration", {"9098"}),
        ("events", {"14001", "14002", "14003"}),
    ):
        told = deployment.outputs(stack)["environment"]
        assert told["MINILAB_KAFKA_SECURITY"] == "MSK_IAM"
        servers = told["MINILAB_KAFKA_BOOTSTRAP_SERVERS"].split(",")
        assert len(servers) == 3
        assert {server.rpartition(":")[2] for server in servers} == ports, stack


def test_only_the_watched_teams_show_metrics_and_nothing_else(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    (sink,) = of_type(deployment.settled["monitoring"], "aws_oam_sink")
    links = of_type(deployment.settled["monitoring"], "aws_oam_link")
    assert {link.provider for link in links} == {"aws.team_a", "aws.team_b"}
    assert {link.values["sink_identifier"] for link in links} == {sink.values["arn"]}
    wanted = {"LabelTemplate": "$AccountName", "SinkIdentifier": sink.values["arn"]}
    for name, types in (
        ("analytics", ["AWS::CloudWatch::Metric"]),
        ("team-a", ["AWS::CloudWatch::Metric", "AWS::Logs::LogGroup"]),
    ):
        link = deployment.cloud.client("oam", account_ids[name]).create_link
        assert refused(link, **wanted, ResourceTypes=types) == "AccessDeniedException", name


def test_what_runs_in_the_service_network_is_found_there(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    """A function is attached by Terraform, a task by ECS: its service names the target group."""
    groups = {
        name: service["target_group_arn"]
        for name, service in deployment.outputs("network")["services"].items()
    }
    lattice = deployment.cloud.client("vpc-lattice", account_ids["team-a"])
    (target,) = lattice.list_targets(targetGroupIdentifier=groups["minilab-dev-ingest"])["items"]
    assert target["id"].endswith(f":{account_ids['team-a']}:function:minilab-dev-ingest")
    (webserver,) = deployment.cloud.client("ecs", account_ids["shared-services"]).describe_services(
        cluster="minilab-dev", services=["minilab-dev-dagster-webserver"]
    )["services"]
    (told,) = webserver["deployments"][0]["vpcLatticeConfigurations"]
    assert told["targetGroupArn"] == groups["minilab-dev-dagster"]


# --- what the code finds there -------------------------------------------------------------------


def provision(
    deployment: Deployment, account: str, environment: dict[str, str], *arguments: str
) -> list[dict[str, str]]:
    """What `minilab provision` says in an account, told what the stacks output."""
    client = deployment.cloud.client("sts")
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    keys = client.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    done = subprocess.run(
        [sys.executable, "-m", "minilab.cli", "provision", "--json", *arguments],
        env={
            "PATH": os.environ["PATH"],
            **environment,
            **deployment.cloud.environ,
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    (lacks,) = json.loads(done.stdout).values()
    return list(lacks)


def test_the_code_finds_all_that_it_needs(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    """But for the size of messages, which the provider cannot set, and the topics, which nobody
    has made yet. `minilab provision` mends that, and Terraform leaves it alone. A broker of the
    test's own stands in for MSK's."""
    size = "differs in MaximumMessageSize"
    team_a = deployment.outputs("ingestion")["environment"]
    shared = deployment.outputs("shared-services")["environment"]
    shared |= deployment.outputs("analytics")["environment"]
    with running_broker() as (broker, _):
        shared |= {
            "MINILAB_KAFKA_BOOTSTRAP_SERVERS": broker,
            "MINILAB_KAFKA_SECURITY": "PLAINTEXT",
        }
        for account, environment, expected in (
            (
                "team-a",
                team_a,
                {("queue", name, size) for name in ("ingest.fifo", "ingest-dlq.fifo", "failed")},
            ),
            (
                "shared-services",
                shared,
                {
                    *(("queue", name, size) for name in ("billing", "billing-dlq")),
                    *(("queue", name, size) for name in ("webhooks", "webhooks-dlq")),
                    ("topic", "product", "missing"),
                },
            ),
        ):
            there = (deployment, account_ids[account], environment)
            missing = {
                (lack["kind"], lack["name"].removeprefix("minilab-dev-"), lack["detail"])
                for lack in provision(*there, "--check")
            }
            assert missing == expected
            assert len(provision(*there)) == len(expected)
            assert provision(*there, "--check") == []
    nothing = {"ingestion": {}, "shared-services": {}}
    assert deployment.changes("ingestion", "shared-services") == nothing


def test_the_raw_tables_are_as_the_code_would_make_them(
    deployment: Deployment, account_ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in deployment.cloud.environ.items():
        monkeypatch.setenv(name, value)
    settings = Settings(
        region=deployment.cloud.environ["AWS_REGION"],
        lake_bucket=deployment.outputs("shared-services")["environment"]["MINILAB_LAKE_BUCKET"],
    )
    mine = deployment.cloud.client("glue")
    mine.create_database(DatabaseInput={"Name": settings.raw_database})
    ensure_tables(settings)

    theirs = deployment.cloud.client("glue", account_ids["shared-services"])
    for table in TABLES:
        where = {"DatabaseName": settings.raw_database, "Name": table.name}
        made, wanted = (glue.get_table(**where)["Table"] for glue in (theirs, mine))
        for part in ("Description", "PartitionKeys", "TableType", "Parameters"):
            assert made[part] == wanted[part], part
        assert told(made["StorageDescriptor"]) == told(wanted["StorageDescriptor"])
        mine.delete_table(**where)
    mine.delete_database(Name=settings.raw_database)


def told(value: Any) -> Any:
    """A part of Glue's answer without what is empty or false, which is left out as well."""
    if isinstance(value, dict):
        return {name: told(item) for name, item in value.items() if item not in (False, [], {})}
    return [told(item) for item in value] if isinstance(value, list) else value


def test_a_processor_of_another_name_is_not_fed(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    """The queue's policy names one role of team B's account."""
    team_b = account_ids["team-b"]
    functions, iam = (deployment.cloud.client(name, team_b) for name in ("lambda", "iam"))
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    assert mapping["EventSourceArn"].split(":")[4] == account_ids["team-a"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    role = iam.create_role(RoleName="minilab-dev-other", AssumeRolePolicyDocument="{}")["Role"]
    functions.update_function_configuration(FunctionName="minilab-dev-processor", Role=role["Arn"])
    try:
        code = refused(
            functions.create_event_source_mapping,
            EventSourceArn=mapping["EventSourceArn"],
            FunctionName="minilab-dev-processor",
        )
    finally:
        functions.update_function_configuration(
            FunctionName="minilab-dev-processor",
            Role=f"arn:aws:iam::{team_b}:role/minilab-dev-processor",
        )
        iam.delete_role(RoleName="minilab-dev-other")
    assert code == "ResourceNotFoundException"


def test_drift_is_found_and_mended(deployment: Deployment, account_ids: dict[str, str]) -> None:
    """Three hands at once: an open port, a wider auth policy, a lifted public access block."""
    networks = deployment.outputs("network")
    team_a = account_ids["team-a"]
    lattice = deployment.cloud.client("vpc-lattice", team_a)
    service = networks["services"]["minilab-dev-ingest"]["arn"].rsplit("/", 1)[-1]
    before = lattice.get_auth_policy(resourceIdentifier=service)["policy"]
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    opened = {"Version": "2012-10-17", "Statement": [anyone]}
    lattice.put_auth_policy(resourceIdentifier=service, policy=json.dumps(opened))

    ec2 = deployment.cloud.client("ec2", account_ids["team-b"])
    vpc = networks["networks"]["team-b"]["vpc_id"]
    (default,) = ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"]
    ec2.authorize_security_group_ingress(
        GroupId=default["GroupId"], IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )

    s3control = deployment.cloud.client("s3control", team_a)
    s3control.delete_public_access_block(AccountId=team_a)

    assert deployment.changes("network", "security") == {
        "network": {
            'module.team_a.module.service["minilab-dev-ingest"].aws_vpclattice_auth_policy.this': (
                "update",
            ),
            "module.team_b.module.vpc.aws_default_security_group.this": ("update",),
        },
        "security": {
            "module.baseline_team_a.aws_s3_account_public_access_block.this": ("create",),
        },
    }

    deployment.apply_all("network", "security")

    assert deployment.changes("network", "security") == {"network": {}, "security": {}}
    after = lattice.get_auth_policy(resourceIdentifier=service)["policy"]
    assert json.loads(after) == json.loads(before)
    (default,) = ec2.describe_security_groups(GroupIds=[default["GroupId"]])["SecurityGroups"]
    assert default["IpPermissions"] == []
    block = s3control.get_public_access_block(AccountId=team_a)
    assert set(block["PublicAccessBlockConfiguration"].values()) == {True}


def test_the_processor_becomes_a_service_and_a_function_again(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    """Its role is the same one all the time: others' policies name it."""
    team_b = account_ids["team-b"]
    iam, functions, scaling = (
        deployment.cloud.client(service, team_b)
        for service in ("iam", "lambda", "application-autoscaling")
    )

    def role() -> str:
        return str(iam.get_role(RoleName="minilab-dev-processor")["Role"]["RoleId"])

    was = role()
    service = (
        "-var=runs_on=ecs",
        f'-var=service={{image_digest="sha256:{"1" * 64}", most_tasks=3}}',
    )
    try:
        deployment.run("events", "apply", "-auto-approve", *service)
        second = deployment.run("events", "plan", "-detailed-exitcode", *service, ends=(0, 2))
        assert second.code == 0, second.output
        assert (role(), functions.list_functions()["Functions"]) == (was, [])
        (target,) = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
        assert target["ResourceId"] == "service/minilab-dev/minilab-dev-processor"
        assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)
    finally:
        deployment.apply("events")

    assert changed(deployment.plan("events")) == {}
    assert role() == was
    assert scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == []
    assert len(functions.list_event_source_mappings()["EventSourceMappings"]) == 1


def test_an_alarm_is_taken_out_of_those_by_which_data_is_late(
    deployment: Deployment, account_ids: dict[str, str]
) -> None:
    """CloudWatch keeps what another alarm names: the order of Terraform's changes matters."""
    cloudwatch = deployment.cloud.client("cloudwatch", account_ids["shared-services"])
    down = [f"minilab-dev-platform-dagster-{part}-down" for part in ("code", "daemon", "webserver")]
    assert len(cloudwatch.describe_alarms(AlarmNames=down)["MetricAlarms"]) == 3
    deployment.run("monitoring", "apply", "-auto-approve", "-var=dagster_runs=false")
    assert cloudwatch.describe_alarms(AlarmNames=down)["MetricAlarms"] == []
