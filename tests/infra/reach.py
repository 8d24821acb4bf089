"""Who reaches what over the network, followed through the plans of all stacks.

A part (a function, a service) stands in a VPC with security groups. It opens a connection where a
group of its own lets it out to a group of the other side, which lets it in. Gateway endpoints and
VPC Lattice have prefix lists instead; to Lattice the VPC's association must let it in as well.
There is no other way out of a VPC (``test_plans.py`` holds that).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from plans import Resource, resources

EGRESS = "aws_vpc_security_group_egress_rule"
INGRESS = "aws_vpc_security_group_ingress_rule"
LATTICE = "VPC Lattice"


@dataclass(frozen=True)
class Part:
    """Something with an address in a VPC."""

    account: str
    """The provider that makes it, such as ``aws.team_a``."""
    name: str
    groups: frozenset[str]
    opens: bool
    """Whether it is code of ours, which opens connections by itself."""


@dataclass(frozen=True)
class Way:
    """From where, to what, at which ports."""

    account: str
    origin: str
    target: str
    ports: str


class Network:
    """All security groups, rules, prefix lists and parts of some plans."""

    def __init__(self, plans: Iterable[dict[str, Any]]) -> None:
        self._all = [resource for plan in plans for resource in resources(plan)]
        self.parts = [part for resource in self._all for part in _parts(resource)]
        self._out = {(_group(rule), _other(rule), _ports(rule)) for rule in self._of(EGRESS)}
        self._in = {(_group(rule), _other(rule), _ports(rule)) for rule in self._of(INGRESS)}
        self._entries = {
            group for part in self.parts if part.name == LATTICE for group in part.groups
        }
        self._gateways = {
            endpoint.values["prefix_list_id"]: _service(endpoint)
            for endpoint in self._of("aws_vpc_endpoint")
            if endpoint.values["vpc_endpoint_type"] == "Gateway"
        }

    def _of(self, kind: str) -> Iterator[Resource]:
        return (resource for resource in self._all if resource.type == kind)

    def ways(self) -> set[Way]:
        """What every part of ours reaches, and from where each is reached by VPC Lattice."""
        found = set()
        for part in self.parts:
            if not part.opens:
                continue
            for group, other, ports in self._out:
                if group not in part.groups or other.startswith("sg-"):
                    continue
                if other in self._gateways:
                    found.add(Way(part.account, part.name, self._gateways[other], ports))
                elif any((entry, group, ports) in self._in for entry in self._entries):
                    found.add(Way(part.account, part.name, LATTICE, ports))
            for group, other, ports in self._in:
                if group in part.groups and not other.startswith("sg-"):
                    found.add(Way(part.account, LATTICE, part.name, ports))
            for target, ports in self._targets(part):
                found.add(Way(part.account, part.name, target.name, ports))
        return found

    def _targets(self, part: Part) -> Iterator[tuple[Part, str]]:
        for target in self.parts:
            if target is part:
                continue
            for ours, theirs in product(part.groups, target.groups):
                for group, other, ports in self._out:
                    if (group, other) == (ours, theirs) and any(
                        (theirs, each, ports) in self._in for each in part.groups
                    ):
                        assert target.account == part.account, "a group of another account"
                        yield target, ports

    def half_open(self) -> set[tuple[str, str, str]]:
        """Rules between groups that the other side does not answer: each opens nothing."""
        out = {(group, other, ports) for group, other, ports in self._out if other[:3] == "sg-"}
        back = {(other, group, ports) for group, other, ports in self._in if other[:3] == "sg-"}
        by_list = {
            (group, entry, ports)
            for group, other, ports in self._out
            if other[:3] != "sg-" and other not in self._gateways
            for entry in self._entries
        }
        return (out - back) | (back - out - by_list)


def _group(rule: Resource) -> str:
    return str(rule.values["security_group_id"])


def _other(rule: Resource) -> str:
    """The group or prefix list at the other end; rules by address are refused elsewhere."""
    return str(rule.values["referenced_security_group_id"] or rule.values["prefix_list_id"])


def _ports(rule: Resource) -> str:
    first, last = rule.values["from_port"], rule.values["to_port"]
    return str(first) if first == last else f"{first}-{last}"


def _service(endpoint: Resource) -> str:
    """``s3`` of ``com.amazonaws.eu-central-1.s3``, in words of its own."""
    return f"AWS {str(endpoint.values['service_name']).split('.', 3)[3]}"


def _parts(resource: Resource) -> Iterator[Part]:
    """What a resource puts into a VPC."""
    values = resource.values
    match resource.type:
        case "aws_lambda_function":
            name, groups = values["function_name"], values["vpc_config"][0]["security_group_ids"]
        case "aws_ecs_service":
            name = values["name"]
            groups = values["network_configuration"][0]["security_groups"]
        case "aws_db_instance":
            name, groups = f"database {values['identifier']}", values["vpc_security_group_ids"]
        case "aws_msk_cluster":
            name = f"Kafka {values['cluster_name']}"
            groups = values["broker_node_group_info"][0]["security_groups"]
        case "aws_msk_vpc_connection":
            owner = values["target_cluster_arn"].split("/")[1]
            name, groups = f"PrivateLink to Kafka {owner}", values["security_groups"]
        case "aws_vpc_endpoint" if values["vpc_endpoint_type"] == "Interface":
            name, groups = _service(resource), values["security_group_ids"]
        case "aws_vpclattice_service_network_vpc_association":
            name, groups = LATTICE, values["security_group_ids"]
        case _:
            assert "security_group" in resource.type or not _has_groups(values), (
                f"say what {resource.type} puts into a VPC"
            )
            return
    opens = resource.type in {"aws_lambda_function", "aws_ecs_service"}
    yield Part(resource.provider, name, frozenset(groups), opens)


def _has_groups(value: Any) -> bool:
    """Whether a resource, or a block in it, has security groups."""
    if isinstance(value, dict):
        return any(
            _has_groups(inner) or (name in _GROUPS and bool(inner)) for name, inner in value.items()
        )
    return isinstance(value, list) and any(_has_groups(each) for each in value)


_GROUPS = {"security_groups", "security_group_ids", "vpc_security_group_ids"}
