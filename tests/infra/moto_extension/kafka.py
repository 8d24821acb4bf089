"""MSK: a cluster that becomes active, its configuration, and connections from other accounts' VPCs.

There is no broker behind it: the addresses that it tells have the form of MSK's and lead nowhere.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from moto.kafka import urls
from moto.kafka.exceptions import BadRequestException, KafkaException, NotFoundException
from moto.kafka.models import FakeKafkaCluster, KafkaBackend, kafka_backends
from moto.kafka.responses import KafkaResponse

from .registry import mended, stub
from .resource_policy import lets

for _path in (
    "configurations$",
    "configurations/(?P<arn>.+)$",
    "operations/(?P<clusterOperationArn>.+)$",
    "vpc-connection$",
    "vpc-connection/(?P<arn>.+)$",
):
    urls.url_paths["{0}/v1/" + _path] = KafkaResponse.dispatch

_IAM_PORT = 9098
"""Of each broker, within its VPC (MSK Developer Guide, "Port information")."""

_FIRST_PRIVATE_LINK_PORT = 14001
"""Of the first broker, from another VPC (MSK Developer Guide, "Multi-VPC private connectivity")."""


class ForbiddenException(KafkaException):
    code = 403

    def __init__(self, message: str) -> None:
        super().__init__("ForbiddenException", message)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _kept(backend: KafkaBackend, what: str) -> dict[str, dict[str, Any]]:
    """What moto has no place for, by ARN, kept with its own state."""
    kept: dict[str, dict[str, Any]] = backend.__dict__.setdefault(what, {})
    return kept


def _one(things: dict[str, Any], arn: str) -> Any:
    if arn not in things:
        raise NotFoundException(f"{arn} does not exist")
    return things[arn]


def _from_path(self: KafkaResponse, name: str) -> str:
    return unquote(self.uri_match[name])


# --- clusters ------------------------------------------------------------------------------------

mended(KafkaResponse, "CreateCluster", "a cluster has its name in its ARN and becomes active")

_init = FakeKafkaCluster.__init__


def _init_active(self: FakeKafkaCluster, *args: Any, **named: Any) -> None:
    _init(self, *args, **named)
    self.state = "ACTIVE"
    self.creation_time = _now()


def _arn_with_name(self: FakeKafkaCluster) -> str:
    owner = f"arn:aws:kafka:{self.region_name}:{self.account_id}"
    return f"{owner}:cluster/{self.cluster_name}/{self.cluster_id}-1"


FakeKafkaCluster.__init__ = _init_active  # type: ignore[method-assign]
FakeKafkaCluster._generate_arn = _arn_with_name  # type: ignore[method-assign]


def _private_link(cluster: FakeKafkaCluster) -> bool:
    """Whether clients in other VPCs may come in with IAM."""
    connectivity = (cluster.broker_node_group_info or {}).get("connectivityInfo") or {}
    authentication = (connectivity.get("vpcConnectivity") or {}).get("clientAuthentication") or {}
    return bool(((authentication.get("sasl") or {}).get("iam") or {}).get("enabled"))


def _described(backend: KafkaBackend, cluster: FakeKafkaCluster) -> dict[str, Any]:
    told = backend.describe_cluster(cluster.arn)
    for made_up in (
        "activeOperationArn",
        "stateInfo",
        "zookeeperConnectString",
        "zookeeperConnectStringTls",
    ):
        del told[made_up]
    return {name: value for name, value in told.items() if value not in (None, {})}


@stub(KafkaResponse, "DescribeCluster", "tells what was asked for only, and of clusters only")
def describe_cluster(self: KafkaResponse) -> str:
    backend = self.kafka_backend
    cluster = _one(backend.clusters, _from_path(self, "clusterArn"))
    return json.dumps({"clusterInfo": _described(backend, cluster)})


@stub(KafkaResponse, "DescribeClusterV2", "tells what DescribeCluster does, in another order")
def describe_cluster_v2(self: KafkaResponse) -> str:
    backend = self.kafka_backend
    cluster = _one(backend.clusters, _from_path(self, "clusterArn"))
    told = _described(backend, cluster)
    of_any = told.keys() & {
        *("clusterArn", "clusterName", "creationTime", "currentVersion", "state", "tags")
    }
    info = {name: told.pop(name) for name in of_any}
    info |= {"clusterType": "PROVISIONED", "provisioned": told}
    return json.dumps({"clusterInfo": info})


@stub(KafkaResponse, "ListClusters", "tells of a cluster what DescribeCluster does")
def list_clusters(self: KafkaResponse) -> str:
    backend, begins = self.kafka_backend, self._get_param("clusterNameFilter") or ""
    found = [each for each in backend.clusters.values() if each.cluster_name.startswith(begins)]
    return json.dumps({"clusterInfoList": [_described(backend, each) for each in found]})


@stub(KafkaResponse, "DeleteCluster", "tells that it is being deleted")
def delete_cluster(self: KafkaResponse) -> str:
    arn = _from_path(self, "clusterArn")
    _one(self.kafka_backend.clusters, arn)
    del self.kafka_backend.clusters[arn]
    return json.dumps({"clusterArn": arn, "state": "DELETING"})


@stub(KafkaResponse, "GetBootstrapBrokers", "missing in moto")
def get_bootstrap_brokers(self: KafkaResponse) -> str:
    cluster = _one(self.kafka_backend.clusters, _from_path(self, "clusterArn"))
    brokers = range(cluster.number_of_broker_nodes)
    host = f"{cluster.cluster_name}.{cluster.cluster_id[:6]}.c2.kafka.{self.region}.amazonaws.com"
    told = {
        "bootstrapBrokerStringSaslIam": ",".join(
            f"b-{broker + 1}.{host}:{_IAM_PORT}" for broker in brokers
        )
    }
    if _private_link(cluster):
        told["bootstrapBrokerStringVpcConnectivitySaslIam"] = ",".join(
            f"b-{broker + 1}.iam.{host}:{_FIRST_PRIVATE_LINK_PORT + broker}" for broker in brokers
        )
    return json.dumps(told)


@stub(KafkaResponse, "UpdateConnectivity", "missing in moto")
def update_connectivity(self: KafkaResponse) -> str:
    cluster = _one(self.kafka_backend.clusters, _from_path(self, "clusterArn"))
    connectivity = cluster.broker_node_group_info.setdefault("connectivityInfo", {})
    connectivity.update(self._get_param("connectivityInfo"))
    operation = cluster.arn.replace(":cluster/", ":cluster-operation/") + f"/{uuid4()}"
    _kept(self.kafka_backend, "operations")[operation] = {
        "clusterArn": cluster.arn,
        "operationArn": operation,
        "operationState": "UPDATE_COMPLETE",
        "operationType": "UPDATE_CONNECTIVITY",
    }
    return json.dumps({"clusterArn": cluster.arn, "clusterOperationArn": operation})


@stub(KafkaResponse, "DescribeClusterOperation", "missing in moto")
def describe_cluster_operation(self: KafkaResponse) -> str:
    arn = _from_path(self, "clusterOperationArn")
    return json.dumps({"clusterOperationInfo": _one(_kept(self.kafka_backend, "operations"), arn)})


# --- configurations ------------------------------------------------------------------------------


def _configuration(self: KafkaResponse) -> dict[str, Any]:
    """The one that the path names; of one that is not there MSK speaks as of a bad request."""
    found = _kept(self.kafka_backend, "configurations").get(_from_path(self, "arn"))
    if found is None:
        raise BadRequestException("Configuration ARN does not exist.")
    return found


@stub(KafkaResponse, "CreateConfiguration", "missing in moto")
def create_configuration(self: KafkaResponse) -> str:
    name, now = self._get_param("name"), _now()
    owner = f"arn:aws:kafka:{self.region}:{self.current_account}"
    made = {
        "arn": f"{owner}:configuration/{name}/{uuid4()}-1",
        "creationTime": now,
        "latestRevision": {"creationTime": now, "revision": 1},
        "name": name,
        "state": "ACTIVE",
    }
    _kept(self.kafka_backend, "configurations")[made["arn"]] = {
        **made,
        "kafkaVersions": self._get_param("kafkaVersions"),
        "serverProperties": self._get_param("serverProperties"),
    }
    return json.dumps(made)


@stub(KafkaResponse, "DescribeConfiguration", "missing in moto")
def describe_configuration(self: KafkaResponse) -> str:
    found = _configuration(self)
    return json.dumps({name: found[name] for name in found if name != "serverProperties"})


@stub(KafkaResponse, "DescribeConfigurationRevision", "missing in moto")
def describe_configuration_revision(self: KafkaResponse) -> str:
    found = _configuration(self)
    told = {name: found[name] for name in ("arn", "creationTime", "serverProperties")}
    return json.dumps({**told, "revision": found["latestRevision"]["revision"]})


@stub(KafkaResponse, "DeleteConfiguration", "missing in moto")
def delete_configuration(self: KafkaResponse) -> str:
    arn = _configuration(self)["arn"]
    del _kept(self.kafka_backend, "configurations")[arn]
    return json.dumps({"arn": arn, "state": "DELETING"})


# --- from other VPCs -----------------------------------------------------------------------------


@stub(KafkaResponse, "CreateVpcConnection", "missing in moto")
def create_vpc_connection(self: KafkaResponse) -> str:
    """A connection of the caller's VPC, where the cluster is open to that and its policy lets the
    caller's account."""
    target = self._get_param("targetClusterArn")
    owner, name = target.split(":")[4], target.split("/")[1]
    backend = kafka_backends[owner][self.region]
    cluster = _one(backend.clusters, target)
    policy = backend.policies.get(target, {}).get("policy")
    if owner != self.current_account and not lets(
        policy, self.current_account, "kafka:CreateVpcConnection", target
    ):
        raise ForbiddenException(f"the policy of {target} does not let {self.current_account}")
    if self._get_param("authentication") != "SASL_IAM" or not _private_link(cluster):
        raise ForbiddenException(f"{target} is not open to other VPCs with that authentication")
    here = f"arn:aws:kafka:{self.region}:{self.current_account}"
    made = {
        "vpcConnectionArn": f"{here}:vpc-connection/{owner}/{name}/{uuid4()}-1",
        "authentication": "SASL_IAM",
        "creationTime": _now(),
        "securityGroups": self._get_param("securityGroups"),
        "tags": self._get_param("tags") or {},
        "vpcId": self._get_param("vpcId"),
    }
    subnets = self._get_param("clientSubnets")
    _kept(self.kafka_backend, "vpc_connections")[made["vpcConnectionArn"]] = {
        **made,
        "state": "AVAILABLE",
        "subnets": subnets,
        "targetClusterArn": target,
    }
    self.kafka_backend.tag_resource(made["vpcConnectionArn"], made["tags"])
    return json.dumps({**made, "clientSubnets": subnets, "state": "CREATING"})


@stub(KafkaResponse, "DescribeVpcConnection", "missing in moto")
def describe_vpc_connection(self: KafkaResponse) -> str:
    arn = _from_path(self, "arn")
    found = _one(_kept(self.kafka_backend, "vpc_connections"), arn)
    return json.dumps({**found, "tags": self.kafka_backend.list_tags_for_resource(arn)})


@stub(KafkaResponse, "DeleteVpcConnection", "missing in moto")
def delete_vpc_connection(self: KafkaResponse) -> str:
    arn = _from_path(self, "arn")
    _one(_kept(self.kafka_backend, "vpc_connections"), arn)
    del _kept(self.kafka_backend, "vpc_connections")[arn]
    return json.dumps({"vpcConnectionArn": arn, "state": "DELETING"})
