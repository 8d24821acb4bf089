"""What no plan may contain, and what every plan must: held against the plans of an applied cloud.

Such a plan changes nothing and knows every value, ARNs and policies included.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from deployment import ORDER, Deployment
from plans import Resource, listed, of_type, policies, resources
from reach import Network, Way

pytestmark = pytest.mark.timeout(1200)
STACKS = ("bootstrap", *ORDER)


@pytest.fixture(params=STACKS)
def plan(request: pytest.FixtureRequest, deployment: Deployment) -> dict[str, Any]:
    return dict(deployment.settled[request.param])


# --- tags ----------------------------------------------------------------------------------------


def test_everything_that_can_be_tagged_says_whose_it_is(plan: dict[str, Any]) -> None:
    tagged = [r for r in resources(plan) if "tags_all" in r.values]
    assert tagged
    for resource in tagged:
        missing = {"Project", "Environment", "Stack", "Owner", "ManagedBy"} - set(
            resource.values["tags_all"] or {}
        )
        assert not missing, f"{resource.address} lacks {missing}"


# --- encryption ----------------------------------------------------------------------------------

# Of each type that can be encrypted with a key of ours: the attribute that must name one.
KEY_OF = {
    "aws_cloudtrail": "kms_key_id",
    "aws_cloudwatch_log_group": "kms_key_id",
    "aws_db_instance": "kms_key_id",
    "aws_lambda_function": "kms_key_arn",
    "aws_sqs_queue": "kms_master_key_id",
    "aws_sns_topic": "kms_master_key_id",
}
# Attributes that speak of keys and are held to something else.
OTHERWISE = {
    "aws_ecr_repository": "test_images_are_encrypted_by_a_key_of_ours",
    "aws_dynamodb_table": "test_tables_and_results_are_encrypted_by_a_key_of_ours",
    "aws_athena_workgroup": "test_tables_and_results_are_encrypted_by_a_key_of_ours",
    "aws_msk_cluster": "test_kafka_is_encrypted_by_a_key_of_ours_and_knows_its_clients",
    "aws_lambda_event_source_mapping": "its filter could be encrypted; it has none",
    "aws_ebs_encryption_by_default": "is the switch itself",
    "aws_kms_alias": "names a key",
    "aws_kms_key": "is the key; test_every_key_rotates",
    "aws_s3_bucket": "the bucket's own resource for it; test_every_bucket_is_encrypted",
    "aws_s3_bucket_server_side_encryption_configuration": "test_every_bucket_is_encrypted",
}


def test_everything_that_can_be_encrypted_is_by_a_key_of_ours(plan: dict[str, Any]) -> None:
    for resource in resources(plan):
        if resource.type in KEY_OF:
            key = resource.values[KEY_OF[resource.type]] or ""
            assert re.match(r"arn:aws:kms:.*:key/", key), resource.address
        elif re.search(r"kms|encrypt", " ".join(resource.values)):
            assert resource.type in OTHERWISE, f"say how {resource.type} must be encrypted"


def test_images_are_encrypted_by_a_key_of_ours(plan: dict[str, Any]) -> None:
    for resource in of_type(plan, "aws_ecr_repository"):
        (encryption,) = resource.values["encryption_configuration"]
        assert encryption["kms_key"].startswith("arn:aws:kms:"), resource.address
        assert resource.values["image_tag_mutability"] == "IMMUTABLE", resource.address


def test_kafka_is_encrypted_by_a_key_of_ours_and_knows_its_clients(plan: dict[str, Any]) -> None:
    for resource in of_type(plan, "aws_msk_cluster"):
        (encryption,) = resource.values["encryption_info"]
        assert encryption["encryption_at_rest_kms_key_arn"].startswith("arn:aws:kms:")
        assert encryption["encryption_in_transit"] == [{"client_broker": "TLS", "in_cluster": True}]
        (clients,) = resource.values["client_authentication"]
        assert not clients["unauthenticated"], resource.address
        assert clients["sasl"] == [{"iam": True, "scram": False}], resource.address
        (brokers,) = resource.values["broker_node_group_info"]
        (connectivity,) = brokers["connectivity_info"]
        assert connectivity["public_access"] == [{"type": "DISABLED"}], resource.address


def test_containers_are_not_root_and_write_nowhere_else(plan: dict[str, Any]) -> None:
    for resource in of_type(plan, "aws_ecs_task_definition"):
        for container in json.loads(resource.values["container_definitions"]):
            assert container["readonlyRootFilesystem"], resource.address
            assert not container["privileged"], resource.address
            assert container["user"].split(":")[0] not in {"", "0", "root"}, resource.address
    for resource in of_type(plan, "aws_ecs_service"):
        assert not resource.values["enable_execute_command"], resource.address
        (network,) = resource.values["network_configuration"]
        assert not network["assign_public_ip"], resource.address


def test_tables_and_results_are_encrypted_by_a_key_of_ours(plan: dict[str, Any]) -> None:
    keys = {
        resource.address: resource.values["server_side_encryption"][0]["kms_key_arn"]
        for resource in of_type(plan, "aws_dynamodb_table")
    }
    for resource in of_type(plan, "aws_athena_workgroup"):
        (configuration,) = resource.values["configuration"]
        assert configuration["enforce_workgroup_configuration"], resource.address
        (results,) = configuration["result_configuration"]
        keys[resource.address] = results["encryption_configuration"][0]["kms_key_arn"]
    for address, key in keys.items():
        assert re.match(r"arn:aws:kms:.*:key/", key), address


def test_every_bucket_is_encrypted_private_and_versioned(plan: dict[str, Any]) -> None:
    buckets = {resource.values["bucket"] for resource in of_type(plan, "aws_s3_bucket")}

    encrypted = of_type(plan, "aws_s3_bucket_server_side_encryption_configuration")
    assert {r.values["bucket"] for r in encrypted} == buckets
    for resource in encrypted:
        (rule,) = resource.values["rule"]
        (default,) = rule["apply_server_side_encryption_by_default"]
        assert default["sse_algorithm"] == "aws:kms"
        assert default["kms_master_key_id"].startswith("arn:aws:kms:")

    blocked = of_type(plan, "aws_s3_bucket_public_access_block")
    assert {r.values["bucket"] for r in blocked} == buckets
    for resource in blocked:
        assert all(value for name, value in resource.values.items() if name.startswith("block"))
        assert resource.values["ignore_public_acls"]
        assert resource.values["restrict_public_buckets"]

    versioned = of_type(plan, "aws_s3_bucket_versioning")
    assert {r.values["bucket"] for r in versioned} == buckets
    for resource in versioned:
        assert resource.values["versioning_configuration"][0]["status"] == "Enabled"


def test_every_bucket_refuses_plain_http(plan: dict[str, Any]) -> None:
    buckets = {resource.values["bucket"] for resource in of_type(plan, "aws_s3_bucket")}
    refusing = set()
    for resource in of_type(plan, "aws_s3_bucket_policy"):
        for _, policy in policies(resource):
            for statement in policy["Statement"]:
                if (
                    statement["Effect"] == "Deny"
                    and statement["Action"] == "s3:*"
                    and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                ):
                    refusing.add(resource.values["bucket"])
    assert refusing == buckets


def test_every_key_rotates(plan: dict[str, Any]) -> None:
    for resource in of_type(plan, "aws_kms_key"):
        assert resource.values["enable_key_rotation"], resource.address
        assert resource.values["deletion_window_in_days"] >= 7, resource.address


# --- isolation -----------------------------------------------------------------------------------

FORBIDDEN = re.compile(
    r"aws_(internet_gateway|egress_only_internet_gateway|nat_gateway|eip|vpc_peering|ec2_transit"
    r"|ec2_client_vpn|vpn_|customer_gateway|dx_|networkmanager|globalaccelerator|default_vpc"
    r"|default_subnet|route$|vpc_endpoint_service|vpc_block_public_access_exclusion)"
)


def test_no_way_out_of_a_vpc_but_endpoints_and_lattice(plan: dict[str, Any]) -> None:
    assert not [r.address for r in resources(plan) if FORBIDDEN.match(r.type)]
    for table in (*of_type(plan, "aws_route_table"), *of_type(plan, "aws_default_route_table")):
        assert table.values["route"] == [], table.address


def test_nothing_gets_a_public_address(plan: dict[str, Any]) -> None:
    for resource in resources(plan):
        for name in (
            "assign_public_ip",
            "associate_public_ip_address",
            "map_public_ip_on_launch",
            "publicly_accessible",
        ):
            assert not resource.values.get(name), f"{resource.address}: {name}"
        if resource.type == "aws_lb":
            assert resource.values["internal"], resource.address


def test_security_groups_name_groups_and_prefix_lists_never_addresses(
    plan: dict[str, Any],
) -> None:
    for resource in resources(plan):
        if resource.type.startswith("aws_vpc_security_group_"):
            assert not resource.values["cidr_ipv4"], resource.address
            assert not resource.values["cidr_ipv6"], resource.address
            assert resource.values["ip_protocol"] != "-1", resource.address
        elif resource.type == "aws_security_group_rule":
            pytest.fail(f"{resource.address}: use aws_vpc_security_group_*_rule")
        elif resource.type == "aws_default_security_group":
            assert resource.values["ingress"] == resource.values["egress"] == [], resource.address


# --- policies ------------------------------------------------------------------------------------

# Actions for which AWS knows no resource to name.
WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData",
    "logs:DescribeLogGroups",
    "ecr:GetAuthorizationToken",
    "ecs:DescribeTaskDefinition",
    # How a Lambda function joins a VPC; its code is denied the same (modules/function).
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    # ECS finds what it registers with VPC Lattice (AmazonECSInfrastructureRolePolicyForVpcLattice).
    "ec2:DescribeVpcs",
    "ec2:UnassignPrivateIpAddresses",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
# What keeps a statement within the organization, an account or one resource of ours.
BOUNDS = {
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:SourceAccount",
    "aws:SourceArn",
    "kms:EncryptionContext:aws:logs:arn",
}


def statements(plan: dict[str, Any]) -> list[tuple[Resource, str, dict[str, Any]]]:
    return [
        (resource, name, statement)
        for resource in resources(plan)
        for name, policy in policies(resource)
        for statement in listed(policy["Statement"])
    ]


def conditions(statement: dict[str, Any]) -> set[str]:
    """The condition keys of a statement."""
    return {key for test in statement.get("Condition", {}).values() for key in test}


def test_only_what_has_no_resource_is_allowed_on_every_resource(plan: dict[str, Any]) -> None:
    for resource, name, statement in statements(plan):
        if statement["Effect"] == "Deny" or statement.get("Resource") != "*":
            continue
        if resource.type in {"aws_kms_key", "aws_oam_sink_policy"}:
            continue  # within the policy of a key or a sink, * is that key or sink
        if "Principal" in statement:
            assert conditions(statement) & BOUNDS, f"{resource.address} {name}: {statement}"
        else:
            assert set(listed(statement["Action"])) <= WITHOUT_RESOURCE, resource.address


def test_nobody_outside_is_let_in(plan: dict[str, Any]) -> None:
    """A statement for everyone, or for a service, is bound to us by a condition."""
    for resource, name, statement in statements(plan):
        if statement["Effect"] == "Deny" or "Principal" not in statement:
            continue
        if statement.get("Sid") == "ImageLayers":
            # Pre-signed by ECR, whose account is AWS's: read-only, of one bucket.
            assert statement["Action"] == "s3:GetObject"
            continue
        principal = statement["Principal"]
        if principal == "*" or "Service" in principal:
            assert conditions(statement) & BOUNDS, f"{resource.address} {name}: {statement}"
        elif "Federated" in principal:
            assert {"token.actions.githubusercontent.com:sub"} <= conditions(statement)
            subjects = statement["Condition"]["StringEquals"][
                "token.actions.githubusercontent.com:sub"
            ]
            assert not [subject for subject in listed(subjects) if "*" in subject]
        else:
            assert set(principal) == {"AWS"}, f"{resource.address} {name}: {statement}"
            assert "*" not in principal["AWS"]


def test_every_statement_says_what_it_is_for(plan: dict[str, Any]) -> None:
    for resource, _, statement in statements(plan):
        assert statement.get("Sid"), resource.address


# --- reach ---------------------------------------------------------------------------------------


def test_a_team_reaches_exactly_the_declared_services(deployment: Deployment) -> None:
    """Followed from each VPC through the plan: association, network, service, policy, rule."""
    plan = deployment.settled["network"]
    outputs = deployment.settled["organization"]["planned_values"]["outputs"]
    names = {id_: name for name, id_ in outputs["account_ids"]["value"].items()}

    (network,) = of_type(plan, "aws_vpclattice_service_network")
    joined = {
        resource.values["arn"].split(":")[4]
        for resource in of_type(plan, "aws_vpclattice_service_network_vpc_association")
        if resource.values["service_network_identifier"] == network.values["id"]
    }
    offered = {
        resource.values["service_identifier"]
        for resource in of_type(plan, "aws_vpclattice_service_network_service_association")
        if resource.values["service_network_identifier"] == network.values["id"]
    }
    policy_of = {
        resource.values["resource_identifier"].rsplit("/", 1)[-1]: policy
        for resource in of_type(plan, "aws_vpclattice_auth_policy")
        for _, policy in policies(resource)
    }
    reached = set()
    for service in of_type(plan, "aws_vpclattice_service"):
        if service.values["id"] not in offered:
            continue
        assert service.values["auth_type"] == "AWS_IAM"
        for statement in policy_of[service.values["id"]]["Statement"]:
            equals = statement["Condition"]["StringEquals"]
            account = equals["aws:PrincipalAccount"]
            assert equals["vpc-lattice-svcs:SourceVpcOwnerAccount"] == account
            if account not in joined:
                continue
            for method in equals["vpc-lattice-svcs:RequestMethod"]:
                for path in statement["Condition"]["StringLike"]["vpc-lattice-svcs:RequestPath"]:
                    reached.add((names[account], service.values["name"], method, path))

    declared = {
        (caller, f"minilab-dev-{name}", method, f"{path}*")
        for name, service in plan["variables"]["services"]["value"].items()
        for caller, grant in service["callers"].items()
        for method in grant["methods"]
        for path in grant["paths"]
    }
    assert reached == declared
    assert declared, "with nothing declared this test would prove nothing"


def test_what_a_team_runs_gets_out_to_endpoints_and_lattice_only(deployment: Deployment) -> None:
    plan = deployment.settled["network"]
    workload = {
        group.values["id"]: group.provider
        for group in of_type(plan, "aws_security_group")
        if group.values["name"].endswith("-workload")
    }
    endpoints = {
        group.values["id"]: group.provider
        for group in of_type(plan, "aws_security_group")
        if group.values["name"].endswith("-endpoints")
    }
    gateways = {
        endpoint.values["prefix_list_id"]
        for endpoint in of_type(plan, "aws_vpc_endpoint")
        if endpoint.values["vpc_endpoint_type"] == "Gateway"
    }
    assert len(workload) == 4
    ways: dict[str, set[str]] = {group: set() for group in workload}
    for rule in of_type(plan, "aws_vpc_security_group_egress_rule"):
        group, values = rule.values["security_group_id"], rule.values
        assert group in workload, "only what a team runs opens connections"
        assert values["from_port"] == values["to_port"] == 443
        if other := values["referenced_security_group_id"]:
            assert endpoints[other] == workload[group], "endpoints of another account"
            ways[group].add("endpoints")
        elif values["prefix_list_id"] in gateways:
            ways[group].add("gateways")
        else:
            ways[group].add("lattice")
    assert all(found == {"endpoints", "gateways", "lattice"} for found in ways.values())

    for rule in of_type(plan, "aws_vpc_security_group_ingress_rule"):
        assert rule.values["security_group_id"] not in workload, "nothing comes in by itself"
        assert rule.values["referenced_security_group_id"] in workload


# Of each part that runs: what it reaches beside AWS's APIs and VPC Lattice, and who reaches it.
APART: dict[str, dict[str, set[tuple[str, str]]]] = {
    "team-a": {"minilab-dev-ingest": set()},
    "team-b": {"minilab-dev-processor": {("PrivateLink to Kafka minilab-dev", "14001-14100")}},
    "analytics": {},
    "shared-services": {
        "minilab-dev-dagster-webserver": {
            ("database minilab-dev-dagster", "5432"),
            ("minilab-dev-dagster-code", "4000"),
        },
        # A run is started with the groups of the daemon.
        "minilab-dev-dagster-daemon": {
            ("database minilab-dev-dagster", "5432"),
            ("minilab-dev-dagster-code", "4000"),
            ("Kafka minilab-dev", "9098"),
        },
        "minilab-dev-dagster-code": {
            ("database minilab-dev-dagster", "5432"),
            ("Kafka minilab-dev", "9098"),
        },
    },
}
FROM_LATTICE = {("shared-services", "minilab-dev-dagster-webserver", "3000")}
"""Functions are called by VPC Lattice too, but not over the network of their VPC."""


def test_each_part_reaches_exactly_what_is_declared(deployment: Deployment) -> None:
    """Over all stacks: by which way a packet gets from what runs in a team's subnets, and where."""
    network = Network(deployment.settled.values())
    declared = set()
    for team, parts in APART.items():
        variables = deployment.settled["network"]["variables"]["vpcs"]["value"][team]
        apis = {f"AWS {name}" for name in (*variables["interface_endpoints"], "s3", "dynamodb")}
        for part, apart in parts.items():
            for target, ports in {(each, "443") for each in (*apis, "VPC Lattice")} | apart:
                declared.add(Way(f"aws.{team.replace('-', '_')}", part, target, ports))
    for team, part, ports in FROM_LATTICE:
        declared.add(Way(f"aws.{team.replace('-', '_')}", "VPC Lattice", part, ports))
    assert network.ways() == declared


def test_no_rule_of_a_security_group_lacks_its_other_half(deployment: Deployment) -> None:
    assert Network(deployment.settled.values()).half_open() == set()


def test_from_one_vpc_to_another_there_is_lattice_and_the_connection_to_kafka(
    deployment: Deployment,
) -> None:
    """Of what joins two accounts, in any stack; `FORBIDDEN` is what no stack may have."""
    joining = {
        (stack, resource.type, resource.provider)
        for stack, plan in deployment.settled.items()
        for resource in resources(plan)
        if resource.type
        in {"aws_msk_vpc_connection", "aws_vpclattice_service_network_vpc_association"}
    }
    assert joining == {
        ("events", "aws_msk_vpc_connection", "aws.team_b"),
        *(
            ("network", "aws_vpclattice_service_network_vpc_association", f"aws.{team}")
            for team in ("analytics", "shared_services", "team_a", "team_b")
        ),
    }
