"""VPC Lattice: removing things, reading two of them, targets, and networks of other accounts."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from moto.core.responses import ActionResult
from moto.vpclattice.exceptions import ResourceNotFoundException
from moto.vpclattice.models import (
    VPCLatticeBackend,
    VPCLatticeServiceNetwork,
    vpclattice_backends,
)
from moto.vpclattice.responses import VPCLatticeResponse

from .ram import is_shared_with
from .registry import stub

_own_network = VPCLatticeBackend.get_service_network


def _last(identifier: str) -> str:
    """The id in an id or ARN."""
    return unquote(identifier).rsplit("/", 1)[-1]


def _take(things: dict[str, Any], identifier: str) -> Any:
    """Remove one thing and return it."""
    try:
        return things.pop(_last(identifier))
    except KeyError:
        raise ResourceNotFoundException(f"{identifier} not found") from None


def _network_in_sight(
    self: VPCLatticeBackend, service_network_identifier: str
) -> VPCLatticeServiceNetwork:
    """A network of this account, or one that an active RAM share shows to it."""
    identifier = _last(service_network_identifier)
    if identifier in self.service_networks:
        return _own_network(self, identifier)
    for owner, regions in vpclattice_backends.items():
        network = regions[self.region_name].service_networks.get(identifier)
        if network and is_shared_with(self.account_id, owner, self.region_name, network.arn):
            return network
    raise ResourceNotFoundException(f"Service network {identifier} not found")


VPCLatticeBackend.get_service_network = _network_in_sight  # type: ignore[method-assign]


@stub(VPCLatticeResponse, "GetServiceNetwork", "a shared network is seen from other accounts")
def get_service_network(self: VPCLatticeResponse) -> ActionResult:
    network = self.backend.get_service_network(self._get_param("serviceNetworkIdentifier"))
    return ActionResult(network.to_dict())


@stub(VPCLatticeResponse, "DeleteServiceNetwork", "missing in moto")
def delete_service_network(self: VPCLatticeResponse) -> ActionResult:
    _take(self.backend.service_networks, self._get_param("serviceNetworkIdentifier"))
    return ActionResult({})


@stub(VPCLatticeResponse, "GetServiceNetworkVpcAssociation", "missing in moto")
def get_service_network_vpc_association(self: VPCLatticeResponse) -> ActionResult:
    identifier = _last(self._get_param("serviceNetworkVpcAssociationIdentifier"))
    association = self.backend.service_network_vpc_associations.get(identifier)
    if association is None:
        raise ResourceNotFoundException(f"{identifier} not found")
    return ActionResult(association.to_dict())


@stub(VPCLatticeResponse, "DeleteServiceNetworkVpcAssociation", "missing in moto")
def delete_service_network_vpc_association(self: VPCLatticeResponse) -> ActionResult:
    association = _take(
        self.backend.service_network_vpc_associations,
        self._get_param("serviceNetworkVpcAssociationIdentifier"),
    )
    return ActionResult(
        {"id": association.id, "arn": association.arn, "status": "DELETE_IN_PROGRESS"}
    )


@stub(VPCLatticeResponse, "DeleteServiceNetworkServiceAssociation", "missing in moto")
def delete_service_network_service_association(self: VPCLatticeResponse) -> ActionResult:
    association = _take(
        self.backend.service_network_service_associations,
        self._get_param("serviceNetworkServiceAssociationIdentifier"),
    )
    return ActionResult(
        {"id": association.id, "arn": association.arn, "status": "DELETE_IN_PROGRESS"}
    )


@stub(VPCLatticeResponse, "DeleteService", "missing in moto")
def delete_service(self: VPCLatticeResponse) -> ActionResult:
    service = _take(self.backend.services, self._get_param("serviceIdentifier"))
    return ActionResult(
        {
            "id": service.id,
            "arn": service.arn,
            "name": service.name,
            "status": "DELETE_IN_PROGRESS",
        }
    )


@stub(VPCLatticeResponse, "DeleteListener", "missing in moto")
def delete_listener(self: VPCLatticeResponse) -> ActionResult:
    _take(self.backend.listeners, self._get_param("listenerIdentifier"))
    return ActionResult({})


@stub(VPCLatticeResponse, "DeleteTargetGroup", "missing in moto")
def delete_target_group(self: VPCLatticeResponse) -> ActionResult:
    group = _take(self.backend.target_groups, self._get_param("targetGroupIdentifier"))
    return ActionResult({"id": group.id, "arn": group.arn, "status": "DELETE_IN_PROGRESS"})


@stub(VPCLatticeResponse, "GetRule", "missing in moto")
def get_rule(self: VPCLatticeResponse) -> ActionResult:
    identifier = _last(self._get_param("ruleIdentifier"))
    rule = self.backend.rules.get(identifier)
    if rule is None:
        raise ResourceNotFoundException(f"{identifier} not found")
    return ActionResult(
        {
            "id": rule.id,
            "arn": rule.arn,
            "name": rule.name,
            "priority": rule.priority,
            "action": rule.action,
            "match": rule.match,
            "isDefault": False,
        }
    )


@stub(VPCLatticeResponse, "DeleteRule", "missing in moto")
def delete_rule(self: VPCLatticeResponse) -> ActionResult:
    _take(self.backend.rules, self._get_param("ruleIdentifier"))
    return ActionResult({})


# --- targets -------------------------------------------------------------------------------------


def _targets(self: VPCLatticeResponse) -> list[dict[str, Any]]:
    """What a target group forwards to, kept with moto's own state."""
    group = _last(self.uri_match["targetGroupIdentifier"])
    if group not in self.backend.target_groups:
        raise ResourceNotFoundException(f"{group} not found")
    kept: list[dict[str, Any]] = self.backend.target_groups[group].__dict__.setdefault(
        "registered_targets", []
    )
    return kept


@stub(VPCLatticeResponse, "RegisterTargets", "missing in moto")
def register_targets(self: VPCLatticeResponse) -> ActionResult:
    given = self._get_param("targets")
    _targets(self).extend(given)
    return ActionResult({"successful": given, "unsuccessful": []})


@stub(VPCLatticeResponse, "ListTargets", "missing in moto")
def list_targets(self: VPCLatticeResponse) -> ActionResult:
    wanted = [each["id"] for each in self._get_param("targets") or []]
    return ActionResult(
        {
            "items": [
                {**target, "status": "UNAVAILABLE"}
                for target in _targets(self)
                if target["id"] in wanted or not wanted
            ]
        }
    )


@stub(VPCLatticeResponse, "DeregisterTargets", "missing in moto")
def deregister_targets(self: VPCLatticeResponse) -> ActionResult:
    given, targets = self._get_param("targets"), _targets(self)
    for target in given:
        targets.remove(target)
    return ActionResult({"successful": given, "unsuccessful": []})
