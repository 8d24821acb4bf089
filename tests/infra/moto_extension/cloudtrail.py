"""CloudTrail: a trail is removed by its ARN too, which is what Terraform gives."""

from __future__ import annotations

from moto.cloudtrail.responses import CloudTrailResponse
from moto.core.responses import ActionResult

from .registry import stub


@stub(CloudTrailResponse, "DeleteTrail", "finds a trail by its ARN; moto does so by name only")
def delete_trail(self: CloudTrailResponse) -> ActionResult:
    name = self._get_param("Name").rsplit("/", 1)[-1]
    self.cloudtrail_backend.delete_trail(name)
    return ActionResult({})
