"""ECS: a service keeps what moto forgets of it."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.ecs.responses import EC2ContainerServiceResponse

from .registry import stub

_FORGOTTEN = ("availabilityZoneRebalancing", "deploymentConfiguration", "enableExecuteCommand")

_create_service = EC2ContainerServiceResponse.create_service
_update_service = EC2ContainerServiceResponse.update_service


def _with_all(self: EC2ContainerServiceResponse, answer: ActionResult) -> ActionResult:
    """Beside what a service keeps itself: its place in VPC Lattice, which its deployment tells."""
    result: Any = answer.result
    service = result["service"]
    for name in _FORGOTTEN:
        if (given := self._get_param(name)) is not None:
            setattr(service, camelcase_to_underscores(name), given)
    if (lattice := self._get_param("vpcLatticeConfigurations")) is not None:
        service.deployments[0]["vpcLatticeConfigurations"] = lattice
    return answer


@stub(EC2ContainerServiceResponse, "CreateService", f"keeps {', '.join(_FORGOTTEN)}, and Lattice's")
def create_service(self: EC2ContainerServiceResponse) -> ActionResult:
    return _with_all(self, _create_service(self))


@stub(EC2ContainerServiceResponse, "UpdateService", "keeps the place in VPC Lattice")
def update_service(self: EC2ContainerServiceResponse) -> ActionResult:
    return _with_all(self, _update_service(self))
