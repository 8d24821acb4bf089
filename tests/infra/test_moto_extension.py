"""The contract of every stub: botocore's model of the service, for request and response alike.

botocore refuses a request that does not fit its model before it is sent. The response is looked at
as it came over the wire, before botocore reads from it what it knows and drops the rest.
"""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zipfile import ZipFile

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape
from cloud import MANAGEMENT, REGION, Cloud, refused


def mismatches(value: Any, shape: Shape, at: str = "") -> Iterator[str]:
    """Where a JSON value differs from its model: unknown, missing, or of another type."""
    match shape:
        case StructureShape():
            if not isinstance(value, dict):
                yield f"{at} is no structure: {value!r}"
                return
            members, required = {}, set()
            for name, member in shape.members.items():
                if member.serialization.get("location") is None:  # else it is in a path or header
                    wire_name = member.serialization.get("name", name)
                    members[wire_name] = member
                    if name in shape.required_members:
                        required.add(wire_name)
            yield from (f"{at}.{name} is not in the model" for name in value.keys() - members)
            yield from (f"{at}.{name} is missing" for name in required - value.keys())
            for name in value.keys() & members:
                yield from mismatches(value[name], members[name], f"{at}.{name}")
        case ListShape():
            if not isinstance(value, list):
                yield f"{at} is no list: {value!r}"
                return
            for index, item in enumerate(value):
                yield from mismatches(item, shape.member, f"{at}[{index}]")
        case MapShape():
            for key, item in value.items():
                yield from mismatches(item, shape.value, f"{at}.{key}")
        case _:
            kinds: dict[str, Any] = {
                "string": str,
                "boolean": bool,
                "integer": int,
                "long": int,
                "timestamp": (str, int, float),
                "blob": str,
            }
            if not isinstance(value, kinds[shape.type_name]):
                yield f"{at} is no {shape.type_name}: {value!r}"
            elif shape.type_name == "timestamp" and isinstance(value, str):
                datetime.fromisoformat(value)
            elif (allowed := getattr(shape, "enum", None)) and value not in allowed:
                yield f"{at} is {value!r}, none of {allowed}"


def xml_mismatches(element: ET.Element, shape: Shape, at: str = "") -> Iterator[str]:
    """The same for the XML of EC2 and RDS: names only, since XML has no types."""
    if isinstance(shape, StructureShape):
        members = {
            member.serialization.get("name", name): member for name, member in shape.members.items()
        }
        for child in element:
            name = child.tag.split("}")[-1]
            if name not in members:
                if name != "requestId":
                    yield f"{at}.{name} is not in the model"
                continue
            yield from xml_mismatches(child, members[name], f"{at}.{name}")
    elif isinstance(shape, ListShape):
        for item in element:
            yield from xml_mismatches(item, shape.member, f"{at}[]")
    elif list(element):
        yield f"{at} is no {shape.type_name}"


class Wire:
    """Watches clients, and keeps what their answers had wrong."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.stubbed = {(stub["service"], stub["action"]) for stub in cloud.stubs}
        self.called: set[tuple[str, str]] = set()
        self.wrong: list[str] = []

    def client(self, service: str, account: str | None = None) -> Any:
        client = self.cloud.client(service, *([account] if account else []))
        client.meta.events.register("before-parse.*", self.look)
        return client

    def look(self, operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
        if response_dict["status_code"] >= 300:
            return
        service, action = operation_model.service_model.service_name, operation_model.name
        self.called.add((service, action))
        shape, body = operation_model.output_shape, response_dict["body"]
        at = f"{service}.{action}"
        if (service, action) not in self.stubbed or shape is None or service == "s3":
            return
        if service in {"ec2", "rds"}:
            found = ET.fromstring(body)
            if wrapper := shape.serialization.get("resultWrapper"):
                found = found.find(f"{{*}}{wrapper}") or found
            self.wrong += xml_mismatches(found, shape, at)
        else:
            self.wrong += mismatches(json.loads(body or "{}"), shape, at)


@pytest.fixture
def wire(cloud: Cloud) -> Wire:
    return Wire(cloud)


def two_accounts(wire: Wire) -> tuple[str, str, str]:
    """An organization with an owner and a team in a unit of it: their ids, and the unit's ARN."""
    organizations = wire.client("organizations")
    guardrail = {
        "Name": "none",
        "Description": "d",
        "Type": "SERVICE_CONTROL_POLICY",
        "Content": json.dumps({"Version": "2012-10-17", "Statement": []}),
    }
    with pytest.raises(ClientError) as caught:
        organizations.create_policy(**guardrail)
    assert code_of(caught) == "AWSOrganizationsNotInUseException"
    organizations.create_organization(FeatureSet="ALL")
    policy = organizations.create_policy(**guardrail)["Policy"]["PolicySummary"]["Id"]
    organizations.delete_policy(PolicyId=policy)
    root = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=root, Name="Workloads")
    unit = unit["OrganizationalUnit"]
    ids = []
    for name in ("owner", "team"):
        status = organizations.create_account(AccountName=name, Email=f"{name}@example.com")
        ids.append(status["CreateAccountStatus"]["AccountId"])
        organizations.move_account(
            AccountId=ids[-1], SourceParentId=root, DestinationParentId=unit["Id"]
        )
    return ids[0], ids[1], unit["Arn"]


def remove(wire: Wire, *accounts: str) -> None:
    organizations = wire.client("organizations")
    for account in accounts:
        organizations.remove_account_from_organization(AccountId=account)
    root = organizations.list_roots()["Roots"][0]["Id"]
    for unit in organizations.list_organizational_units_for_parent(ParentId=root)[
        "OrganizationalUnits"
    ]:
        organizations.delete_organizational_unit(OrganizationalUnitId=unit["Id"])
    organizations.delete_organization()


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_a_life_of_everything_that_is_stubbed(wire: Wire) -> None:
    """Each thing is made, read, shared, used from the other account, and removed."""
    owner, team, unit = two_accounts(wire)
    wire.client("ram").enable_sharing_with_aws_organization()
    role = wire.client("iam").get_role(RoleName="AWSServiceRoleForResourceAccessManager")["Role"]
    assert "ram.amazonaws.com" in str(role["AssumeRolePolicyDocument"])

    theirs = wire.client("vpc-lattice", owner)
    ours = wire.client("vpc-lattice", team)
    network = theirs.create_service_network(name="shared", authType="AWS_IAM")
    found = {"serviceNetworkIdentifier": network["id"]}
    assert theirs.get_service_network(**found)["arn"] == network["arn"]
    with pytest.raises(ClientError) as caught:
        ours.get_service_network(**found)
    assert code_of(caught) == "ResourceNotFoundException"

    sharing = wire.client("ram", owner)
    share = sharing.create_resource_share(
        name="share", allowExternalPrincipals=False, tags=[{"key": "Owner", "value": "platform"}]
    )["resourceShare"]
    arn = {"resourceShareArn": share["resourceShareArn"]}
    assert sharing.list_resource_share_permissions(**arn)["permissions"] == []
    sharing.associate_resource_share(**arn, resourceArns=[network["arn"]])
    sharing.associate_resource_share(**arn, principals=[unit])
    (told,) = sharing.get_resource_shares(resourceOwner="SELF")["resourceShares"]
    assert told["tags"] == [{"key": "Owner", "value": "platform"}]
    assert ours.get_service_network(**found)["arn"] == network["arn"]

    vpc = wire.client("ec2", team).create_vpc(CidrBlock="10.0.0.0/20")["Vpc"]["VpcId"]
    joined = ours.create_service_network_vpc_association(**found, vpcIdentifier=vpc)
    joined_id = {"serviceNetworkVpcAssociationIdentifier": joined["id"]}
    assert (
        ours.get_service_network_vpc_association(**joined_id)["serviceNetworkId"] == (network["id"])
    )

    service = ours.create_service(name="service", authType="AWS_IAM")
    of_service = {"serviceIdentifier": service["id"]}
    offered = ours.create_service_network_service_association(**found, **of_service)
    group = ours.create_target_group(name="group", type="LAMBDA")
    listener = ours.create_listener(
        **of_service,
        name="https",
        protocol="HTTPS",
        defaultAction={"fixedResponse": {"statusCode": 404}},
    )
    of_listener = {**of_service, "listenerIdentifier": listener["id"]}
    match = {"httpMatch": {"method": "GET", "pathMatch": {"match": {"prefix": "/v1"}}}}
    action = {"forward": {"targetGroups": [{"targetGroupIdentifier": group["id"], "weight": 100}]}}
    rule = ours.create_rule(**of_listener, name="versions", priority=10, match=match, action=action)
    of_rule = {**of_listener, "ruleIdentifier": rule["id"]}
    read = ours.get_rule(**of_rule)
    assert (read["match"], read["action"], read["priority"]) == (match, action, 10)

    ours.delete_rule(**of_rule)
    with pytest.raises(ClientError) as caught:
        ours.get_rule(**of_rule)
    assert code_of(caught) == "ResourceNotFoundException"
    ours.delete_listener(**of_listener)
    of_group = {"targetGroupIdentifier": group["id"]}
    target = {"id": f"arn:aws:lambda:{REGION}:{team}:function:f"}
    assert ours.register_targets(**of_group, targets=[target])["successful"] == [target]
    assert [each["id"] for each in ours.list_targets(**of_group)["items"]] == [target["id"]]
    ours.deregister_targets(**of_group, targets=[target])
    assert ours.list_targets(**of_group)["items"] == []
    ours.delete_target_group(**of_group)
    ours.delete_service_network_service_association(
        serviceNetworkServiceAssociationIdentifier=offered["id"]
    )
    ours.delete_service(**of_service)
    ours.delete_service_network_vpc_association(**joined_id)
    with pytest.raises(ClientError) as caught:
        ours.get_service_network_vpc_association(**joined_id)
    assert code_of(caught) == "ResourceNotFoundException"

    sharing.disassociate_resource_share(**arn, principals=[unit])
    with pytest.raises(ClientError):
        ours.get_service_network(**found)
    theirs.delete_service_network(**found)
    with pytest.raises(ClientError):
        theirs.get_service_network(**found)

    describe_ec2(wire, team, vpc)
    keep_objects(wire)
    remove_a_trail(wire)
    feed_a_function(wire, owner, team)
    remove_a_catalog(wire, team)
    join_kafka(wire, owner, team)
    show_metrics(wire, owner, team)
    alarm_on_another_account(wire, owner, team)
    tag_a_budget(wire)
    run_a_service(wire, team)
    make_an_instance(wire, team)
    set_a_parameter(wire, team)
    remove(wire, owner, team)
    assert wire.wrong == []
    assert wire.called >= wire.stubbed, "a stub that no contract test calls"


def describe_ec2(wire: Wire, team: str, vpc: str) -> None:
    ec2 = wire.client("ec2", team)
    options = ec2.describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]
    assert options["InternetGatewayBlockMode"] == "off"
    ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode="block-bidirectional")
    options = ec2.describe_vpc_block_public_access_options()["VpcBlockPublicAccessOptions"]
    assert options["InternetGatewayBlockMode"] == "block-bidirectional"
    assert options["AwsRegion"] == REGION

    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    lists = ec2.describe_managed_prefix_lists()["PrefixLists"]
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    by_list = {"PrefixListId": lists[0]["PrefixListId"], "Description": "to a list"}
    by_group = {"GroupId": group, "Description": "to a group"}
    ec2.authorize_security_group_egress(
        GroupId=group, IpPermissions=[{**permission, "PrefixListIds": [by_list]}]
    )
    ec2.authorize_security_group_egress(
        GroupId=group, IpPermissions=[{**permission, "UserIdGroupPairs": [by_group]}]
    )
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    described = {rule.get("Description") for rule in rules["SecurityGroupRules"]}
    assert {"to a list", "to a group"} <= described


def keep_objects(wire: Wire) -> None:
    s3 = wire.client("s3")
    s3.create_bucket(Bucket="kept", CreateBucketConfiguration={"LocationConstraint": REGION})
    everything = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
    plain_http = {**everything, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    put_policy(s3, plain_http)
    s3.put_object(Bucket="kept", Key="key", Body=b"body")
    s3.head_object(Bucket="kept", Key="key")
    assert s3.get_object(Bucket="kept", Key="key")["Body"].read() == b"body"
    put_policy(s3, everything)
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket="kept", Key="key")
    assert code_of(caught) in {"403", "AccessDenied"}
    s3.delete_bucket_policy(Bucket="kept")
    s3.delete_object(Bucket="kept", Key="key")
    s3.delete_bucket(Bucket="kept")


def remove_a_trail(wire: Wire) -> None:
    s3, cloudtrail = wire.client("s3"), wire.client("cloudtrail")
    s3.create_bucket(Bucket="trail", CreateBucketConfiguration={"LocationConstraint": REGION})
    trail = cloudtrail.create_trail(Name="trail", S3BucketName="trail")
    cloudtrail.delete_trail(Name=trail["TrailARN"])
    assert cloudtrail.describe_trails()["trailList"] == []
    s3.delete_bucket(Bucket="trail")


def remove_a_catalog(wire: Wire, team: str) -> None:
    athena = wire.client("athena", team)
    athena.create_data_catalog(Name="lake", Type="GLUE", Parameters={"catalog-id": team})
    athena.delete_data_catalog(Name="lake")
    names = {each["CatalogName"] for each in athena.list_data_catalogs()["DataCatalogsSummary"]}
    assert "lake" not in names


def feed_a_function(wire: Wire, owner: str, team: str) -> None:
    """From a queue of another account: not before its policy names the function's role."""
    sqs, iam, functions = (
        wire.client("sqs", owner),
        wire.client("iam", team),
        wire.client("lambda", team),
    )
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    redrive = f'{{"deadLetterTargetArn":"{arn_of(sqs, dead)}","maxReceiveCount":5}}'
    url = sqs.create_queue(QueueName="fed", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    names = ["Policy", "RedrivePolicy"]
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"] == {
        "RedrivePolicy": redrive
    }
    role = iam.create_role(RoleName="fed", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    archive = io.BytesIO()
    with ZipFile(archive, "w") as file:
        file.writestr("nothing.py", "")
    functions.create_function(
        FunctionName="fed",
        Role=role,
        Runtime="python3.12",
        Handler="nothing.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    mapping = {"EventSourceArn": arn_of(sqs, url), "FunctionName": "fed"}
    with pytest.raises(ClientError) as caught:
        functions.create_event_source_mapping(**mapping)
    assert code_of(caught) == "ResourceNotFoundException"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{team}:root"},
        "Action": ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
        "Resource": arn_of(sqs, url),
        "Condition": {"ArnEquals": {"aws:PrincipalArn": [role]}},
    }
    over_tls = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn_of(sqs, url),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [over_tls, statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "60"})
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert json.loads(told["Policy"])["Statement"] == [over_tls, statement]
    made = functions.create_event_source_mapping(**mapping)
    functions.delete_event_source_mapping(UUID=made["UUID"])
    functions.delete_function(FunctionName="fed")
    iam.delete_role(RoleName="fed")
    sqs.delete_queue(QueueUrl=url)
    sqs.delete_queue(QueueUrl=dead)


def join_kafka(wire: Wire, owner: str, team: str) -> None:
    """From a VPC of another account: not before the cluster is open to that, and its policy lets
    the account."""
    theirs, ours = wire.client("kafka", owner), wire.client("kafka", team)
    properties = b"auto.create.topics.enable=false"
    configuration = theirs.create_configuration(
        Name="kafka", KafkaVersions=["3.7.x.kraft"], ServerProperties=properties
    )["Arn"]
    described = theirs.describe_configuration(Arn=configuration)
    revision = described["LatestRevision"]["Revision"]
    assert (described["Name"], described["KafkaVersions"]) == ("kafka", ["3.7.x.kraft"])
    told = theirs.describe_configuration_revision(Arn=configuration, Revision=revision)
    assert told["ServerProperties"] == properties

    cluster = theirs.create_cluster(
        ClusterName="kafka",
        KafkaVersion="3.7.x.kraft",
        NumberOfBrokerNodes=3,
        BrokerNodeGroupInfo={
            "ClientSubnets": ["subnet-1", "subnet-2", "subnet-3"],
            "InstanceType": "kafka.m7g.large",
        },
        ClientAuthentication={"Sasl": {"Iam": {"Enabled": True}}},
        ConfigurationInfo={"Arn": configuration, "Revision": revision},
        Tags={"Owner": "platform"},
    )["ClusterArn"]
    assert cluster.split(":")[5].startswith("cluster/kafka/")
    of_cluster = {"ClusterArn": cluster}
    info = theirs.describe_cluster(**of_cluster)["ClusterInfo"]
    assert (info["State"], info["Tags"]) == ("ACTIVE", {"Owner": "platform"})
    again = theirs.describe_cluster_v2(**of_cluster)["ClusterInfo"]
    assert again["Provisioned"]["ClientAuthentication"] == info["ClientAuthentication"]
    (listed,) = theirs.list_clusters(ClusterNameFilter="kafka")["ClusterInfoList"]
    assert listed == info
    brokers = theirs.get_bootstrap_brokers(**of_cluster)
    assert brokers["BootstrapBrokerStringSaslIam"].count(":9098") == 3
    assert "BootstrapBrokerStringVpcConnectivitySaslIam" not in brokers

    connection = {
        "TargetClusterArn": cluster,
        "Authentication": "SASL_IAM",
        "VpcId": "vpc-1",
        "ClientSubnets": ["subnet-4", "subnet-5", "subnet-6"],
        "SecurityGroups": ["sg-1"],
    }
    assert refused(ours.create_vpc_connection, **connection) == "ForbiddenException"
    iam = {"VpcConnectivity": {"ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}}}}
    operation = theirs.update_connectivity(
        **of_cluster, CurrentVersion=info["CurrentVersion"], ConnectivityInfo=iam
    )["ClusterOperationArn"]
    done = theirs.describe_cluster_operation(ClusterOperationArn=operation)
    assert done["ClusterOperationInfo"]["OperationState"] == "UPDATE_COMPLETE"
    brokers = theirs.get_bootstrap_brokers(**of_cluster)
    ports = [
        address.rpartition(":")[2]
        for address in brokers["BootstrapBrokerStringVpcConnectivitySaslIam"].split(",")
    ]
    assert ports == ["14001", "14002", "14003"]
    for statement in (
        allowing(owner, ["kafka:CreateVpcConnection"], cluster),
        allowing(team, ["kafka:DescribeCluster"], cluster),
        allowing(team, ["kafka:CreateVpcConnection"], cluster.replace("/kafka/", "/other/")),
    ):
        theirs.put_cluster_policy(**of_cluster, **next_policy(theirs, cluster, statement))
        assert refused(ours.create_vpc_connection, **connection) == "ForbiddenException"
    statement = allowing(team, ["kafka:CreateVpcConnection"], cluster)
    theirs.put_cluster_policy(**of_cluster, **next_policy(theirs, cluster, statement))
    made = {"Arn": ours.create_vpc_connection(**connection)["VpcConnectionArn"]}
    assert made["Arn"].split(":")[4] == team
    found = ours.describe_vpc_connection(**made)
    assert (found["State"], found["TargetClusterArn"]) == ("AVAILABLE", cluster)

    ours.delete_vpc_connection(**made)
    assert refused(ours.describe_vpc_connection, **made) == "NotFoundException"
    theirs.delete_cluster_policy(**of_cluster)
    theirs.delete_cluster(**of_cluster)
    for describe in (theirs.describe_cluster, theirs.describe_cluster_v2):
        assert refused(describe, **of_cluster) == "NotFoundException"
    theirs.delete_configuration(Arn=configuration)
    assert refused(theirs.describe_configuration, Arn=configuration) == "BadRequestException"


def next_policy(kafka: Any, cluster: str, statement: dict[str, Any]) -> dict[str, str]:
    """The arguments with which a cluster's policy is put in the place of the one before."""
    version = kafka.get_cluster_policy(ClusterArn=cluster)["CurrentVersion"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return {"Policy": policy, **({"CurrentVersion": version} if version else {})}


def allowing(account: str, actions: list[str], resource: str, **condition: Any) -> dict[str, Any]:
    """A statement that lets an account do something."""
    return {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{account}:root"]},
        "Action": actions,
        "Resource": resource,
        "Condition": condition,
    }


def show_metrics(wire: Wire, owner: str, team: str) -> None:
    """To another account's sink: not before its policy lets the account, and metrics only."""
    theirs, ours = wire.client("oam", owner), wire.client("oam", team)
    sink = theirs.create_sink(Name="sink", Tags={"Owner": "platform"})["Arn"]
    assert theirs.get_sink(Identifier=sink)["Name"] == "sink"
    assert theirs.list_tags_for_resource(ResourceArn=sink)["Tags"] == {"Owner": "platform"}
    metrics, logs = "AWS::CloudWatch::Metric", "AWS::Logs::LogGroup"
    link = {"LabelTemplate": "$AccountName", "SinkIdentifier": sink}
    assert refused(ours.create_link, **link, ResourceTypes=[metrics]) == "AccessDeniedException"

    types = {"ForAllValues:StringEquals": {"oam:ResourceTypes": [metrics]}}
    for account, wanted in ((owner, [metrics]), (team, [metrics, logs])):
        statement = allowing(account, ["oam:CreateLink"], "*", **types)
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        theirs.put_sink_policy(SinkIdentifier=sink, Policy=policy)
        assert refused(ours.create_link, **link, ResourceTypes=wanted) == "AccessDeniedException"
    assert json.loads(theirs.get_sink_policy(SinkIdentifier=sink)["Policy"]) == json.loads(policy)
    made = {"Identifier": ours.create_link(**link, ResourceTypes=[metrics])["Arn"]}
    assert ours.get_link(**made)["SinkArn"] == sink

    assert refused(theirs.delete_sink, Identifier=sink) == "ConflictException"
    ours.delete_link(**made)
    assert refused(ours.get_link, **made) == "ResourceNotFoundException"
    theirs.delete_sink(Identifier=sink)
    assert refused(theirs.get_sink, Identifier=sink) == "ResourceNotFoundException"


def alarm_on_another_account(wire: Wire, owner: str, team: str) -> None:
    cloudwatch = wire.client("cloudwatch", owner)
    metric = {"Namespace": "AWS/SQS", "MetricName": "NumberOfMessagesSent"}
    query = {
        "Id": "sent",
        "AccountId": team,
        "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"},
    }
    alarm = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 1.0}
    rule = {"AlarmName": "late", "AlarmRule": 'ALARM("sent") OR ALARM("sent")'}
    assert refused(cloudwatch.put_composite_alarm, **rule) == "ValidationError"
    cloudwatch.put_metric_alarm(AlarmName="sent", **alarm, Metrics=[query])
    cloudwatch.put_composite_alarm(**rule)
    told = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert [each["AccountId"] for each in told["MetricAlarms"][0]["Metrics"]] == [team]
    assert [each["AlarmRule"] for each in told["CompositeAlarms"]] == [rule["AlarmRule"]]
    assert refused(cloudwatch.delete_alarms, AlarmNames=["sent"]) == "ValidationError"
    cloudwatch.delete_alarms(AlarmNames=["late"])
    cloudwatch.delete_alarms(AlarmNames=["sent"])


def tag_a_budget(wire: Wire) -> None:
    budgets = wire.client("budgets")
    of_budget = {"AccountId": MANAGEMENT, "BudgetName": "budget"}
    notification = {
        "NotificationType": "ACTUAL",
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": 80.0,
    }
    subscribers = [{"SubscriptionType": "EMAIL", "Address": "platform@example.com"}]
    budgets.create_budget(
        AccountId=MANAGEMENT,
        Budget={
            "BudgetName": "budget",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "500", "Unit": "USD"},
        },
        NotificationsWithSubscribers=[{"Notification": notification, "Subscribers": subscribers}],
        ResourceTags=[{"Key": "Owner", "Value": "platform"}],
    )
    told = budgets.list_tags_for_resource(
        ResourceARN=f"arn:aws:budgets::{MANAGEMENT}:budget/budget"
    )
    assert told["ResourceTags"] == [{"Key": "Owner", "Value": "platform"}]
    found = budgets.describe_subscribers_for_notification(**of_budget, Notification=notification)
    assert found["Subscribers"] == subscribers
    budgets.delete_budget(**of_budget)


def run_a_service(wire: Wire, team: str) -> None:
    ecs = wire.client("ecs", team)
    ecs.create_cluster(clusterName="cluster")
    ecs.register_task_definition(
        family="task", containerDefinitions=[{"name": "task", "image": "task", "memory": 512}]
    )
    lattice = {"roleArn": "role", "targetGroupArn": "group", "portName": "task"}
    of_service = {"cluster": "cluster", "service": "service"}
    ecs.create_service(
        cluster="cluster",
        serviceName="service",
        taskDefinition="task",
        desiredCount=0,
        availabilityZoneRebalancing="ENABLED",
        deploymentConfiguration={"minimumHealthyPercent": 0, "maximumPercent": 100},
        vpcLatticeConfigurations=[lattice],
    )
    (told,) = ecs.describe_services(cluster="cluster", services=["service"])["services"]
    assert told["availabilityZoneRebalancing"] == "ENABLED"
    assert told["deploymentConfiguration"]["maximumPercent"] == 100
    assert told["deployments"][0]["vpcLatticeConfigurations"] == [lattice]
    ecs.update_service(**of_service, vpcLatticeConfigurations=[])
    (told,) = ecs.describe_services(cluster="cluster", services=["service"])["services"]
    assert told["deployments"][0]["vpcLatticeConfigurations"] == []
    scale_the_service(wire, team)
    ecs.delete_service(**of_service)
    ecs.delete_cluster(cluster="cluster")


def scale_the_service(wire: Wire, team: str) -> None:
    scaling = wire.client("application-autoscaling", team)
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/cluster/service",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    made = scaling.register_scalable_target(
        **target, MinCapacity=1, MaxCapacity=2, Tags={"Owner": "team-b"}
    )
    arn = {"ResourceARN": made["ScalableTargetARN"]}
    assert scaling.list_tags_for_resource(**arn)["Tags"] == {"Owner": "team-b"}
    scaling.register_scalable_target(**target, MaxCapacity=3)
    assert scaling.list_tags_for_resource(**arn)["Tags"] == {"Owner": "team-b"}
    scaling.deregister_scalable_target(**target)
    assert refused(scaling.list_tags_for_resource, **arn) == "ResourceNotFoundException"


def set_a_parameter(wire: Wire, team: str) -> None:
    rds = wire.client("rds", team)
    of_group = {"DBParameterGroupName": "group"}
    rds.create_db_parameter_group(**of_group, DBParameterGroupFamily="postgres16", Description="d")
    parameter = {"ParameterName": "log_statement", "ParameterValue": "ddl"}
    rds.modify_db_parameter_group(
        **of_group, Parameters=[{**parameter, "ApplyMethod": "immediate"}]
    )
    (told,) = rds.describe_db_parameters(**of_group)["Parameters"]
    assert told["Source"] == "user"
    rds.delete_db_parameter_group(**of_group)


def make_an_instance(wire: Wire, team: str) -> None:
    rds = wire.client("rds", team)
    of_instance = {"DBInstanceIdentifier": "instance"}
    told = rds.create_db_instance(
        **of_instance, DBInstanceClass="db.t4g.micro", Engine="postgres", AllocatedStorage=20
    )["DBInstance"]
    assert told["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"
    rds.delete_db_instance(**of_instance, SkipFinalSnapshot=True)


def arn_of(sqs: Any, url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def put_policy(s3: Any, statement: dict[str, Any]) -> None:
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket="kept", Policy=json.dumps(policy))


def test_the_contract_finds_what_does_not_fit() -> None:
    """An answer with an unknown name, a wrong type or value, or a missing member is told."""
    model = botocore.session.get_session().get_service_model("vpc-lattice")
    shape = model.operation_model("DeleteTargetGroup").output_shape
    assert shape is not None
    good = {"id": "tg-1", "arn": "arn", "status": "DELETE_IN_PROGRESS"}
    assert list(mismatches(good, shape)) == []
    assert len(list(mismatches({**good, "Arn": "arn"}, shape))) == 1
    assert len(list(mismatches({**good, "id": 1}, shape))) == 1
    assert len(list(mismatches({**good, "status": "GONE"}, shape))) == 1
    rule = model.operation_model("CreateListener").input_shape
    given = {"name": "https", "protocol": "HTTPS"}
    assert list(mismatches(given, rule)) == [".defaultAction is missing"]


def test_an_action_that_nobody_answers_is_told_at_once(cloud: Cloud) -> None:
    lattice = cloud.client("vpc-lattice")
    with pytest.raises(ClientError) as caught:
        lattice.update_target_group(
            targetGroupIdentifier="tg-00000000000000000", healthCheck={"enabled": False}
        )
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_an_action_at_which_moto_fails_is_told_at_once(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="KeyError") as caught:
        cloud.client("budgets").describe_notifications_for_budget(
            AccountId=MANAGEMENT, BudgetName="none"
        )
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
